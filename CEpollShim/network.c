/// Network namespaces, by a thread that is in one only for the length of a call: where a thread is decides where
/// its new sockets are, and they stay there when it is gone.
#define _GNU_SOURCE
#include "ce_network.h"
#include "ce_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
    int network;
    struct ce_inside *wanted;
    int count, backlog;
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

/// As an alias of `lo`, which holds one address each; `number` tells the aliases apart.
static int add_v4(struct in_addr address, int number) {
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct ifreq request;
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "lo:%d", number);
    struct sockaddr_in *field = (struct sockaddr_in *)&request.ifr_addr;
    field->sin_family = AF_INET;
    field->sin_addr = address;
    int result = ioctl(fd, SIOCSIFADDR, &request) < 0 ? -errno : 0;
    if (result == 0) {
        // Of its class otherwise, which could be a net of 16 million addresses.
        field->sin_addr.s_addr = 0xFFFFFFFF;
        if (ioctl(fd, SIOCSIFNETMASK, &request) < 0) result = -errno;
    }
    close(fd);
    return result;
}

static int add_v6(struct in6_addr address) {
    struct {  // struct in6_ifreq of <linux/ipv6.h>, which cannot be included beside <netinet/in.h>.
        struct in6_addr address;
        uint32_t prefix;
        int interface;
    } request = {.address = address, .prefix = 128, .interface = (int)if_nametoindex("lo")};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int result = ioctl(fd, SIOCSIFADDR, &request) < 0 && errno != EEXIST ? -errno : 0;
    close(fd);
    return result;
}

static int add_address(const char *text, int number) {
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, text, &v4) == 1) return add_v4(v4, number);
    return inet_pton(AF_INET6, text, &v6) == 1 ? add_v6(v6) : -EINVAL;
}

/// The alias number of an IPv4 address: its own lower bits would clash, a running number would be used again
/// by the next call for the same namespace. So the first name that is free, or has this address already.
static int alias_of(const char *text) {
    struct in_addr wanted;
    if (inet_pton(AF_INET, text, &wanted) != 1) return 0;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int number = -ENOSPC;
    for (int i = 1; i < 1000 && number < 0; i++) {
        struct ifreq request;
        memset(&request, 0, sizeof request);
        snprintf(request.ifr_name, sizeof request.ifr_name, "lo:%d", i);
        if (ioctl(fd, SIOCGIFADDR, &request) < 0 ||
            ((struct sockaddr_in *)&request.ifr_addr)->sin_addr.s_addr == wanted.s_addr)
            number = i;
    }
    close(fd);
    return number;
}

static void *listen_inside(void *raw) {
    struct job *job = raw;
    job->result = setns(job->network, CLONE_NEWNET) < 0 ? -errno : 0;
    for (int i = 0; job->result == 0 && i < job->count; i++) {
        struct ce_inside *wanted = &job->wanted[i];
        wanted->result = 0;
        if (wanted->adds_address) {
            int number = alias_of(wanted->address);
            wanted->result = number < 0 ? number : add_address(wanted->address, number);
        }
        if (wanted->result == 0)
            wanted->result = ce_listen_tcp(wanted->address, wanted->port, job->backlog, 0);
    }
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

int ce_network_listen(int network, struct ce_inside *wanted, int count, int backlog) {
    struct job job = {
        .network = network, .wanted = wanted, .count = count, .backlog = backlog, .result = -EINVAL,
    };
    return run(listen_inside, &job);
}
