#define _GNU_SOURCE
#include "ce_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The struct is only a name for DIR: Swift sees an opaque pointer.
static DIR *stream_of(struct ce_directory *directory) { return (DIR *)directory; }

/// The next entry but `.` and `..`, NULL at the end (errno 0) or on error (errno set).
static struct dirent *next_entry(DIR *stream) {
    struct dirent *entry;
    do {
        errno = 0;
        entry = readdir(stream);
    } while (entry != NULL && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry;
}

int ce_directory_open(const char *path, struct ce_directory **out) {
    int fd = ce_open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        int error = errno;
        close(fd);
        return -error;
    }
    *out = (struct ce_directory *)stream;
    return 0;
}

int ce_directory_next(struct ce_directory *directory, const char **name) {
    struct dirent *entry = next_entry(stream_of(directory));
    if (entry == NULL) return -errno;
    *name = entry->d_name;
    return 1;
}

void ce_directory_close(struct ce_directory *directory) { closedir(stream_of(directory)); }

/// Gives the owner back what a hostile mode (0000) took away. The directory is reached by O_PATH and its
/// descriptor, so that a link with that name is not followed.
static int make_accessible(int parent, const char *name) {
    int fd = ce_openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
    if (fd < 0) return fd;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int result = chmod(path, 0700) == 0 ? 0 : -errno;
    close(fd);
    return result;
}

/// Opens the directory `name` for listing; NULL with errno set when that cannot be.
static DIR *open_below(int parent, const char *name) {
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
    int fd = ce_openat(parent, name, flags, 0);
    if (fd == -EACCES && make_accessible(parent, name) == 0) fd = ce_openat(parent, name, flags, 0);
    if (fd < 0) {
        errno = -fd;
        return NULL;
    }
    DIR *stream = fdopendir(fd);
    if (stream == NULL) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return stream;
}

/// Moves the directory `name` of `parent` to `root`, under the next free name of ours.
static int move_up(int parent, const char *name, int root, const char *prefix, uint64_t *ordinal) {
    char target[NAME_MAX + 1];
    for (;;) {
        int length = snprintf(target, sizeof target, "%s%llu", prefix, (unsigned long long)(*ordinal)++);
        if (length < 0 || (size_t)length >= sizeof target) return -ENAMETOOLONG;
        if (renameat(parent, name, root, target) == 0) return 0;
        // To move a directory is to rewrite its `..`: it must be writable itself.
        if (errno == EACCES && make_accessible(parent, name) == 0 &&
            renameat(parent, name, root, target) == 0)
            return 0;
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) return -errno;
    }
}

/// Empties one directory of the root: files go, directories move up.
static int empty_directory(int root, const char *name, const char *prefix, uint64_t *ordinal) {
    DIR *stream = open_below(root, name);
    if (stream == NULL) return -errno;
    int fd = dirfd(stream), result = 0, made_writable = 0;
    struct dirent *entry;
    while (result == 0 && (entry = next_entry(stream)) != NULL) {
        if (unlinkat(fd, entry->d_name, 0) == 0 || errno == ENOENT) continue;
        if (errno == EACCES && !made_writable) {
            made_writable = 1;
            if (fchmod(fd, 0700) == 0 && unlinkat(fd, entry->d_name, 0) == 0) continue;
        }
        // Linux answers EISDIR; POSIX allows EPERM.
        int is_directory = errno == EISDIR || errno == EPERM;
        result = is_directory ? move_up(fd, entry->d_name, root, prefix, ordinal) : -errno;
    }
    if (entry == NULL && result == 0 && errno != 0) result = -errno;
    closedir(stream);
    return result;
}

/// One entry of the root. Returns 0 when it is gone.
static int remove_entry(int root, const char *name, const char *prefix, uint64_t *ordinal) {
    if (unlinkat(root, name, 0) == 0 || errno == ENOENT) return 0;
    if (errno != EISDIR && errno != EPERM) return -errno;
    if (unlinkat(root, name, AT_REMOVEDIR) == 0) return 0;
    if (errno != ENOTEMPTY && errno != EEXIST) return -errno;
    int result = empty_directory(root, name, prefix, ordinal);
    if (result < 0) return result;
    return unlinkat(root, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

int ce_remove_tree(const char *path, const char *prefix) {
    int kind = ce_kind(path, 0);
    if (kind == -ENOENT) return 0;
    if (kind < 0) return kind;
    if (kind != CE_KIND_DIRECTORY) return ce_unlink(path);
    DIR *root = open_below(AT_FDCWD, path);
    if (root == NULL) return -errno;
    fchmod(dirfd(root), 0700);  // Fails only where the removals below fail with a better reason.
    uint64_t ordinal = 0;
    int result = 0, removed;
    // Names that were added while the directory is read may or may not be seen: read until it is empty.
    do {
        removed = 0;
        struct dirent *entry;
        while (result == 0 && (entry = next_entry(root)) != NULL) {
            result = remove_entry(dirfd(root), entry->d_name, prefix, &ordinal);
            removed = 1;
        }
        if (result == 0 && errno != 0 && !removed) result = -errno;
        rewinddir(root);
    } while (result == 0 && removed);
    closedir(root);
    if (result < 0) return result;
    return rmdir(path) == 0 ? 0 : -errno;
}
