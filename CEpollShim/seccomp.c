/// The system calls of a jail, as a list of what is allowed: what is on no list does not exist (ENOSYS, on which
/// libraries fall back to something older), what would change the jail or look out of it is refused (EPERM).
#define _GNU_SOURCE
#include "ce_seccomp.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// MARK: The lists

/// Names, not numbers: libseccomp knows which of them this architecture has.
static const char *const allowed[] = {
    // Files
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup", "dup2", "dup3",
    "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown",
    "fchownat", "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr", "fsetxattr", "fstat",
    "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "getxattr", "lchown",
    "lgetxattr", "link", "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat",
    "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat", "open", "openat", "openat2", "pread64", "preadv",
    "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat", "readv",
    "removexattr", "rename", "renameat", "renameat2", "rmdir", "sendfile", "setxattr", "splice", "stat", "statfs",
    "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs", "tee", "truncate", "umask", "unlink",
    "unlinkat", "ustat", "utime", "utimensat", "utimes", "vmsplice", "write", "writev", "inotify_add_watch",
    "inotify_init", "inotify_init1", "inotify_rm_watch", "cachestat",
    // Waiting and pipes
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "epoll_wait_old", "eventfd", "eventfd2", "pipe", "pipe2", "poll", "ppoll", "pselect6", "select", "signalfd",
    "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime", "io_cancel", "io_destroy", "io_getevents",
    "io_pgetevents", "io_setup", "io_submit", "ioctl",
    // Memory
    "brk", "madvise", "membarrier", "memfd_create", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
    "mremap", "msync", "munlock", "munlockall", "munmap", "pkey_alloc", "pkey_free", "pkey_mprotect",
    "remap_file_pages", "map_shadow_stack",
    // Processes and threads; clone is below
    "arch_prctl", "capget", "capset", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_waitv",
    "futex_wake", "futex_wait", "futex_requeue", "get_robust_list", "get_thread_area", "getcpu", "getegid",
    "geteuid", "getgid", "getgroups", "getitimer", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
    "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid", "kill", "landlock_add_rule",
    "landlock_create_ruleset", "landlock_restrict_self", "modify_ldt", "pidfd_open", "pidfd_send_signal", "prctl",
    "prlimit64", "process_mrelease", "restart_syscall", "rseq", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
    "sched_yield", "seccomp", "set_robust_list", "set_thread_area", "set_tid_address", "setfsgid", "setfsuid",
    "setgid", "setgroups", "setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid",
    "setreuid", "setrlimit", "setsid", "setuid", "tgkill", "tkill", "vfork", "wait4", "waitid", "ioprio_get",
    "ioprio_set",
    // Signals and time
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday", "nanosleep", "pause",
    "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_tgsigqueueinfo", "sigaltstack", "time", "timer_create", "timer_delete",
    "timer_getoverrun", "timer_gettime", "timer_settime", "times", "sigreturn",
    // Sockets; socket is below
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen", "recvfrom",
    "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown", "socketpair",
    // System V and POSIX queues, of the jail's own IPC namespace
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl", "msgget",
    "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl", "shmdt", "shmget",
    // What the machine is
    "getrandom", "sysinfo", "uname",
};

/// Refused by name so that a program says why it failed; the rest would be ENOSYS anyway.
static const char *const refused[] = {
    // Mounts and roots
    "mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount",
    "fspick", "pivot_root", "chroot", "swapon", "swapoff", "quotactl", "quotactl_fd", "acct",
    "open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark",
    // Namespaces; clone with their flags is refused below
    "unshare", "setns",
    // Other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
    // Kernel parts with a long record of holes
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "vhangup", "lookup_dcookie",
    // The machine
    "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module", "reboot",
    "iopl", "ioperm", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "stime", "sethostname",
    "setdomainname", "syslog", "nfsservctl", "_sysctl", "uselib",
};

// MARK: Rules on arguments

/// Every flag that would make a namespace (clone(2)).
#define NAMESPACE_FLAGS                                                                                        \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
/// SOCK_CLOEXEC and SOCK_NONBLOCK lie above it.
#define SOCKET_TYPE_MASK 0xf
/// personality(2) that asks and changes nothing.
#define PERSONALITY_ASK 0xffffffffUL

/// `type` over the protocol that the kernel takes for 0, and over nothing else: others load kernel modules.
static int allow_internet(scmp_filter_ctx filter, int family, int type, int protocol) {
    const int protocols[] = {0, protocol};
    for (size_t i = 0; i < 2; i++) {
        int result = seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family),
            SCMP_A1(SCMP_CMP_MASKED_EQ, SOCKET_TYPE_MASK, (scmp_datum_t)type),
            SCMP_A2(SCMP_CMP_EQ, (scmp_datum_t)protocols[i]));
        if (result < 0) return result;
    }
    return 0;
}

static int allow_sockets(scmp_filter_ctx filter) {
    const int families[] = {AF_INET, AF_INET6};
    int result;
    for (size_t i = 0; i < 2; i++) {
        if ((result = allow_internet(filter, families[i], SOCK_STREAM, IPPROTO_TCP)) < 0) return result;
        if ((result = allow_internet(filter, families[i], SOCK_DGRAM, IPPROTO_UDP)) < 0) return result;
    }
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    if (result < 0) return result;
    // Reading addresses and routes, as getaddrinfo and os.networkInterfaces do.
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                            SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE));
}

static int add_argument_rules(scmp_filter_ctx filter) {
    int result = allow_sockets(filter);
    if (result < 0) return result;
    result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACE_FLAGS, 0));
    if (result < 0) return result;
    const scmp_datum_t personalities[] = {0, PERSONALITY_ASK};
    for (size_t i = 0; i < 2; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                                  SCMP_A0(SCMP_CMP_EQ, personalities[i]));
        if (result < 0) return result;
    }
    return 0;
}

/// Names that neither this library nor this architecture has are passed over.
static int add_names(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number < 0) continue;
        int result = seccomp_rule_add(filter, action, number, 0);
        if (result < 0) return result;
    }
    return 0;
}

static int add_rules(scmp_filter_ctx filter) {
    // Another architecture's calls have other numbers: none of them exists.
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    if (result < 0) return result;
    // A tree over the numbers instead of a chain of comparisons.
    result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (result < 0) return result;
    result = add_names(filter, SCMP_ACT_ALLOW, allowed, sizeof allowed / sizeof *allowed);
    if (result < 0) return result;
    result = add_names(filter, SCMP_ACT_ERRNO(EPERM), refused, sizeof refused / sizeof *refused);
    if (result < 0) return result;
    return add_argument_rules(filter);
}

int ce_seccomp_filter(void) {
    // clone3 and io_uring hide their arguments from a filter: ENOSYS, and programs fall back.
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (filter == NULL) return -ENOMEM;
    int result = add_rules(filter);
    int fd = -1;
    if (result == 0) {
        fd = memfd_create("seccomp", MFD_CLOEXEC);
        result = fd < 0 ? -errno : seccomp_export_bpf(filter, fd);
    }
    seccomp_release(filter);
    if (result < 0) {
        if (fd >= 0) close(fd);
        return result;
    }
    return fd;
}
