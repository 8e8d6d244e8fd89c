#define _GNU_SOURCE
#include "ce_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// MARK: Errors

const char *ce_error_text(int code) {
    // Unlike strerror(3) this is a constant table: no shared buffer, no locale.
    const char *text = strerrordesc_np(code);
    return text != NULL ? text : "Unknown error";
}

// MARK: Files

int ce_open(const char *path, int flags, unsigned mode) { return ce_openat(AT_FDCWD, path, flags, mode); }

int ce_openat(int directory, const char *name, int flags, unsigned mode) {
    int fd;
    do fd = openat(directory, name, flags | O_CLOEXEC, (mode_t)mode);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

int ce_close(int fd) { return close(fd) == 0 || errno == EINTR ? 0 : -errno; }

int64_t ce_read(int fd, void *bytes, size_t count) {
    ssize_t got;
    do got = read(fd, bytes, count);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

int ce_write_all(int fd, const void *bytes, size_t count) {
    const char *at = bytes;
    while (count > 0) {
        ssize_t put = write(fd, at, count);
        if (put < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        at += put;
        count -= (size_t)put;
    }
    return 0;
}

int ce_fsync(int fd) { return fsync(fd) == 0 ? 0 : -errno; }

int ce_fchmod(int fd, unsigned mode) { return fchmod(fd, (mode_t)mode) == 0 ? 0 : -errno; }

int64_t ce_size(int fd) {
    struct stat found;
    return fstat(fd, &found) == 0 ? found.st_size : -errno;
}

int ce_rename(const char *from, const char *to) { return rename(from, to) == 0 ? 0 : -errno; }

int ce_mkdir(const char *path, unsigned mode) { return mkdir(path, (mode_t)mode) == 0 ? 0 : -errno; }

int ce_unlink(const char *path) { return unlink(path) == 0 ? 0 : -errno; }

int ce_kind(const char *path, int follow) {
    struct stat found;
    if (fstatat(AT_FDCWD, path, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    if (S_ISREG(found.st_mode)) return CE_KIND_FILE;
    if (S_ISDIR(found.st_mode)) return CE_KIND_DIRECTORY;
    if (S_ISLNK(found.st_mode)) return CE_KIND_LINK;
    return CE_KIND_OTHER;
}

int ce_realpath(const char *path, char *out, size_t capacity) {
    char *found = realpath(path, NULL);
    if (found == NULL) return -errno;
    size_t length = strlen(found);
    int result = length < capacity && length < INT_MAX ? (int)length : -ENAMETOOLONG;
    if (result >= 0) memcpy(out, found, length + 1);
    free(found);
    return result;
}

int ce_set_nonblocking(int fd, int on) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
    return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

int ce_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC) == 0 ? 0 : -errno; }

int ce_set_pipe_size(int fd, int bytes) {
    int got = fcntl(fd, F_SETPIPE_SZ, bytes);
    return got < 0 ? -errno : got;
}
