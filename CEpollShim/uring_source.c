#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// MARK: What the kernel should do

static int grow_sides(struct uring *uring, uint32_t slot) {
    if (slot < uring->sides_capacity) return 0;
    if (slot >= slots_max) return -ENOSPC;
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
    struct side *side = &uring->sides[slot];
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    if (entry->kind == CE_LISTENER && side->state & SHORT) {
        io_uring_prep_poll_add(sqe, entry->fd, POLLIN);
    } else if (entry->kind == CE_LISTENER) {
        io_uring_prep_multishot_accept(sqe, entry->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } else if (entry->kind == CE_READINESS) {
        io_uring_prep_poll_multishot(sqe, entry->fd, POLLIN);
    } else {
        if (entry->flags & IS_SOCKET) io_uring_prep_recv_multishot(sqe, entry->fd, NULL, 0, 0);
        else io_uring_prep_read(sqe, entry->fd, NULL, CE_RING_BUFFER_BYTES, 0);
        sqe->flags |= IOSQE_BUFFER_SELECT;
        sqe->buf_group = 0;
    }
    sqe->user_data = read_name(entry, side, slot);
    side->state |= READING;
    return 0;
}

/// Edge-triggered, as a condition that lasts would be reported without end otherwise: the kernel adds
/// POLLERR, POLLHUP and POLLRDHUP to whatever is asked for.
static int begin_trouble(struct uring *uring, uint32_t slot) {
    const struct entry *entry = &uring->base.entries[slot];
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    io_uring_prep_poll_multishot(sqe, entry->fd, 0);
    sqe->user_data = name_of(entry, slot, OP_TROUBLE);
    uring->sides[slot].state |= TROUBLE;
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
    } else if ((side->state & (READING | READ_ENDING)) == READING) {
        result = ring_cancel(uring, read_name(entry, side, slot));
        if (result == 0) side->state |= READ_ENDING;
    }
    if (result == 0 && wants_trouble(entry, side) && !(side->state & TROUBLE))
        result = begin_trouble(uring, slot);
    if (side->first != NULL && !(entry->flags & (PAUSED | FAILED))) source_queue(uring, slot);
    return result;
}

void source_drop_held(struct side *side) {
    while (side->first != NULL) {
        struct held *held = side->first;
        side->first = held->next;
        if (held->kind == CE_EVENT_ACCEPTED) close((int)held->result);
        free(held);
    }
    side->last = NULL;
}

void source_cancel_all(struct uring *uring, uint32_t slot) {
    const struct entry *entry = &uring->base.entries[slot];
    struct side *side = &uring->sides[slot];
    if ((side->state & (READING | READ_ENDING)) == READING) ring_cancel(uring, read_name(entry, side, slot));
    if (side->state & READING) side->state |= READ_ENDING;
    if (side->state & SENDING) ring_cancel(uring, name_of(entry, slot, OP_SEND));
    if (side->state & TROUBLE) ring_cancel(uring, name_of(entry, slot, OP_TROUBLE));
}

/// What the kernel still has is counted, and dropped when it comes.
void uring_unwatch(struct ce_poller *poller, uint32_t slot) {
    struct uring *uring = (struct uring *)poller;
    struct entry *entry = &poller->entries[slot];
    if (!(entry->flags & WATCHED)) return;
    struct side *side = &uring->sides[slot];
    source_cancel_all(uring, slot);
    uring->leaving += !!(side->state & READING) + !!(side->state & SENDING) + !!(side->state & TROUBLE);
    source_drop_held(side);
    side->state &= QUEUED;
    side->taken = 0;
    entry->flags &= ~WATCHED;
}

// MARK: Sending

static void prepare_send(struct io_uring_sqe *sqe, const struct entry *entry, const struct iovec *piece) {
    // One call takes no more than this; the rest follows with the next.
    unsigned length = piece->iov_len < INT32_MAX ? (unsigned)piece->iov_len : INT32_MAX;
    if (entry->flags & IS_SOCKET) io_uring_prep_send(sqe, entry->fd, piece->iov_base, length, MSG_NOSIGNAL);
    else io_uring_prep_write(sqe, entry->fd, piece->iov_base, length, 0);
}

static void prepare_message(struct io_uring_sqe *sqe, const struct entry *entry, struct message *message) {
    unsigned n = (unsigned)message->header.msg_iovlen;
    if (entry->flags & IS_SOCKET) io_uring_prep_sendmsg(sqe, entry->fd, &message->header, MSG_NOSIGNAL);
    else io_uring_prep_writev(sqe, entry->fd, message->pieces, n, 0);
}

int64_t uring_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    struct uring *uring = (struct uring *)poller;
    const struct entry *entry = &poller->entries[slot];
    struct side *side = &uring->sides[slot];
    if (entry->flags & FAILED) return -EPIPE;
    if (n <= 0 || (n == 1 && pieces->iov_len == 0)) return 0;
    if (n > CE_PIECES_PER_SEND) return -EINVAL;
    if (side->state & SENDING) return -EBUSY;
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -ENOMEM;
    struct message *message = n == 1 ? NULL : ring_message(uring, pieces, n);
    // Without memory the first piece leaves alone.
    if (message == NULL) prepare_send(sqe, entry, pieces);
    else prepare_message(sqe, entry, message);
    sqe->user_data = name_of(entry, slot, OP_SEND);
    side->state |= SENDING;
    poller->counters.writes += 1;
    return 0;
}
