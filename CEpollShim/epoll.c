#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct epoll_poller {
    struct ce_poller base;
    int epoll;
    /// The batch: `at` is the event being worked on.
    int at, count;
    struct epoll_event events[CE_EVENTS_PER_TURN];
    char scratch[CE_SCRATCH_BYTES];
};

static const uint64_t wakeup_token = UINT64_MAX;

static inline struct epoll_poller *of(struct ce_poller *poller) { return (struct epoll_poller *)poller; }

// MARK: What the kernel watches

static uint32_t wanted_interest(const struct entry *entry) {
    switch (entry->kind) {
    case CE_LISTENER: return entry->flags & MUTED ? 0 : EPOLLIN;
    case CE_READINESS: return EPOLLIN | EPOLLET;
    case CE_WRITER: return entry->flags & WANTS_WRITE ? EPOLLOUT : 0;
    default:
        return (entry->flags & (PAUSED | ENDED) ? 0 : EPOLLIN) | (entry->flags & WANTS_WRITE ? EPOLLOUT : 0);
    }
}

static int epoll_watch(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = &poller->entries[slot];
    uint32_t interest = wanted_interest(entry);
    if (entry->flags & WATCHED && entry->interest == interest) return 0;
    struct epoll_event event = {
        .events = interest,
        .data.u64 = token_of(entry, slot),
    };
    int operation = entry->flags & WATCHED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(of(poller)->epoll, operation, entry->fd, &event) < 0) return -errno;
    entry->interest = interest;
    entry->flags |= WATCHED;
    return 0;
}

static void epoll_unwatch(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = &poller->entries[slot];
    if (!(entry->flags & WATCHED)) return;
    epoll_ctl(of(poller)->epoll, EPOLL_CTL_DEL, entry->fd, NULL);
    entry->flags &= ~WATCHED;
}

// MARK: Events

/// One read, since each event carries at most one buffer. Clears from `*ready` what it has settled.
static int read_stream(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out) {
    struct entry *entry = &poller->entries[slot];
    char *scratch = of(poller)->scratch;
    ssize_t got;
    poller->counters.reads += 1;
    do got = entry->flags & IS_SOCKET
                 ? syscall(SYS_recvfrom, entry->fd, scratch, CE_SCRATCH_BYTES, 0, NULL, NULL)
                 : syscall(SYS_read, entry->fd, scratch, CE_SCRATCH_BYTES);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        // After a short read the kernel's buffer is empty; an end or a reset behind the bytes comes with the
        // next turn, as epoll is level-triggered here.
        poller->steps += 1;
        if (got < CE_SCRATCH_BYTES || poller->steps == CE_READS_PER_TURN) *ready &= EPOLLOUT;
        out->kind = CE_EVENT_DATA;
        out->bytes = scratch;
        out->result = got;
        return 1;
    }
    if (got < 0 && errno == EAGAIN) {
        *ready &= EPOLLOUT;
        return 0;
    }
    if (got < 0) return ce_report_failure(poller, slot, errno, out);
    entry->flags |= ENDED;
    *ready &= ~(uint32_t)(EPOLLIN | EPOLLRDHUP);
    if (entry->flags & IS_SOCKET) {
        int watched = epoll_watch(poller, slot);
        if (watched < 0) return ce_report_failure(poller, slot, -watched, out);
    } else {
        // A pipe without writers reports EPOLLHUP for ever, whatever the interest.
        epoll_unwatch(poller, slot);
        *ready = 0;
    }
    out->kind = CE_EVENT_END;
    return 1;
}

/// The order is read, error, write: bytes that came before a reset are still delivered.
static int next_of_stream(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out) {
    struct entry *entry = &poller->entries[slot];
    const uint32_t troubled = EPOLLHUP | EPOLLERR;
    int is_reading = entry->kind == CE_STREAM && !(entry->flags & (PAUSED | ENDED));
    if (is_reading && *ready & (EPOLLIN | EPOLLRDHUP | troubled)) {
        if (read_stream(poller, slot, ready, out)) return 1;
    } else if (*ready & troubled) {
        if (*ready & EPOLLERR || entry->flags & ENDED || entry->kind == CE_WRITER)
            return ce_report_failure(poller, slot, ce_pending_error(entry), out);
        // Paused, and the peer has closed in order: bytes may still wait to be read. EPOLLHUP cannot be
        // turned off, so the source is parked until it reads again.
        epoll_unwatch(poller, slot);
        *ready = 0;
        return 0;
    }
    *ready &= ~(uint32_t)(is_reading ? 0 : EPOLLIN | EPOLLRDHUP);
    if (*ready & EPOLLOUT && entry->flags & WANTS_WRITE && !(*ready & ~(uint32_t)EPOLLOUT)) {
        *ready = 0;
        out->kind = CE_EVENT_WRITABLE;
        return 1;
    }
    if (!(*ready & ~(uint32_t)EPOLLOUT)) *ready = 0;
    return 0;
}

static int next_of_readiness(struct entry *entry, uint32_t *ready, struct ce_event *out) {
    int is_hung_up = *ready & EPOLLHUP;
    *ready = 0;
    out->kind = CE_EVENT_READY;
    return ce_is_news(entry, is_hung_up);
}

static int epoll_next(struct ce_poller *poller, struct ce_event *out) {
    struct epoll_poller *batch = of(poller);
    while (batch->at < batch->count) {
        struct epoll_event *event = &batch->events[batch->at];
        uint64_t token = event->data.u64;
        uint32_t slot = (uint32_t)token, ready = event->events;
        int found = 0;
        if (token != wakeup_token && ready != 0) {
            struct entry *entry = entry_at(poller, slot);
            // Looked at before each step: the last one's handler may have removed the source.
            if (entry == NULL || entry->generation != (uint32_t)(token >> 32)) {
                poller->counters.stale_events += 1;
                ready = 0;
            } else if (entry->flags & FAILED) {
                ready = 0;
            } else {
                out->token = token;
                out->bytes = NULL;
                out->result = 0;
                switch (entry->kind) {
                case CE_LISTENER: found = ce_next_of_listener(poller, slot, &ready, out); break;
                case CE_READINESS: found = next_of_readiness(entry, &ready, out); break;
                default: found = next_of_stream(poller, slot, &ready, out); break;
                }
            }
            event->events = ready;
        } else {
            ready = 0;
        }
        if (ready == 0) {
            batch->at += 1;
            poller->steps = 0;
        }
        if (found) return 1;
    }
    return 0;
}

// MARK: The backend

static int epoll_backend_wait(struct ce_poller *poller, int timeout_ms) {
    struct epoll_poller *batch = of(poller);
    batch->at = batch->count = poller->steps = 0;
    int count = epoll_wait(batch->epoll, batch->events, CE_EVENTS_PER_TURN, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    batch->count = count;
    return 0;
}

static int epoll_set_wakeup(struct ce_poller *poller, int fd) {
    // Edge-triggered, every write is an event of its own, and reading the counter back is not needed.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = wakeup_token};
    return epoll_ctl(of(poller)->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

/// The kernel holds on to nothing between two calls.
static int epoll_settle(struct ce_poller *poller) {
    (void)poller;
    return 0;
}

static void epoll_close(struct ce_poller *poller) {
    if (poller->spare >= 0) close(poller->spare);
    if (of(poller)->epoll >= 0) close(of(poller)->epoll);
    free(poller->entries);
    free(poller);
}

static const struct backend epoll_backend = {
    .wait = epoll_backend_wait,
    .next = epoll_next,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .fail = epoll_unwatch,
    .set_wakeup = epoll_set_wakeup,
    .settle = epoll_settle,
    .close = epoll_close,
};

int ce_epoll_open(struct ce_poller **out) {
    struct epoll_poller *made = calloc(1, sizeof *made);
    if (made == NULL) return -ENOMEM;
    made->base.backend = &epoll_backend;
    made->base.spare = -1;
    made->epoll = epoll_create1(EPOLL_CLOEXEC);
    int result = made->epoll < 0 ? -errno : ce_open_spare(&made->base);
    if (result < 0) epoll_close(&made->base);
    else *out = &made->base;
    return result;
}
