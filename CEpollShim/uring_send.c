#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int uring_gather(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    struct uring *uring = (struct uring *)poller;
    if (uring->has_left) uring->sending_count = uring->pieces_count = uring->has_left = 0;
    if (n < 0 || n > CE_PIECES_PER_CALL) return -EINVAL;
    if (uring->sending_count == CE_SENDS_PER_CALL || uring->pieces_count + n > CE_PIECES_PER_CALL) return -ENOBUFS;
    struct iovec *copy = &uring->pieces[uring->pieces_count];
    memcpy(copy, pieces, (size_t)n * sizeof *pieces);
    struct sending sending = {.slot = slot, .n = n, .pieces = copy};
    for (int i = 0; i < n; i++) sending.total += pieces[i].iov_len;
    uring->pieces_count += n;
    uring->sendings[uring->sending_count] = sending;
    return uring->sending_count++;
}

/// Nothing of it waits: the kernel does at once what it can do at once, and tells.
static void prepare(struct io_uring_sqe *sqe, const struct entry *entry, struct sending *sending) {
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT;
    const struct iovec *piece = sending->pieces;
    // One call takes no more than this of a scalar; the rest follows with the next.
    unsigned length = piece->iov_len < INT32_MAX ? (unsigned)piece->iov_len : INT32_MAX;
    sending->header = (struct msghdr){.msg_iov = sending->pieces, .msg_iovlen = (size_t)sending->n};
    if (entry->flags & IS_SOCKET) {
        if (sending->n == 1) io_uring_prep_send(sqe, entry->fd, piece->iov_base, length, flags);
        else io_uring_prep_sendmsg(sqe, entry->fd, &sending->header, flags);
    } else {
        if (sending->n == 1) io_uring_prep_write(sqe, entry->fd, piece->iov_base, length, 0);
        else io_uring_prep_writev(sqe, entry->fd, sending->pieces, (unsigned)sending->n, 0);
        sqe->rw_flags = RWF_NOWAIT;
    }
}

static int64_t outcome_of(int32_t value, const struct entry *entry, const struct sending *sending) {
    switch (-value) {
    case EAGAIN: return 0;
    // What cannot promise not to wait is non-blocking all the same.
    case EINTR:
    case EOPNOTSUPP: return ce_put(entry, sending->pieces, sending->n);
    default: return value;
    }
}

/// Takes the results of `n` operations, which are there already.
static void take_results(struct uring *uring, int n) {
    while (n > 0) {
        struct io_uring_cqe *result;
        int found = io_uring_wait_cqe(&uring->send_ring, &result);
        if (found == -EINTR) continue;
        if (found < 0) return;
        uint64_t index = result->user_data;
        if (index < (uint64_t)uring->sending_count) {
            struct sending *sending = &uring->sendings[index];
            sending->outcome = outcome_of(result->res, &uring->base.entries[sending->slot], sending);
        }
        io_uring_cqe_seen(&uring->send_ring, result);
        n -= 1;
    }
}

/// Hands the operations over. Returns how many of the last `n` the kernel has taken; what it left, being out of
/// memory for a moment, must not be done by a later call, and so becomes nothing.
static int hand_over(struct uring *uring, struct io_uring_sqe *const *entries, int n) {
    int taken = 0, strays = uring->strays;
    while (taken < strays + n) {
        int result = io_uring_submit(&uring->send_ring);
        if (result <= 0) break;
        taken += result;
    }
    take_results(uring, taken);
    int done = taken > strays ? taken - strays : 0;
    for (int i = done; i < n; i++) {
        io_uring_prep_nop(entries[i]);
        entries[i]->user_data = UINT64_MAX;
    }
    uring->strays = strays + n - taken;
    return done;
}

/// Those of the batch with something to send, by one system call. Returns how many have been dealt with.
static int submit(struct uring *uring, const int *indices, int n) {
    struct io_uring_sqe *entries[CE_SENDS_PER_CALL];
    int prepared = 0;
    if (ring_enable(uring) < 0) return 0;
    while (prepared < n) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->send_ring);
        if (sqe == NULL) break;
        struct sending *sending = &uring->sendings[indices[prepared]];
        prepare(sqe, &uring->base.entries[sending->slot], sending);
        sqe->user_data = (uint64_t)indices[prepared];
        entries[prepared++] = sqe;
    }
    return hand_over(uring, entries, prepared);
}

int uring_send_gathered(struct ce_poller *poller) {
    struct uring *uring = (struct uring *)poller;
    int indices[CE_SENDS_PER_CALL], n = 0;
    if (uring->has_left) return 0;
    uring->has_left = 1;
    for (int i = 0; i < uring->sending_count; i++) {
        struct sending *sending = &uring->sendings[i];
        const struct entry *entry = entry_at(poller, sending->slot);
        if (entry == NULL) sending->outcome = -ENOENT;
        else if (entry->flags & FAILED) sending->outcome = -EPIPE;
        else if (sending->total > 0) indices[n++] = i;
    }
    poller->counters.writes += (uint64_t)n;
    // One alone leaves by a call of its own, which is cheaper.
    int taken = n > 1 ? submit(uring, indices, n) : 0;
    for (int i = taken; i < n; i++) {
        struct sending *sending = &uring->sendings[indices[i]];
        sending->outcome = ce_put(&poller->entries[sending->slot], sending->pieces, sending->n);
    }
    for (int i = 0; i < uring->sending_count; i++) {
        struct sending *sending = &uring->sendings[i];
        const struct entry *entry = entry_at(poller, sending->slot);
        if (entry != NULL && !(entry->flags & FAILED))
            sending->outcome = ce_finish_send(poller, sending->slot, sending->total, sending->outcome);
    }
    return uring->sending_count;
}

int64_t uring_outcome(const struct ce_poller *poller, int index) {
    const struct uring *uring = (const struct uring *)poller;
    return index < 0 || index >= uring->sending_count ? -EINVAL : uring->sendings[index].outcome;
}
