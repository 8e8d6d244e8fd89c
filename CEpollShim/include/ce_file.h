/// Descriptors, files, processes, sockets and CPUs as plain functions: variadic calls and macros that Swift
/// cannot import, with EINTR retried. Every function returns a value >= 0 or -errno.
#ifndef CE_FILE_H
#define CE_FILE_H

#include <stddef.h>
#include <stdint.h>

// MARK: Errors

/// English words for an errno value; static, safe on any thread, never NULL.
const char *ce_error_text(int code);

// MARK: Files

/// open(2) with O_CLOEXEC added. Flags are those of <fcntl.h>. Returns a descriptor.
int ce_open(const char *path, int flags, unsigned mode);

/// openat(2) with O_CLOEXEC added.
int ce_openat(int directory, const char *name, int flags, unsigned mode);

/// close(2). EINTR counts as closed, as Linux closes the descriptor in any case.
int ce_close(int fd);

/// One read(2). Returns the bytes read, 0 at the end.
int64_t ce_read(int fd, void *bytes, size_t count);

/// write(2) until all `count` bytes are written. Returns 0. For blocking descriptors.
int ce_write_all(int fd, const void *bytes, size_t count);

/// fsync(2), fchmod(2). Return 0.
int ce_fsync(int fd);
int ce_fchmod(int fd, unsigned mode);

/// Size in bytes of an open file.
int64_t ce_size(int fd);

/// rename(2), mkdir(2), unlinkat(2) (`directory`: remove a directory instead of a file). Return 0.
int ce_rename(const char *from, const char *to);
int ce_mkdir(const char *path, unsigned mode);
int ce_unlink(const char *path);

enum {
    CE_KIND_OTHER = 0,
    CE_KIND_FILE = 1,
    CE_KIND_DIRECTORY = 2,
    CE_KIND_LINK = 3,
};

/// What `path` is, one of CE_KIND_*; symbolic links are followed when `follow` is not 0.
int ce_kind(const char *path, int follow);

/// realpath(3) into `out`. Returns the length without the NUL, -ENAMETOOLONG when it does not fit.
int ce_realpath(const char *path, char *out, size_t capacity);

/// fcntl(2): sets or clears O_NONBLOCK. Returns 0.
int ce_set_nonblocking(int fd, int on);

/// pipe2(2) with O_CLOEXEC; `ends[0]` reads, `ends[1]` writes. Returns 0.
int ce_pipe(int ends[2]);

/// fcntl(F_SETPIPE_SZ): asks for room in a pipe; /proc/sys/fs/pipe-max-size is the most. Returns the bytes.
int ce_set_pipe_size(int fd, int bytes);

// MARK: Directories

struct ce_directory;

/// Opens `path` for listing. Returns 0.
int ce_directory_open(const char *path, struct ce_directory **out);

/// The next name but `.` and `..`, valid until the next call. Returns 1, or 0 at the end.
int ce_directory_next(struct ce_directory *directory, const char **name);

void ce_directory_close(struct ce_directory *directory);

/// Removes `path` and everything under it without following a symbolic link and without recursion, with two
/// descriptors at any depth: subdirectories are first moved up into `path`, under names that begin with
/// `prefix`. A mount point inside ends it with -EXDEV or -EBUSY. Returns 0, also when there is no `path`.
/// No other process may be changing the tree.
int ce_remove_tree(const char *path, const char *prefix);

// MARK: Randomness

// MARK: Readiness descriptors (all non-blocking and close-on-exec)

/// eventfd(2), counter 0. Returns a descriptor.
int ce_eventfd(void);

/// Adds 1 to an eventfd. Returns 0, also when the counter is full.
int ce_eventfd_signal(int fd);

/// Resets an eventfd. Returns 1 when it had been signalled, else 0.
int ce_eventfd_clear(int fd);

/// pidfd_open(2). Returns a descriptor.
int ce_pidfd_open(int pid);

/// pidfd_send_signal(2). Returns 0, -ESRCH when the process has ended.
int ce_pidfd_signal(int pidfd, int signal);

/// What waitid(P_PIDFD) tells of an ended child.
struct ce_exit {
    /// Exit code, valid when `signal` is 0.
    int code;
    /// The signal that ended it, or 0.
    int signal;
};

/// Reaps an ended child without waiting. Returns 1 when reaped, 0 when it still runs, -ECHILD when it is not
/// (or no longer) a child of ours.
int ce_pidfd_reap(int pidfd, struct ce_exit *out);

// MARK: Sockets

/// A non-blocking TCP listener at a numeric IPv4 or IPv6 `address`; SO_REUSEADDR is set, SO_REUSEPORT when
/// asked for, and IPV6_V6ONLY on IPv6. Port 0 picks one. Returns a descriptor.
int ce_listen_tcp(const char *address, int port, int backlog, int reuse_port);

/// The port a socket is bound to.
int ce_local_port(int fd);

/// A blocking TCP connection to a numeric address; for tests and tools. Returns a descriptor.
int ce_connect_tcp(const char *address, int port);

/// A connected pair of non-blocking Unix stream sockets. Returns 0.
int ce_socketpair(int ends[2]);

/// Sets SO_SNDBUF in bytes; the kernel doubles it. Returns 0.
int ce_set_send_buffer(int fd, int bytes);

/// Makes close(2) send a reset instead of a FIN (SO_LINGER 0). Returns 0.
int ce_set_reset_on_close(int fd);

/// shutdown(2) of the writing side. Returns 0.
int ce_shutdown_write(int fd);

// MARK: Threads and CPUs

/// The CPUs that this thread may use, in order, up to `capacity`. Returns how many were stored.
int ce_cpus_allowed(int *out, int capacity);

/// Binds the calling thread to one CPU. Returns 0.
int ce_pin_thread(int cpu);

/// Names the calling thread; the kernel keeps 15 bytes.
void ce_name_thread(const char *name);

/// Gives the calling thread a table of descriptors of its own, a copy of the process's. Returns 0.
int ce_unshare_descriptors(void);

#endif
