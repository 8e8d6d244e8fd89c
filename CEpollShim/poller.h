/// What the backends of the poller share. Private to this directory.
#ifndef CE_POLLER_H
#define CE_POLLER_H

#include "ce_poll.h"

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
    /// epoll: the interest the kernel has, valid while WATCHED.
    uint32_t interest;
    uint8_t kind;
    uint8_t flags;
};

/// What differs between "tell me when" and "tell me the result".
struct backend {
    int (*wait)(struct ce_poller *, int timeout_ms);
    int (*next)(struct ce_poller *, struct ce_event *);
    /// Makes the kernel watch what the entry's kind and flags ask for.
    int (*watch)(struct ce_poller *, uint32_t slot);
    /// Takes the entry out of the kernel's sight, before it is freed.
    void (*unwatch)(struct ce_poller *, uint32_t slot);
    /// The entry has failed: no event of it may come any more.
    void (*fail)(struct ce_poller *, uint32_t slot);
    int (*set_wakeup)(struct ce_poller *, int fd);
    int (*settle)(struct ce_poller *);
    /// NULL when sends leave one by one.
    int (*gather)(struct ce_poller *, uint32_t slot, const struct iovec *, int n);
    int (*send_gathered)(struct ce_poller *);
    int64_t (*outcome)(const struct ce_poller *, int index);
    /// Frees everything, the poller included.
    void (*close)(struct ce_poller *);
};

/// The first member of each backend's own state.
struct ce_poller {
    const struct backend *backend;
    /// A descriptor given up to accept, and so refuse, a connection when no other is left; -1 when lost.
    int spare;
    struct entry *entries;
    uint32_t capacity;
    /// The reads or accepts that the event being worked on has had.
    int steps;
    int muted;
    struct ce_counters counters;
};

static inline struct entry *entry_at(struct ce_poller *poller, uint32_t slot) {
    if (slot >= poller->capacity || poller->entries[slot].generation == 0) return NULL;
    return &poller->entries[slot];
}

static inline uint64_t token_of(const struct entry *entry, uint32_t slot) {
    return (uint64_t)entry->generation << 32 | slot;
}

/// The error the kernel keeps for a socket; EPIPE where it keeps none (pipes, orderly ends).
int ce_pending_error(const struct entry *entry);

/// Takes the source out of the kernel's sight and reports why. Returns 1.
int ce_report_failure(struct ce_poller *poller, uint32_t slot, int error, struct ce_event *out);

/// One system call that sends. Returns the bytes that have left, 0 when the kernel has no room, or -errno.
int64_t ce_put(const struct entry *entry, const struct iovec *pieces, int n);
/// What follows a send of `total` bytes with the result of `ce_put`. Returns what ce_send does.
int64_t ce_finish_send(struct ce_poller *poller, uint32_t slot, uint64_t total, int64_t put);

/// Takes 0 and leaves 0, or -errno.
int ce_open_spare(struct ce_poller *poller);
/// The next connection of a listener that is ready; clears `*ready` at the end of its share or of the queue.
int ce_next_of_listener(struct ce_poller *poller, uint32_t slot, uint32_t *ready, struct ce_event *out);
/// Before a wait: gives muted listeners another try. Returns the timeout, shortened while some stay muted.
int ce_wait_muted(struct ce_poller *poller, int timeout_ms);
/// Whether a readiness source's change, with POLLHUP or not, is to be told.
int ce_is_news(struct entry *entry, int is_hung_up);

int ce_epoll_open(struct ce_poller **out);
int ce_uring_open(struct ce_poller **out);

#endif
