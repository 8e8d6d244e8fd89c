#define _GNU_SOURCE
#include "ce_poll.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    IS_SOCKET = 1,
    PAUSED = 2,
    /// The end of file was reported; of a readiness source: its first change.
    ENDED = 4,
    /// A send came short.
    WANTS_WRITE = 8,
    /// The kernel reports events for it.
    WATCHED = 16,
    FAILED = 32,
    /// A listener that waits for a free descriptor.
    MUTED = 64,
};

struct entry {
    int fd;
    /// 0 exactly while the slot is free.
    uint32_t generation;
    /// The interest the kernel has, valid while WATCHED.
    uint32_t interest;
    uint8_t kind;
    uint8_t flags;
};

/// The seam for another backend: what differs between "tell me when" and "tell me the result".
struct backend {
    int (*wait)(struct ce_poller *, int timeout_ms);
    int (*next)(struct ce_poller *, struct ce_event *);
    /// Makes the kernel watch what the entry's kind and flags ask for.
    int (*watch)(struct ce_poller *, uint32_t slot);
    void (*unwatch)(struct ce_poller *, uint32_t slot);
    int64_t (*send)(struct ce_poller *, uint32_t slot, const struct iovec *, int n);
};

struct ce_poller {
    const struct backend *backend;
    int epoll;
    /// A descriptor given up to accept, and so refuse, a connection when no other is left; -1 when lost.
    int spare;
    struct entry *entries;
    uint32_t capacity;
    /// The batch: `at` is the event being worked on, `steps` the reads or accepts it has had.
    int at, count, steps;
    int muted;
    struct epoll_event events[CE_EVENTS_PER_TURN];
    struct ce_counters counters;
    char scratch[CE_SCRATCH_BYTES];
};

static const uint64_t wakeup_token = UINT64_MAX;

// MARK: Sources

static struct entry *entry_at(struct ce_poller *poller, uint32_t slot) {
    if (slot >= poller->capacity || poller->entries[slot].generation == 0) return NULL;
    return &poller->entries[slot];
}

static int grow(struct ce_poller *poller, uint32_t slot) {
    if (slot < poller->capacity) return 0;
    // The wakeup token reads as slot UINT32_MAX.
    if (slot >= UINT32_MAX / 2) return -ENOSPC;
    uint32_t capacity = poller->capacity == 0 ? 64 : poller->capacity;
    while (capacity <= slot) capacity *= 2;
    struct entry *entries = realloc(poller->entries, (size_t)capacity * sizeof *entries);
    if (entries == NULL) return -ENOMEM;
    memset(entries + poller->capacity, 0, (size_t)(capacity - poller->capacity) * sizeof *entries);
    poller->entries = entries;
    poller->capacity = capacity;
    return 0;
}

static int make_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    // One read of a blocking descriptor could stop every source of the loop.
    return flags & O_NONBLOCK || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

int ce_add(struct ce_poller *poller, uint64_t token, int fd, int kind) {
    uint32_t slot = (uint32_t)token, generation = (uint32_t)(token >> 32);
    if (generation == 0 || kind < CE_STREAM || kind > CE_READINESS) return -EINVAL;
    int result = grow(poller, slot);
    if (result < 0) return result;
    if (poller->entries[slot].generation != 0) return -EEXIST;
    result = make_nonblocking(fd);
    if (result < 0) return result;
    struct stat found;
    if (fstat(fd, &found) < 0) return -errno;
    poller->entries[slot] = (struct entry){
        .fd = fd,
        .generation = generation,
        .kind = (uint8_t)kind,
        .flags = S_ISSOCK(found.st_mode) ? IS_SOCKET : 0,
    };
    result = poller->backend->watch(poller, slot);
    if (result < 0) poller->entries[slot].generation = 0;
    return result;
}

int ce_remove(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    // Said to the kernel though close(2) follows: a child between fork and exec may hold a copy of the
    // descriptor, and events of what we have closed could not be turned off any more.
    poller->backend->unwatch(poller, slot);
    if (entry->flags & MUTED) poller->muted -= 1;
    *entry = (struct entry){.fd = -1};
    return 0;
}

int ce_pause(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    if (entry->flags & PAUSED) return 0;
    entry->flags |= PAUSED;
    return entry->flags & WATCHED ? poller->backend->watch(poller, slot) : 0;
}

int ce_resume(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    if (!(entry->flags & PAUSED)) return 0;
    entry->flags &= ~PAUSED;
    // An ended pipe or a failed source stays unwatched.
    return entry->flags & (ENDED | FAILED) ? 0 : poller->backend->watch(poller, slot);
}

int ce_await_connection(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    entry->flags |= WANTS_WRITE;
    return entry->flags & FAILED ? 0 : poller->backend->watch(poller, slot);
}

/// Takes the source out of the kernel's sight and reports why.
static int report_failure(struct ce_poller *poller, uint32_t slot, int error, struct ce_event *out) {
    poller->backend->unwatch(poller, slot);
    poller->entries[slot].flags |= FAILED;
    out->kind = CE_EVENT_FAILED;
    out->result = error;
    return 1;
}

/// The error the kernel keeps for a socket; EPIPE where it keeps none (pipes, orderly ends).
static int pending_error(const struct entry *entry) {
    int error = 0;
    socklen_t length = sizeof error;
    if (entry->flags & IS_SOCKET) getsockopt(entry->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error != 0 ? error : EPIPE;
}

// MARK: The epoll backend

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
        .data.u64 = (uint64_t)entry->generation << 32 | slot,
    };
    int operation = entry->flags & WATCHED ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(poller->epoll, operation, entry->fd, &event) < 0) return -errno;
    entry->interest = interest;
    entry->flags |= WATCHED;
    return 0;
}

static void epoll_unwatch(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = &poller->entries[slot];
    if (!(entry->flags & WATCHED)) return;
    epoll_ctl(poller->epoll, EPOLL_CTL_DEL, entry->fd, NULL);
    entry->flags &= ~WATCHED;
}

// The plain calls of libc are cancellation points, which costs two atomic operations each in a process with
// threads; nothing here is ever cancelled. One piece leaves by the scalar calls, which spare the kernel the
// import of a vector.
static ssize_t put_pieces(const struct entry *entry, const struct iovec *pieces, int n) {
    if (n == 1)
        return entry->flags & IS_SOCKET
                   ? syscall(SYS_sendto, entry->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL, NULL, 0)
                   : syscall(SYS_write, entry->fd, pieces->iov_base, pieces->iov_len);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)n};
    return entry->flags & IS_SOCKET ? sendmsg(entry->fd, &message, MSG_NOSIGNAL) : writev(entry->fd, pieces, n);
}

static int64_t epoll_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    struct entry *entry = &poller->entries[slot];
    if (entry->flags & FAILED) return -EPIPE;
    size_t total = 0;
    for (int i = 0; i < n; i++) total += pieces[i].iov_len;
    ssize_t put = 0;
    if (total > 0) {
        poller->counters.writes += 1;
        do {
            put = put_pieces(entry, pieces, n);
        } while (put < 0 && errno == EINTR);
        if (put < 0 && errno != EAGAIN) {
            int error = errno;
            epoll_unwatch(poller, slot);
            entry->flags |= FAILED;
            return -error;
        }
        if (put < 0) put = 0;
    }
    if ((size_t)put < total) entry->flags |= WANTS_WRITE;
    else entry->flags &= ~WANTS_WRITE;
    // A parked source (reading paused, peer gone) is not brought back for writing: its next send fails.
    if (!(entry->flags & WATCHED) && !(entry->flags & WANTS_WRITE)) return put;
    int watched = epoll_watch(poller, slot);
    return watched < 0 ? watched : put;
}

/// One read, since each event carries at most one buffer. Clears from `*ready` what it has settled.
static int read_stream(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out) {
    struct entry *entry = &poller->entries[slot];
    ssize_t got;
    poller->counters.reads += 1;
    do got = entry->flags & IS_SOCKET
                 ? syscall(SYS_recvfrom, entry->fd, poller->scratch, sizeof poller->scratch, 0, NULL, NULL)
                 : syscall(SYS_read, entry->fd, poller->scratch, sizeof poller->scratch);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        // After a short read the kernel's buffer is empty; an end or a reset behind the bytes comes with the
        // next turn, as epoll is level-triggered here.
        poller->steps += 1;
        if (got < (ssize_t)sizeof poller->scratch || poller->steps == CE_READS_PER_TURN) *ready &= EPOLLOUT;
        out->kind = CE_EVENT_DATA;
        out->bytes = poller->scratch;
        out->result = got;
        return 1;
    }
    if (got < 0 && errno == EAGAIN) {
        *ready &= EPOLLOUT;
        return 0;
    }
    if (got < 0) return report_failure(poller, slot, errno, out);
    entry->flags |= ENDED;
    *ready &= ~(uint32_t)(EPOLLIN | EPOLLRDHUP);
    if (entry->flags & IS_SOCKET) {
        int watched = epoll_watch(poller, slot);
        if (watched < 0) return report_failure(poller, slot, -watched, out);
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
            return report_failure(poller, slot, pending_error(entry), out);
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

static void reopen_spare(struct ce_poller *poller) {
    if (poller->spare < 0) poller->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
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
    reopen_spare(poller);
    return fd >= 0 || error == EAGAIN;
}

static void mute(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = &poller->entries[slot];
    entry->flags |= MUTED;
    poller->muted += 1;
    poller->counters.accepts_muted += 1;
    epoll_watch(poller, slot);
}

static void unmute_all(struct ce_poller *poller) {
    reopen_spare(poller);
    if (poller->spare < 0) return;
    for (uint32_t slot = 0; slot < poller->capacity && poller->muted > 0; slot++) {
        struct entry *entry = entry_at(poller, slot);
        if (entry == NULL || !(entry->flags & MUTED)) continue;
        entry->flags &= ~MUTED;
        poller->muted -= 1;
        epoll_watch(poller, slot);
    }
}

static int next_of_listener(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out) {
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
        case EOPNOTSUPP: return report_failure(poller, slot, errno, out);
        default: continue;  // The connection's own trouble (accept(2), "Error handling").
        }
    }
    *ready = 0;
    return 0;
}

static int next_of_readiness(struct entry *entry, uint32_t *ready, struct ce_event *out) {
    // A pidfd changes twice: when the process ends, and (EPOLLHUP) when it has been reaped. The second is no
    // news. Other kinds have no EPOLLHUP.
    int is_news = !(*ready & EPOLLHUP && entry->flags & ENDED);
    entry->flags |= ENDED;
    *ready = 0;
    out->kind = CE_EVENT_READY;
    return is_news;
}

static int epoll_next(struct ce_poller *poller, struct ce_event *out) {
    while (poller->at < poller->count) {
        struct epoll_event *event = &poller->events[poller->at];
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
                case CE_LISTENER: found = next_of_listener(poller, slot, &ready, out); break;
                case CE_READINESS: found = next_of_readiness(entry, &ready, out); break;
                default: found = next_of_stream(poller, slot, &ready, out); break;
                }
            }
            event->events = ready;
        } else {
            ready = 0;
        }
        if (ready == 0) {
            poller->at += 1;
            poller->steps = 0;
        }
        if (found) return 1;
    }
    return 0;
}

static int epoll_backend_wait(struct ce_poller *poller, int timeout_ms) {
    poller->counters.waits += 1;
    poller->at = poller->count = poller->steps = 0;
    if (poller->muted > 0) {
        unmute_all(poller);
        if (poller->muted > 0 && (timeout_ms < 0 || timeout_ms > CE_MUTED_MILLISECONDS))
            timeout_ms = CE_MUTED_MILLISECONDS;
    }
    int count = epoll_wait(poller->epoll, poller->events, CE_EVENTS_PER_TURN, timeout_ms);
    if (count < 0) return errno == EINTR ? 0 : -errno;
    poller->count = count;
    return 0;
}

static const struct backend epoll_backend = {
    .wait = epoll_backend_wait,
    .next = epoll_next,
    .watch = epoll_watch,
    .unwatch = epoll_unwatch,
    .send = epoll_send,
};

// MARK: The poller

int ce_poller_open(int backend, struct ce_poller **out) {
    if (backend != CE_BACKEND_EPOLL) return -EINVAL;
    struct ce_poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL) return -ENOMEM;
    poller->backend = &epoll_backend;
    poller->spare = -1;
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll >= 0) reopen_spare(poller);
    if (poller->epoll < 0 || poller->spare < 0) {
        int error = errno;
        ce_poller_close(poller);
        return -error;
    }
    *out = poller;
    return 0;
}

void ce_poller_close(struct ce_poller *poller) {
    if (poller->spare >= 0) close(poller->spare);
    if (poller->epoll >= 0) close(poller->epoll);
    free(poller->entries);
    free(poller);
}

int ce_poller_set_wakeup(struct ce_poller *poller, int fd) {
    // Edge-triggered, every write is an event of its own, and reading the counter back is not needed.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = wakeup_token};
    return epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

int ce_wait(struct ce_poller *poller, int timeout_ms) { return poller->backend->wait(poller, timeout_ms); }

int ce_next(struct ce_poller *poller, struct ce_event *out) { return poller->backend->next(poller, out); }

int64_t ce_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    return entry_at(poller, slot) == NULL ? -ENOENT : poller->backend->send(poller, slot, pieces, n);
}

void ce_poller_counters(const struct ce_poller *poller, struct ce_counters *out) { *out = poller->counters; }
