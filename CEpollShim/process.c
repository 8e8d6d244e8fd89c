#define _GNU_SOURCE
#include "ce_file.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

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
