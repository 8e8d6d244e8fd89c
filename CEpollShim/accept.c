#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

// Listeners, in the same way for every backend: the kernel tells when connections wait, accept4(2) takes them.

int ce_open_spare(struct ce_poller *poller) {
    if (poller->spare < 0) poller->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return poller->spare < 0 ? -errno : 0;
}

/// No descriptor is left. Left in the queue, the connection would keep the listener ready and the loop
/// spinning; so the spare descriptor is given up for a moment to take and close it.
/// Returns 0 when even that was not possible.
static int refuse_one(struct ce_poller *poller, int listener) {
    if (poller->spare < 0) return 0;
    close(poller->spare);
    poller->spare = -1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    int error = errno;
    if (fd >= 0) {
        close(fd);
        poller->counters.accepts_refused += 1;
    }
    ce_open_spare(poller);
    return fd >= 0 || error == EAGAIN;
}

static void mute(struct ce_poller *poller, uint32_t slot) {
    poller->entries[slot].flags |= MUTED;
    poller->muted += 1;
    poller->counters.accepts_muted += 1;
    poller->backend->watch(poller, slot);
}

static void unmute_all(struct ce_poller *poller) {
    if (ce_open_spare(poller) < 0) return;
    for (uint32_t slot = 0; slot < poller->capacity && poller->muted > 0; slot++) {
        struct entry *entry = entry_at(poller, slot);
        if (entry == NULL || !(entry->flags & MUTED)) continue;
        entry->flags &= ~MUTED;
        poller->muted -= 1;
        poller->backend->watch(poller, slot);
    }
}

int ce_wait_muted(struct ce_poller *poller, int timeout_ms) {
    unmute_all(poller);
    int is_shorter = timeout_ms < 0 || timeout_ms > CE_MUTED_MILLISECONDS;
    return poller->muted > 0 && is_shorter ? CE_MUTED_MILLISECONDS : timeout_ms;
}

int ce_next_of_listener(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out) {
    int listener = poller->entries[slot].fd;
    while (poller->steps < CE_ACCEPTS_PER_TURN) {
        poller->steps += 1;
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            const int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // Fails on Unix sockets: no matter.
            out->kind = CE_EVENT_ACCEPTED;
            out->result = fd;
            return 1;
        }
        switch (errno) {
        case EAGAIN: *ready = 0; return 0;
        case EMFILE:
        case ENFILE:
            if (refuse_one(poller, listener)) continue;
            mute(poller, slot);
            *ready = 0;
            return 0;
        case ENOBUFS:
        case ENOMEM:
            mute(poller, slot);
            *ready = 0;
            return 0;
        case EBADF:
        case EINVAL:
        case ENOTSOCK:
        case EOPNOTSUPP: *ready = 0; return ce_report_failure(poller, slot, errno, out);
        default: continue;  // The connection's own trouble (accept(2), "Error handling").
        }
    }
    *ready = 0;
    return 0;
}
