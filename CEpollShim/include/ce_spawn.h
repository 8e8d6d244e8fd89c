/// Starting programs from a big multi-threaded process. Nothing is copied and no Swift runs between clone and
/// exec: the child borrows the parent's memory (vfork semantics) and makes plain system calls.
#ifndef CE_SPAWN_H
#define CE_SPAWN_H

#include <stddef.h>
#include <stdint.h>

struct ce_rlimit {
    /// RLIMIT_* of <sys/resource.h>.
    int resource;
    uint64_t value;
};

struct ce_spawn_how {
    /// Absolute path; PATH is not searched.
    const char *program;
    const char *const *arguments;
    const char *const *environment;
    /// Working directory, entered with the child's own identity; NULL is `/`.
    const char *directory;
    /// User and group to become, supplementary groups dropped; -1 keeps them.
    int64_t user;
    int64_t group;
    /// The one CPU it may run on; -1 is any that the caller may use.
    int cpu;
    /// Signal that the child gets when the calling *thread* ends; 0 is none.
    int death_signal;
    int no_new_privileges;
    /// How readily the kernel kills it when the whole machine has no memory left, 0 to 1000 (oom_score_adj of
    /// proc(5)); 0 leaves what the caller has. Started by root, it cannot lower it again.
    int oom_score;
    const struct ce_rlimit *limits;
    size_t limit_count;
    /// Descriptors that the child gets as 3, 4, …; all others but its standard ones are closed.
    const int *inherited;
    size_t inherited_count;
    /// Open `cgroup.procs` files of the control groups to enter before anything else.
    const int *groups;
    size_t group_count;
    /// The network namespace to enter; -1 keeps the caller's.
    int network;
    /// The mount namespace to enter; -1 keeps the caller's. Paths are looked up there.
    int workspace;
};

struct ce_spawned {
    int pid;
    /// Close-on-exec, as are the pipes; those do not block.
    int pidfd;
    int input, output, errors;
    /// What failed, when it failed; static.
    const char *step;
};

/// Starts a program in a session of its own with three pipes as its standard descriptors, default signal
/// dispositions and an empty signal mask. Returns 0 once exec has succeeded, or -errno with `out->step` set
/// and nothing left running.
int ce_spawn(const struct ce_spawn_how *how, struct ce_spawned *out);

/// The argument vector's first word that makes a process of this program a warden: see `ce_warden`.
#define CE_WARDEN_NAME "mcp-gateway-warden"
/// The same, with a command that it runs at the end: its number of words and the words come before the program.
#define CE_WARDEN_LAST_NAME "mcp-gateway-warden-last"
/// The same around the client of a daemon: it is killed before the last command, which is repeated until it says that
/// it has removed something, where the daemon may have been asked for that and not have made it yet.
#define CE_WARDEN_CLIENT_NAME "mcp-gateway-warden-client"
#define CE_WARDEN_ROUNDS 10
#define CE_WARDEN_PAUSE_MILLISECONDS 300
/// Seconds until a last command has done its work: an engine that removes a container takes 0.3.
#define CE_WARDEN_LAST_SECONDS 20

/// Locks byte `at` of an open file for this open file description, which the kernel gives back when its last
/// copy is closed. Returns 0, or -EAGAIN when another has it.
int ce_lock_byte(int fd, int64_t at);
int ce_unlock_byte(int fd, int64_t at);

/// flock(2) for exclusive use, which waits. Returns 0.
int ce_lock_file(int fd);

/// A memory file (memfd_create(2), close-on-exec) with these bytes, its position at their start. Returns a
/// descriptor.
int ce_memory_file(const char *name, const void *bytes, size_t count);

/// lchown(2).
int ce_lchown(const char *path, int64_t user, int64_t group);

/// chmod(2).
int ce_chmod(const char *path, unsigned mode);

struct ce_look {
    unsigned mode;
    unsigned user;
    unsigned group;
    int64_t size;
};

/// stat(2), or lstat(2) when `follow` is 0.
int ce_look_at(const char *path, int follow, struct ce_look *out);

/// poll(2) for reading on up to two descriptors (-1: none). Returns a bit for each that has something to read
/// or has ended, 0 after `timeout_ms`.
int ce_wait_readable(int first, int second, int timeout_ms);

/// Makes this process inherit, and so be able to reap, what its dead descendants leave (PR_SET_CHILD_SUBREAPER).
int ce_become_subreaper(void);

/// kill(2).
int ce_kill(int pid, int signal);

/// Limits of this process: getrlimit(2) soft and hard.
int ce_get_limit(int resource, uint64_t *soft, uint64_t *hard);

/// Lowers a limit of another process of this user, soft and hard: prlimit(2). Returns 0.
int ce_limit_process(int pid, int resource, uint64_t value);

#endif
