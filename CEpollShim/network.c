/// Network namespaces, by a thread that is in one only for the length of a call: where a thread is decides where
/// its new sockets are, and they stay there when it is gone.
#define _GNU_SOURCE
#include "ce_network.h"
#include "ce_file.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
    int network;
    const char *address;
    int port, backlog;
    int result;
};

/// `lo` begins down; everything on 127.0.0.0/8 needs it.
static int raise_loopback(void) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    strcpy(request.ifr_name, "lo");
    int result = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
    close(fd);
    return result;
}

static void *make(void *raw) {
    struct job *job = raw;
    if (unshare(CLONE_NEWNET) < 0) {
        job->result = -errno;
        return NULL;
    }
    job->result = raise_loopback();
    if (job->result < 0) return NULL;
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    job->result = fd < 0 ? -errno : fd;
    return NULL;
}

static void *listen_inside(void *raw) {
    struct job *job = raw;
    job->result = setns(job->network, CLONE_NEWNET) < 0
                      ? -errno
                      : ce_listen_tcp(job->address, job->port, job->backlog, 0);
    return NULL;
}

/// On a thread of its own, whose end brings nothing back.
static int run(void *(*work)(void *), struct job *job) {
    pthread_t thread;
    int error = pthread_create(&thread, NULL, work, job);
    if (error != 0) return -error;
    pthread_join(thread, NULL);
    return job->result;
}

int ce_network_make(void) {
    struct job job = {.result = -EINVAL};
    return run(make, &job);
}

int ce_network_listen(int network, const char *address, int port, int backlog) {
    struct job job = {
        .network = network, .address = address, .port = port, .backlog = backlog, .result = -EINVAL,
    };
    return run(listen_inside, &job);
}
