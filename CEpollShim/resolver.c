#define _GNU_SOURCE
#include "ce_net.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ce_resolver {
    ares_channel channel;
    ce_resolved done;
    int waiting;
};

/// One name that is being resolved.
struct asked {
    struct ce_resolver *resolver;
    void *question;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int library_result;

static void start_library(void) { library_result = ares_library_init(ARES_LIB_INIT_ALL); }

int ce_resolver_open(const char *servers, int timeout_ms, int tries, ce_resolved done, struct ce_resolver **out) {
    pthread_once(&once, start_library);
    if (library_result != ARES_SUCCESS) return -library_result;
    struct ce_resolver *made = calloc(1, sizeof *made);
    if (made == NULL) return -ARES_ENOMEM;
    made->done = done;
    struct ares_options options = {.timeout = timeout_ms, .tries = tries};
    int result = ares_init_options(&made->channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (result == ARES_SUCCESS && servers != NULL) {
        result = ares_set_servers_ports_csv(made->channel, servers);
        if (result != ARES_SUCCESS) ares_destroy(made->channel);
    }
    if (result != ARES_SUCCESS) {
        free(made);
        return -result;
    }
    *out = made;
    return 0;
}

static int collect(const struct ares_addrinfo *list, struct ce_address *out, int capacity) {
    int count = 0;
    for (struct ares_addrinfo_node *node = list->nodes; node != NULL && count < capacity; node = node->ai_next) {
        if (node->ai_family == AF_INET) {
            out[count].count = 4;
            memcpy(out[count++].bytes, &((struct sockaddr_in *)node->ai_addr)->sin_addr, 4);
        } else if (node->ai_family == AF_INET6) {
            out[count].count = 16;
            memcpy(out[count++].bytes, &((struct sockaddr_in6 *)node->ai_addr)->sin6_addr, 16);
        }
    }
    return count;
}

static void answered(void *argument, int status, int timeouts, struct ares_addrinfo *list) {
    (void)timeouts;
    struct asked *asked = argument;
    struct ce_address addresses[CE_ADDRESSES_MAX];
    int count = status == ARES_SUCCESS && list != NULL ? collect(list, addresses, CE_ADDRESSES_MAX) : 0;
    if (list != NULL) ares_freeaddrinfo(list);
    asked->resolver->waiting -= 1;
    asked->resolver->done(asked->question, status, addresses, count);
    free(asked);
}

void ce_resolver_ask(struct ce_resolver *resolver, const char *host, void *question) {
    struct asked *asked = malloc(sizeof *asked);
    if (asked == NULL) {
        resolver->done(question, ARES_ENOMEM, NULL, 0);
        return;
    }
    *asked = (struct asked){resolver, question};
    resolver->waiting += 1;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    ares_getaddrinfo(resolver->channel, host, NULL, &hints, answered, asked);
}

int ce_resolver_waiting(const struct ce_resolver *resolver) { return resolver->waiting; }

/// The sockets of the channel, and what each waits for.
static int watched(struct ce_resolver *resolver, struct pollfd *out) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    int bits = ares_getsock(resolver->channel, sockets, ARES_GETSOCK_MAXNUM);
    int count = 0;
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
        short events = (ARES_GETSOCK_READABLE(bits, i) ? POLLIN : 0) | (ARES_GETSOCK_WRITABLE(bits, i) ? POLLOUT : 0);
        if (events) out[count++] = (struct pollfd){.fd = sockets[i], .events = events};
    }
    return count;
}

int ce_resolver_turn(struct ce_resolver *resolver, int wakeup, int timeout_ms) {
    struct pollfd fds[ARES_GETSOCK_MAXNUM + 1];
    int count = watched(resolver, fds);
    fds[count] = (struct pollfd){.fd = wakeup, .events = POLLIN};
    struct timeval most = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000}, room;
    const struct timeval *wait = ares_timeout(resolver->channel, &most, &room);
    // Rounded up: a wait that ends too early would be begun anew for nothing.
    int ready = poll(fds, (nfds_t)count + 1, (int)(wait->tv_sec * 1000 + (wait->tv_usec + 999) / 1000));
    if (ready < 0) return errno == EINTR ? 0 : -errno;
    for (int i = 0; i < count; i++) {
        int reads = fds[i].revents & (POLLIN | POLLERR | POLLHUP), writes = fds[i].revents & POLLOUT;
        if (reads || writes)
            ares_process_fd(resolver->channel, reads ? fds[i].fd : ARES_SOCKET_BAD, writes ? fds[i].fd : ARES_SOCKET_BAD);
    }
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    return fds[count].revents != 0;
}

void ce_resolver_close(struct ce_resolver *resolver) {
    // What still waits is told that it was cancelled.
    ares_destroy(resolver->channel);
    free(resolver);
}

const char *ce_resolver_reason(int status) { return ares_strerror(status); }
