/// The io_uring backend in parts. Private to this directory.
#ifndef CE_URING_H
#define CE_URING_H

#include "poller.h"

#include <liburing.h>

// Reading: the kernel acts and tells the result. Sockets and pipes are read by one multishot operation each, into
// buffers that the kernel takes from a ring. What comes while a source is paused, or beyond its share of a turn,
// is held back in memory of its own, and no more is asked for until that is delivered.
// Sending: all sends of a turn are handed over together, none of which waits; their results are there when that
// system call returns, so that the kernel never holds on to bytes of ours.
// Listeners, writability and readiness: the kernel tells when, as epoll does.

/// What an operation is for; goes through the kernel with slot and generation.
enum {
    /// Receive, read or, of a listener or readiness source, poll.
    OP_READ = 0,
    /// Poll for room, after a send that came short.
    OP_WRITABLE = 1,
    /// Poll for errors, where no read is under way that would tell.
    OP_TROUBLE = 2,
    // From here on of no source.
    OP_CANCEL = 3,
    OP_WAKEUP = 4,
    /// A result that has been dealt with out of its turn.
    OP_DONE = 5,
};

enum {
    /// Operations the kernel has.
    READING = 1,
    WRITABLE = 2,
    TROUBLE = 4,
    /// Operations that are being cancelled.
    READ_ENDING = 8,
    WRITABLE_ENDING = 16,
    /// The peer's end was seen; it may still have to be delivered.
    SAW_END = 32,
    /// In the list of sources with held results that may be delivered.
    QUEUED = 64,
    /// Both directions are over, which is a failure once the end has been delivered.
    HUNG_UP = 128,
};

/// A result that waits for its delivery.
struct held {
    struct held *next;
    int64_t result;
    uint32_t kind;
    char bytes[];
};

/// What this backend knows of an entry beyond `struct entry`.
struct side {
    struct held *first, *last;
    uint32_t next_queued;
    /// The turn that `taken` counts for.
    uint32_t turn;
    /// Bytes delivered in it.
    uint32_t taken;
    uint8_t state;
};

struct result {
    uint64_t name;
    int32_t value;
    uint32_t flags;
};

/// A send of the batch: its pieces, and then what came of it.
struct sending {
    uint32_t slot;
    int n;
    struct iovec *pieces;
    uint64_t total;
    int64_t outcome;
    struct msghdr header;
};

struct uring {
    struct ce_poller base;
    struct io_uring ring;
    /// For sends alone: empty whenever no send is being made.
    struct io_uring send_ring;
    int is_enabled;
    struct io_uring_buf_ring *buffer_ring;
    char *buffers;
    struct side *sides;
    uint32_t sides_capacity;
    /// Results fetched from the ring and not worked on yet: `at..<count` of `capacity`.
    struct result *results;
    size_t at, count, capacity;
    /// Operations of removed sources that the kernel still has.
    uint32_t leaving;
    /// An operation could not be cancelled for want of memory.
    int has_lost_cancel;
    uint32_t turn;
    uint32_t queue_first, queue_last;
    /// Whether this turn's pass over the queue has begun, and whether it is over, at `pass_last`.
    int has_begun_pass, has_ended_pass;
    uint32_t pass_last;
    int wakeup;
    /// The listener whose connections are being taken; 0 while there is none.
    uint64_t listener_token;
    /// Given back at the next ce_next: the buffer, or the held result, of the last event.
    int lent_buffer;
    struct held *lent_held;
    /// A failure to be told next, after the end.
    uint64_t failed_token;
    int failed_error;
    /// The batch of sends, and whether it has left.
    int sending_count, pieces_count, has_left;
    /// Operations of the send ring that do nothing, and wait to be taken by the kernel.
    int strays;
    struct sending sendings[CE_SENDS_PER_CALL];
    struct iovec pieces[CE_PIECES_PER_CALL];
};

static const uint32_t none = UINT32_MAX;
/// IORING_OP_READ_MULTISHOT, which the headers of liburing 2.3 are too old for.
enum { CE_OP_READ_MULTISHOT = 49 };

static inline uint64_t name_of(const struct entry *entry, uint32_t slot, unsigned operation) {
    return (uint64_t)entry->generation << 32 | (uint64_t)operation << 28 | slot;
}

static inline unsigned operation_of(uint64_t name) { return (unsigned)(name >> 28) & 15; }
static inline uint32_t slot_of(uint64_t name) { return (uint32_t)name & (CE_SLOTS_MAX - 1); }
static inline uint32_t generation_of(uint64_t name) { return (uint32_t)(name >> 32); }

static inline char *bytes_of(struct uring *uring, int buffer) {
    return uring->buffers + (size_t)buffer * CE_RING_BUFFER_BYTES;
}

static inline int buffer_of(const struct result *result) {
    return result->flags & IORING_CQE_F_BUFFER ? (int)(result->flags >> IORING_CQE_BUFFER_SHIFT) : -1;
}

// MARK: The ring (uring_ring.c)

/// Returns 0, or -errno with what was made to be undone by ring_close.
int ring_open(struct uring *uring);
/// Frees buffers only when the kernel `is_settled`: where it may still write, memory is lost rather than used
/// again.
void ring_close(struct uring *uring, int is_settled);
/// The first call makes this thread the rings' only one.
int ring_enable(struct uring *uring);

void ring_give_back(struct uring *uring, int id);
/// Ends the life of the bytes of the last event.
void ring_give_back_last(struct uring *uring);

/// NULL when the kernel takes no more operations.
struct io_uring_sqe *ring_next_entry(struct uring *uring);
/// Hands over what was begun and waits for a result: `timeout_ms` as in ce_wait. Results are in `results`.
int ring_enter(struct uring *uring, int timeout_ms);
/// By name, never by descriptor: its number may belong to another source when the kernel looks.
int ring_cancel(struct uring *uring, uint64_t name);
int ring_begin_wakeup(struct uring *uring);

// MARK: Sources (uring_source.c)

int uring_watch(struct ce_poller *poller, uint32_t slot);
void uring_unwatch(struct ce_poller *poller, uint32_t slot);
/// Asks the kernel to end what it has of the source.
void uring_fail(struct ce_poller *poller, uint32_t slot);
void source_end_writable(struct uring *uring, uint32_t slot);
/// The source has held results that may be delivered.
void source_queue(struct uring *uring, uint32_t slot);
void source_drop_held(struct side *side);

// MARK: Sending (uring_send.c)

int uring_gather(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n);
int uring_send_gathered(struct ce_poller *poller);
int64_t uring_outcome(const struct ce_poller *poller, int index);

// MARK: Results (uring_result.c)

/// Turns a result into an event. Returns 1, or 0 when nobody is to be told.
int result_take(struct uring *uring, const struct result *result, struct ce_event *out);
int result_is_stale(struct uring *uring, const struct result *result);
/// Of a source that was removed: nobody is told, and nothing is leaked.
void result_take_stale(struct uring *uring, const struct result *result);
/// The next connection of `listener_token`. Returns 1, or 0 when there is none.
int listener_next(struct uring *uring, struct ce_event *out);
/// The next event of one pass over the sources that were in the queue when it began. Returns 1, or 0.
int held_next(struct uring *uring, struct ce_event *out);

#endif
