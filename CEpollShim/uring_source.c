#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

// MARK: What the kernel should do

static int grow_sides(struct uring *uring, uint32_t slot) {
    if (slot < uring->sides_capacity) return 0;
    uint32_t capacity = uring->base.capacity;
    struct side *sides = realloc(uring->sides, (size_t)capacity * sizeof *sides);
    if (sides == NULL) return -ENOMEM;
    memset(sides + uring->sides_capacity, 0, (size_t)(capacity - uring->sides_capacity) * sizeof *sides);
    uring->sides = sides;
    uring->sides_capacity = capacity;
    return 0;
}

static int wants_read(const struct entry *entry, const struct side *side) {
    if (entry->flags & (FAILED | PAUSED | MUTED) || side->state & SAW_END || side->first != NULL) return 0;
    return entry->kind != CE_WRITER;
}

static int wants_trouble(const struct entry *entry, const struct side *side) {
    if (entry->flags & FAILED) return 0;
    if (entry->kind == CE_WRITER) return 1;
    if (entry->kind != CE_STREAM) return 0;
    // Nothing more can happen to a pipe that has ended.
    return side->state & SAW_END ? entry->flags & IS_SOCKET : entry->flags & PAUSED;
}

static int begin_read(struct uring *uring, uint32_t slot) {
    const struct entry *entry = &uring->base.entries[slot];
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    if (entry->kind == CE_LISTENER) {
        // One event each: what its share of a turn leaves in the queue is told of again.
        io_uring_prep_poll_add(sqe, entry->fd, POLLIN);
    } else if (entry->kind == CE_READINESS) {
        io_uring_prep_poll_multishot(sqe, entry->fd, POLLIN);
    } else {
        if (entry->flags & IS_SOCKET) io_uring_prep_recv_multishot(sqe, entry->fd, NULL, 0, 0);
        else io_uring_prep_rw(CE_OP_READ_MULTISHOT, sqe, entry->fd, NULL, 0, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = 0;
    }
    sqe->user_data = name_of(entry, slot, OP_READ);
    uring->sides[slot].state |= READING;
    return 0;
}

/// Edge-triggered, as a condition that lasts would be reported without end otherwise: the kernel adds
/// POLLERR, POLLHUP and POLLRDHUP to whatever is asked for.
static int begin_poll(struct uring *uring, uint32_t slot, unsigned operation) {
    const struct entry *entry = &uring->base.entries[slot];
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    io_uring_prep_poll_multishot(sqe, entry->fd, operation == OP_WRITABLE ? POLLOUT : 0);
    sqe->user_data = name_of(entry, slot, operation);
    uring->sides[slot].state |= operation == OP_WRITABLE ? WRITABLE : TROUBLE;
    return 0;
}

void source_queue(struct uring *uring, uint32_t slot) {
    struct side *side = &uring->sides[slot];
    if (side->state & QUEUED) return;
    side->state |= QUEUED;
    side->next_queued = none;
    if (uring->queue_first == none) uring->queue_first = slot;
    else uring->sides[uring->queue_last].next_queued = slot;
    uring->queue_last = slot;
}

int uring_watch(struct ce_poller *poller, uint32_t slot) {
    struct uring *uring = (struct uring *)poller;
    struct entry *entry = &poller->entries[slot];
    if (!(entry->flags & WATCHED)) {
        int result = grow_sides(uring, slot);
        if (result < 0) return result;
        // What epoll refuses, too: files are read by threads of the kernel's, which cannot be cancelled.
        struct stat found;
        if (entry->kind != CE_READINESS && fstat(entry->fd, &found) == 0 &&
            !S_ISSOCK(found.st_mode) && !S_ISFIFO(found.st_mode) && !S_ISCHR(found.st_mode))
            return -EPERM;
        entry->flags |= WATCHED;
    }
    struct side *side = &uring->sides[slot];
    int result = 0;
    if (wants_read(entry, side)) {
        // One that is being cancelled begins anew when its end is reported.
        if (!(side->state & READING)) result = begin_read(uring, slot);
    } else if ((side->state & (READING | READ_ENDING)) == READING && entry->kind != CE_LISTENER) {
        result = ring_cancel(uring, name_of(entry, slot, OP_READ));
        if (result == 0) side->state |= READ_ENDING;
    }
    if (result == 0 && wants_trouble(entry, side) && !(side->state & TROUBLE))
        result = begin_poll(uring, slot, OP_TROUBLE);
    // Begun anew for each send that came short: whatever room there is by then is told of.
    int wants_room = entry->flags & WANTS_WRITE && !(entry->flags & FAILED);
    if (result == 0 && wants_room && !(side->state & WRITABLE)) result = begin_poll(uring, slot, OP_WRITABLE);
    if (side->first != NULL && !(entry->flags & (PAUSED | FAILED))) source_queue(uring, slot);
    return result;
}

void source_drop_held(struct side *side) {
    while (side->first != NULL) {
        struct held *held = side->first;
        side->first = held->next;
        free(held);
    }
    side->last = NULL;
}

static void cancel(struct uring *uring, uint32_t slot, unsigned operation) {
    if (ring_cancel(uring, name_of(&uring->base.entries[slot], slot, operation)) < 0)
        uring->has_lost_cancel = 1;
}

void source_end_writable(struct uring *uring, uint32_t slot) {
    struct side *side = &uring->sides[slot];
    if ((side->state & (WRITABLE | WRITABLE_ENDING)) != WRITABLE) return;
    cancel(uring, slot, OP_WRITABLE);
    side->state |= WRITABLE_ENDING;
}

static void cancel_all(struct uring *uring, uint32_t slot) {
    struct side *side = &uring->sides[slot];
    if ((side->state & (READING | READ_ENDING)) == READING) cancel(uring, slot, OP_READ);
    if (side->state & READING) side->state |= READ_ENDING;
    source_end_writable(uring, slot);
    if (side->state & TROUBLE) cancel(uring, slot, OP_TROUBLE);
}

void uring_fail(struct ce_poller *poller, uint32_t slot) {
    struct uring *uring = (struct uring *)poller;
    source_drop_held(&uring->sides[slot]);
    cancel_all(uring, slot);
}

/// What the kernel still has is counted, and dropped when it comes.
void uring_unwatch(struct ce_poller *poller, uint32_t slot) {
    struct uring *uring = (struct uring *)poller;
    struct entry *entry = &poller->entries[slot];
    if (!(entry->flags & WATCHED)) return;
    struct side *side = &uring->sides[slot];
    cancel_all(uring, slot);
    uring->leaving += !!(side->state & READING) + !!(side->state & WRITABLE) + !!(side->state & TROUBLE);
    source_drop_held(side);
    side->state &= QUEUED;
    side->taken = 0;
    entry->flags &= ~WATCHED;
}
