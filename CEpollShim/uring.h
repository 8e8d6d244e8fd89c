/// The io_uring backend in parts. Private to this directory.
#ifndef CE_URING_H
#define CE_URING_H

#include "poller.h"

#include <liburing.h>

// The kernel acts and tells the result: sockets are read by one multishot receive, listeners by one multishot
// accept, pipes by a read at a time; all into buffers that the kernel takes from a ring. What comes while a
// source is paused, or beyond its share of a turn, is held back in memory of its own, and no more is asked
// for until that is delivered.

/// What an operation is for; goes through the kernel with slot and generation.
enum {
    /// Receive, read or, of a readiness source, poll.
    OP_READ = 0,
    OP_ACCEPT = 1,
    OP_SEND = 2,
    /// Poll for errors, where no read or send is under way that would tell.
    OP_TROUBLE = 3,
    // From here on of no source.
    OP_CANCEL = 4,
    OP_WAKEUP = 5,
    /// A result that has been dealt with out of its turn.
    OP_DONE = 6,
};

enum {
    /// Operations the kernel has.
    READING = 1,
    SENDING = 2,
    TROUBLE = 4,
    /// The read is being cancelled.
    READ_ENDING = 8,
    /// The peer's end was seen; it may still have to be delivered.
    SAW_END = 16,
    /// In the list of sources with held results that may be delivered.
    QUEUED = 32,
    /// A listener without a descriptor for the next connection. An accept takes one before it looks for a
    /// connection, so it would fail at once, again and again; a poll tells when a connection is there.
    SHORT = 64,
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
    /// Bytes or connections delivered in it.
    uint32_t taken;
    uint8_t state;
};

/// The pieces of a send until the kernel has copied them, which is at its submission.
struct message {
    struct message *next;
    struct msghdr header;
    struct iovec pieces[CE_PIECES_PER_SEND];
};

struct result {
    uint64_t name;
    int32_t value;
    uint32_t flags;
};

struct uring {
    struct ce_poller base;
    struct io_uring ring;
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
    uint32_t turn;
    uint32_t queue_first, queue_last;
    /// Whether this turn's pass over the queue has begun, and whether it is over, at `pass_last`.
    int has_begun_pass, has_ended_pass;
    uint32_t pass_last;
    int wakeup;
    struct message *free_messages, *given_messages;
    /// Given back at the next ce_next: the buffer, or the held result, of the last event.
    int lent_buffer;
    struct held *lent_held;
    /// A failure to be told next, after the SENT event of the same send or the end.
    uint64_t failed_token;
    int failed_error;
};

static const uint32_t none = UINT32_MAX;
/// Slots are below this, so that an operation fits beside them.
static const uint32_t slots_max = 1u << 28;

static inline uint64_t name_of(const struct entry *entry, uint32_t slot, unsigned operation) {
    return (uint64_t)entry->generation << 32 | (uint64_t)operation << 28 | slot;
}

/// The operation that READING stands for.
static inline uint64_t read_name(const struct entry *entry, const struct side *side, uint32_t slot) {
    int accepts = entry->kind == CE_LISTENER && !(side->state & SHORT);
    return name_of(entry, slot, accepts ? OP_ACCEPT : OP_READ);
}

static inline unsigned operation_of(uint64_t name) { return (unsigned)(name >> 28) & 15; }
static inline uint32_t slot_of(uint64_t name) { return (uint32_t)name & (slots_max - 1); }
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
/// A copy of `pieces` that lives until the kernel has copied it; NULL without memory.
struct message *ring_message(struct uring *uring, const struct iovec *pieces, int n);

// MARK: Sources (uring_source.c)

int uring_watch(struct ce_poller *poller, uint32_t slot);
void uring_unwatch(struct ce_poller *poller, uint32_t slot);
int64_t uring_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n);
/// Asks the kernel to end what it has of the source.
void source_cancel_all(struct uring *uring, uint32_t slot);
/// The source has held results that may be delivered.
void source_queue(struct uring *uring, uint32_t slot);
void source_drop_held(struct side *side);

// MARK: Results (uring_result.c)

/// Turns a result into an event. Returns 1, or 0 when nobody is to be told.
int result_take(struct uring *uring, const struct result *result, struct ce_event *out);
int result_is_stale(struct uring *uring, const struct result *result);
/// Of a source that was removed: nobody is told, and nothing is leaked.
void result_take_stale(struct uring *uring, const struct result *result);
int source_fail(struct uring *uring, uint32_t slot, int error, struct ce_event *out);
/// Keeps a result for later. Returns 0 when memory is short.
int held_add(struct side *side, uint32_t kind, int64_t result, const char *bytes);
/// The next event of one pass over the sources that were in the queue when it began. Returns 1, or 0.
int held_next(struct uring *uring, struct ce_event *out);

#endif
