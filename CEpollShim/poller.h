/// What the backends of the poller share. Private to this directory.
#ifndef CE_POLLER_H
#define CE_POLLER_H

#include "ce_poll.h"

#include <sys/epoll.h>

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

/// What differs between "tell me when" and "tell me the result".
struct backend {
    int (*wait)(struct ce_poller *, int timeout_ms);
    int (*next)(struct ce_poller *, struct ce_event *);
    /// Makes the kernel watch what the entry's kind and flags ask for.
    int (*watch)(struct ce_poller *, uint32_t slot);
    /// Takes the entry out of the kernel's sight, before it is freed or because it has failed.
    void (*unwatch)(struct ce_poller *, uint32_t slot);
    int64_t (*send)(struct ce_poller *, uint32_t slot, const struct iovec *, int n);
    int (*set_wakeup)(struct ce_poller *, int fd);
    int (*settle)(struct ce_poller *);
    int64_t (*release)(struct ce_poller *, uint32_t slot, int64_t *sent, void **unread);
    /// Frees everything, the poller included.
    void (*close)(struct ce_poller *);
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

static inline struct entry *entry_at(struct ce_poller *poller, uint32_t slot) {
    if (slot >= poller->capacity || poller->entries[slot].generation == 0) return NULL;
    return &poller->entries[slot];
}

/// The error the kernel keeps for a socket; EPIPE where it keeps none (pipes, orderly ends).
int ce_pending_error(const struct entry *entry);

void ce_reopen_spare(struct ce_poller *poller);

/// Takes a waiting connection with the spare descriptor and closes it. Returns 0 when that was not possible,
/// 1 when one was refused, 2 when none waits any more.
int ce_refuse_one(struct ce_poller *poller, int listener);

/// The options of a connection that was accepted.
void ce_prepare_accepted(int fd);

/// A listener that can neither accept nor refuse rests until `ce_unmute_all`, before a later wait.
void ce_mute(struct ce_poller *poller, uint32_t slot);
void ce_unmute_all(struct ce_poller *poller);

int ce_epoll_open(struct ce_poller **out);
int ce_uring_open(struct ce_poller **out);

#endif
