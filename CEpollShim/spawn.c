#define _GNU_SOURCE
#include "ce_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    /// The child's stack: a chain of small functions, the lowest page of it a guard.
    CHILD_STACK_BYTES = 64 * 1024,
    INHERITED_MAX = 8,
};

/// What parent and child share while the parent sleeps in clone.
struct launch {
    const struct ce_spawn_how *how;
    int parent;
    /// The child's ends.
    int input, output, errors;
    const char *volatile step;
    volatile int error;
};

// MARK: The child, in the parent's memory

/// Ends the child with the reason left for the parent.
static void give_up(struct launch *launch, const char *step) {
    launch->error = errno != 0 ? errno : EINVAL;
    launch->step = step;
    _exit(127);
}

/// By the system call: glibc keeps two signals to itself, whose dispositions are inherited as well.
static void reset_signals(void) {
    // The kernel's struct, of which zeros mean SIG_DFL; larger than any architecture's.
    const unsigned long standard[8] = {0};
    // The table of handlers is the child's own (no CLONE_SIGHAND).
    for (int number = 1; number < NSIG; number++)
        syscall(SYS_rt_sigaction, number, standard, NULL, (size_t)(NSIG - 1) / 8);
}

/// Puts the child's descriptors at 0, 1, 2, 3…, wherever they are now.
static void place_descriptors(struct launch *launch) {
    const struct ce_spawn_how *how = launch->how;
    int count = 3 + (int)how->inherited_count;
    int moved[3 + INHERITED_MAX] = {launch->input, launch->output, launch->errors};
    for (size_t i = 0; i < how->inherited_count; i++) moved[3 + i] = how->inherited[i];
    for (int i = 0; i < count; i++) {
        // Out of the way of the places to be taken.
        moved[i] = fcntl(moved[i], F_DUPFD_CLOEXEC, count);
        if (moved[i] < 0) give_up(launch, "copying its descriptors");
    }
    for (int i = 0; i < count; i++)
        if (dup2(moved[i], i) < 0) give_up(launch, "placing its descriptors");
    if (syscall(SYS_close_range, (unsigned)count, ~0U, 0) < 0) give_up(launch, "closing descriptors");
}

/// glibc's setuid family would signal the parent's other threads, whose memory this is: plain system calls.
static void become(struct launch *launch) {
    const struct ce_spawn_how *how = launch->how;
    if (how->group >= 0) {
        if (syscall(SYS_setgroups, 0, NULL) < 0) give_up(launch, "dropping its groups");
        if (syscall(SYS_setresgid, how->group, how->group, how->group) < 0) give_up(launch, "changing its group");
    }
    if (how->user >= 0 && syscall(SYS_setresuid, how->user, how->user, how->user) < 0)
        give_up(launch, "changing its user");
}

/// Needs the rights and the descriptors that the child is about to give up.
static void enter_surroundings(struct launch *launch) {
    const struct ce_spawn_how *how = launch->how;
    for (size_t i = 0; i < how->group_count; i++)
        if (write(how->groups[i], "0", 1) < 0) give_up(launch, "entering its control group");
    // First the place where everything else is looked up.
    if (how->workspace >= 0 && setns(how->workspace, CLONE_NEWNS) < 0) give_up(launch, "entering its workspace");
    if (how->network >= 0 && setns(how->network, CLONE_NEWNET) < 0) give_up(launch, "entering its network");
}

static void limit(struct launch *launch) {
    const struct ce_spawn_how *how = launch->how;
    for (size_t i = 0; i < how->limit_count; i++) {
        struct rlimit now, wanted;
        __rlimit_resource_t resource = (__rlimit_resource_t)how->limits[i].resource;
        if (getrlimit(resource, &now) < 0) give_up(launch, "reading its limits");
        wanted.rlim_cur = wanted.rlim_max = how->limits[i].value;
        // A hard limit can be lowered only.
        if (wanted.rlim_max > now.rlim_max) wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
        if (setrlimit(resource, &wanted) < 0) give_up(launch, "setting its limits");
    }
}

/// Not being the first to be killed is no right of its own: a host that has no such file goes on.
static void offer_to_oom_killer(const struct launch *launch) {
    if (launch->how->oom_score <= 0) return;
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    char text[16];
    int count = snprintf(text, sizeof text, "%d", launch->how->oom_score);
    if (write(fd, text, (size_t)count) < 0) errno = 0;
    close(fd);
}

static int run_child(void *raw) {
    struct launch *launch = raw;
    const struct ce_spawn_how *how = launch->how;
    reset_signals();
    if (setsid() < 0) give_up(launch, "starting its session");
    enter_surroundings(launch);
    place_descriptors(launch);
    if (how->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(how->cpu, &set);
        // On another CPU it is slower, not wrong.
        sched_setaffinity(0, sizeof set, &set);
    }
    limit(launch);
    offer_to_oom_killer(launch);
    become(launch);
    if (how->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(launch, "giving up privileges");
    // A change of user clears it, so it comes after.
    if (how->death_signal > 0) {
        if (prctl(PR_SET_PDEATHSIG, how->death_signal) < 0) give_up(launch, "binding its life to the gateway's");
        // The parent may have ended before the line above took effect.
        if (getppid() != launch->parent) _exit(127);
    }
    umask(022);
    errno = 0;
    if (chdir(how->directory != NULL ? how->directory : "/") < 0) give_up(launch, "entering its directory");
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(how->program, (char *const *)how->arguments, (char *const *)how->environment);
    give_up(launch, "running it");
    return 127;
}

// MARK: The parent

static void close_all(int *descriptors, int count) {
    for (int i = 0; i < count; i++) {
        if (descriptors[i] >= 0) close(descriptors[i]);
        descriptors[i] = -1;
    }
}

/// Three pipes: [0], [2], [4] read, [1], [3], [5] write.
static int open_pipes(int ends[6]) {
    for (int i = 0; i < 3; i++)
        if (pipe2(ends + 2 * i, O_CLOEXEC) < 0) return -errno;
    const int ours[] = {ends[1], ends[2], ends[4]};
    for (int i = 0; i < 3; i++)
        if (fcntl(ours[i], F_SETFL, fcntl(ours[i], F_GETFL) | O_NONBLOCK) < 0) return -errno;
    return 0;
}

/// clone(2) with every signal blocked: a handler of the parent must not run in the child on its memory.
static int clone_child(struct launch *launch, int *pidfd) {
    char *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return -errno;
    // The page below the stack: running over it must not reach the parent's memory.
    mprotect(stack, 4096, PROT_NONE);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(run_child, stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, launch,
                    pidfd);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    munmap(stack, CHILD_STACK_BYTES);
    return pid < 0 ? -error : pid;
}

int ce_spawn(const struct ce_spawn_how *how, struct ce_spawned *out) {
    *out = (struct ce_spawned){.pid = -1, .pidfd = -1, .input = -1, .output = -1, .errors = -1};
    if (how->inherited_count > INHERITED_MAX) {
        out->step = "passing descriptors";
        return -E2BIG;
    }
    int ends[6] = {-1, -1, -1, -1, -1, -1};
    int result = open_pipes(ends);
    if (result < 0) {
        out->step = "making its pipes";
        close_all(ends, 6);
        return result;
    }
    struct launch launch = {
        .how = how, .parent = getpid(), .input = ends[0], .output = ends[3], .errors = ends[5],
    };
    int pidfd = -1;
    int pid = clone_child(&launch, &pidfd);
    if (pid < 0) {
        out->step = "making its process";
        close_all(ends, 6);
        return pid;
    }
    int theirs[] = {ends[0], ends[3], ends[5]};
    close_all(theirs, 3);
    if (launch.error != 0) {
        siginfo_t ignored;
        while (waitid(P_PIDFD, (id_t)pidfd, &ignored, WEXITED | __WALL) < 0 && errno == EINTR) continue;
        int ours[] = {ends[1], ends[2], ends[4], pidfd};
        close_all(ours, 4);
        out->step = launch.step;
        return -launch.error;
    }
    *out = (struct ce_spawned){
        .pid = pid, .pidfd = pidfd, .input = ends[1], .output = ends[2], .errors = ends[4],
    };
    return 0;
}

// MARK: Locks

static int byte_lock(int fd, int64_t at, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return 0;
    return errno == EACCES ? -EAGAIN : -errno;
}

int ce_lock_byte(int fd, int64_t at) { return byte_lock(fd, at, F_WRLCK); }

int ce_unlock_byte(int fd, int64_t at) { return byte_lock(fd, at, F_UNLCK); }

int ce_lock_file(int fd) {
    int result;
    do result = flock(fd, LOCK_EX);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

// MARK: Files and processes

int ce_memory_file(const char *name, const void *bytes, size_t count) {
    int fd = memfd_create(name, MFD_CLOEXEC);
    if (fd < 0) return -errno;
    const char *at = bytes;
    while (count > 0) {
        ssize_t put = write(fd, at, count);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) {
            int error = errno;
            close(fd);
            return -error;
        }
        at += put;
        count -= (size_t)put;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

int ce_lchown(const char *path, int64_t user, int64_t group) {
    return lchown(path, (uid_t)user, (gid_t)group) == 0 ? 0 : -errno;
}

int ce_chmod(const char *path, unsigned mode) { return chmod(path, (mode_t)mode) == 0 ? 0 : -errno; }

int ce_look_at(const char *path, int follow, struct ce_look *out) {
    struct stat found;
    if (fstatat(AT_FDCWD, path, &found, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0) return -errno;
    *out = (struct ce_look){
        .mode = found.st_mode, .user = found.st_uid, .group = found.st_gid, .size = found.st_size,
    };
    return 0;
}

int ce_wait_readable(int first, int second, int timeout_ms) {
    // Negative descriptors are ignored by poll(2).
    struct pollfd set[] = {{.fd = first, .events = POLLIN}, {.fd = second, .events = POLLIN}};
    int count;
    do count = poll(set, 2, timeout_ms);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    return (set[0].revents != 0 ? 1 : 0) | (set[1].revents != 0 ? 2 : 0);
}

int ce_become_subreaper(void) { return prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 ? 0 : -errno; }

int ce_kill(int pid, int signal) { return kill(pid, signal) == 0 ? 0 : -errno; }

int ce_get_limit(int resource, uint64_t *soft, uint64_t *hard) {
    struct rlimit found;
    if (getrlimit((__rlimit_resource_t)resource, &found) < 0) return -errno;
    *soft = found.rlim_cur;
    *hard = found.rlim_max;
    return 0;
}

int ce_limit_process(int pid, int resource, uint64_t value) {
    struct rlimit now, wanted = {.rlim_cur = value, .rlim_max = value};
    if (prlimit(pid, (__rlimit_resource_t)resource, NULL, &now) < 0) return -errno;
    // A hard limit can be lowered only.
    if (wanted.rlim_max > now.rlim_max) wanted.rlim_cur = wanted.rlim_max = now.rlim_max;
    return prlimit(pid, (__rlimit_resource_t)resource, &wanted, NULL) == 0 ? 0 : -errno;
}
