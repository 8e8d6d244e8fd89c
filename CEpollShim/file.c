#define _GNU_SOURCE
#include "ce_file.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

int ce_truncate(int fd, int64_t length) { return ftruncate(fd, length) == 0 ? 0 : -errno; }

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

// MARK: Directories

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

// MARK: Randomness

int ce_random_fill(void *out, size_t count) {
    char *at = out;
    while (count > 0) {
        ssize_t got = getrandom(at, count, 0);
        if (got < 0) {
            if (errno == EINTR) continue;
            return -errno;
        }
        at += got;
        count -= (size_t)got;
    }
    return 0;
}

// MARK: Readiness descriptors

int ce_eventfd(void) {
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int ce_eventfd_signal(int fd) {
    const uint64_t one = 1;
    ssize_t put;
    do put = write(fd, &one, sizeof one);
    while (put < 0 && errno == EINTR);
    return put == sizeof one || errno == EAGAIN ? 0 : -errno;
}

int ce_eventfd_clear(int fd) {
    uint64_t value;
    ssize_t got;
    do got = read(fd, &value, sizeof value);
    while (got < 0 && errno == EINTR);
    if (got == sizeof value) return 1;
    return got < 0 && errno != EAGAIN ? -errno : 0;
}

int ce_signalfd(const int *signals, size_t count) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < count; i++)
        if (sigaddset(&set, signals[i]) < 0) return -errno;
    int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (error != 0) return -error;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

int ce_signalfd_next(int fd) {
    struct signalfd_siginfo info;
    ssize_t got;
    do got = read(fd, &info, sizeof info);
    while (got < 0 && errno == EINTR);
    if (got == sizeof info) return (int)info.ssi_signo;
    return got < 0 && errno != EAGAIN ? -errno : 0;
}

int ce_pidfd_open(int pid) {
    // Sets O_CLOEXEC by itself (pidfd_open(2)).
    long fd = syscall(SYS_pidfd_open, pid, 0);
    return fd < 0 ? -errno : (int)fd;
}

int ce_pidfd_signal(int pidfd, int signal) {
    return syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0) == 0 ? 0 : -errno;
}

int ce_pidfd_reap(int pidfd, struct ce_exit *out) {
    siginfo_t info;
    memset(&info, 0, sizeof info);
    int result;
    do result = waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (result < 0 && errno == EINTR);
    if (result < 0) return -errno;
    if (info.si_pid == 0) return 0;
    out->code = info.si_code == CLD_EXITED ? info.si_status : 0;
    out->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    return 1;
}

// MARK: Sockets

/// A numeric address as a sockaddr. Returns its length, -EINVAL when it is none.
static int parse_address(const char *text, int port, struct sockaddr_storage *out) {
    if (port < 0 || port > 65535) return -EINVAL;
    memset(out, 0, sizeof *out);
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof *v6;
    }
    return -EINVAL;
}

static int set_option(int fd, int level, int name, int value) {
    return setsockopt(fd, level, name, &value, sizeof value) == 0 ? 0 : -errno;
}

int ce_listen_tcp(const char *address, int port, int backlog, int reuse_port) {
    struct sockaddr_storage storage;
    int length = parse_address(address, port, &storage);
    if (length < 0) return length;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int result = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (result == 0 && reuse_port) result = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (result == 0 && storage.ss_family == AF_INET6) result = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (result == 0 && bind(fd, (struct sockaddr *)&storage, (socklen_t)length) < 0) result = -errno;
    if (result == 0 && listen(fd, backlog) < 0) result = -errno;
    if (result < 0) close(fd);
    return result < 0 ? result : fd;
}

int ce_local_port(int fd) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    if (getsockname(fd, (struct sockaddr *)&storage, &length) < 0) return -errno;
    if (storage.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&storage)->sin_port);
    if (storage.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&storage)->sin6_port);
    return -EAFNOSUPPORT;
}

int ce_connect_tcp(const char *address, int port) {
    struct sockaddr_storage storage;
    int length = parse_address(address, port, &storage);
    if (length < 0) return length;
    int fd = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&storage, (socklen_t)length) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    return fd;
}

int ce_socketpair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

int ce_set_send_buffer(int fd, int bytes) { return set_option(fd, SOL_SOCKET, SO_SNDBUF, bytes); }

int ce_set_reset_on_close(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0 ? 0 : -errno;
}

int ce_shutdown_write(int fd) { return shutdown(fd, SHUT_WR) == 0 ? 0 : -errno; }

// MARK: Threads and CPUs

int ce_cpus_allowed(int *out, int capacity) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) < 0) return -errno;
    int count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < capacity; cpu++)
        if (CPU_ISSET(cpu, &set)) out[count++] = cpu;
    return count;
}

int ce_pin_thread(int cpu) {
    if (cpu < 0 || cpu >= CPU_SETSIZE) return -EINVAL;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    int error = pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    return -error;
}

void ce_name_thread(const char *name) {
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    pthread_setname_np(pthread_self(), cut);
}

int ce_unshare_descriptors(void) { return unshare(CLONE_FILES) == 0 ? 0 : -errno; }
