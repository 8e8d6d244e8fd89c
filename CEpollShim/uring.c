#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// MARK: The backend

static int uring_next(struct ce_poller *poller, struct ce_event *out) {
    struct uring *uring = (struct uring *)poller;
    ring_give_back_last(uring);
    if (uring->failed_error != 0) {
        int error = uring->failed_error;
        uint32_t slot = (uint32_t)uring->failed_token;
        uring->failed_error = 0;
        const struct entry *entry = entry_at(poller, slot);
        int is_there = entry != NULL && entry->generation == (uint32_t)(uring->failed_token >> 32);
        *out = (struct ce_event){.token = uring->failed_token};
        if (is_there && !(entry->flags & FAILED)) return source_fail(uring, slot, error, out);
    }
    while (uring->at < uring->count) {
        // A copy, as the array may move.
        struct result result = uring->results[uring->at++];
        if (result_take(uring, &result, out)) return 1;
    }
    return held_next(uring, out);
}

static int uring_wait(struct ce_poller *poller, int timeout_ms) {
    struct uring *uring = (struct uring *)poller;
    poller->counters.waits += 1;
    ring_give_back_last(uring);
    if (poller->muted > 0) {
        ce_unmute_all(poller);
        if (poller->muted > 0 && (timeout_ms < 0 || timeout_ms > CE_MUTED_MILLISECONDS))
            timeout_ms = CE_MUTED_MILLISECONDS;
    }
    if (uring->at < uring->count || uring->queue_first != none || uring->failed_error != 0) timeout_ms = 0;
    uring->turn += 1;
    uring->has_begun_pass = 0;
    return ring_enter(uring, timeout_ms);
}

static int uring_set_wakeup(struct ce_poller *poller, int fd) {
    struct uring *uring = (struct uring *)poller;
    uring->wakeup = fd;
    return ring_begin_wakeup(uring);
}

/// Deals with results of removed sources out of their turn.
static void sweep_stale(struct uring *uring) {
    for (size_t i = uring->at; i < uring->count; i++) {
        struct result *result = &uring->results[i];
        if (operation_of(result->name) >= OP_CANCEL || !result_is_stale(uring, result)) continue;
        result_take_stale(uring, result);
        result->name = (uint64_t)OP_DONE << 28;
    }
}

static int uring_settle(struct ce_poller *poller) {
    struct uring *uring = (struct uring *)poller;
    int result = 0;
    while (result == 0 && uring->leaving > 0) {
        sweep_stale(uring);
        if (uring->leaving > 0) result = ring_enter(uring, -1);
    }
    return result;
}

/// Takes what has come for a source that is about to go: bytes are held, and the send's outcome is told.
static int take_last(struct uring *uring, uint32_t slot, const struct result *result, int64_t *sent) {
    struct side *side = &uring->sides[slot];
    int is_last = !(result->flags & IORING_CQE_F_MORE), buffer = buffer_of(result), is_kept = 1;
    switch (operation_of(result->name)) {
    case OP_SEND:
        side->state &= ~SENDING;
        *sent = result->value > 0 ? result->value : 0;
        return 1;
    case OP_TROUBLE:
        if (is_last) side->state &= ~TROUBLE;
        return 1;
    case OP_ACCEPT:
        if (result->value >= 0) close(result->value);
        break;
    default:
        if (buffer >= 0 && result->value > 0)
            is_kept = held_add(side, CE_EVENT_DATA, result->value, bytes_of(uring, buffer));
        if (buffer >= 0) ring_give_back(uring, buffer);
    }
    if (is_last) side->state &= ~(READING | READ_ENDING);
    return is_kept;
}

static int64_t join_held(struct side *side, void **out) {
    size_t count = 0, at = 0;
    for (struct held *held = side->first; held != NULL; held = held->next)
        if (held->kind == CE_EVENT_DATA) count += (size_t)held->result;
    if (count == 0) return 0;
    char *bytes = malloc(count);
    if (bytes == NULL) return -ENOMEM;
    for (struct held *held = side->first; held != NULL; held = held->next) {
        if (held->kind != CE_EVENT_DATA) continue;
        memcpy(bytes + at, held->bytes, (size_t)held->result);
        at += (size_t)held->result;
    }
    *out = bytes;
    return (int64_t)count;
}

static int64_t uring_release(struct ce_poller *poller, uint32_t slot, int64_t *sent, void **unread) {
    struct uring *uring = (struct uring *)poller;
    struct side *side = &uring->sides[slot];
    const struct entry *entry = &poller->entries[slot];
    int error = 0;
    *sent = 0;
    *unread = NULL;
    source_cancel_all(uring, slot);
    while (error == 0) {
        for (size_t i = uring->at; i < uring->count; i++) {
            struct result *result = &uring->results[i];
            if (operation_of(result->name) >= OP_CANCEL || slot_of(result->name) != slot ||
                generation_of(result->name) != entry->generation)
                continue;
            if (!take_last(uring, slot, result, sent)) error = -ENOMEM;
            result->name = (uint64_t)OP_DONE << 28;
        }
        if (!(side->state & (READING | SENDING | TROUBLE))) break;
        if (error == 0) error = ring_enter(uring, -1);
    }
    int64_t count = error < 0 ? error : join_held(side, unread);
    ce_remove(poller, slot);
    return count;
}

static void uring_close(struct ce_poller *poller) {
    struct uring *uring = (struct uring *)poller;
    int is_settled = 1;
    if (uring->is_enabled) {
        for (uint32_t slot = 0; slot < poller->capacity; slot++) ce_remove(poller, slot);
        is_settled = uring_settle(poller) == 0;
    }
    if (uring->buffers != NULL) ring_give_back_last(uring);
    ring_close(uring, is_settled);
    for (uint32_t slot = 0; slot < uring->sides_capacity; slot++) source_drop_held(&uring->sides[slot]);
    if (poller->spare >= 0) close(poller->spare);
    free(uring->sides);
    free(poller->entries);
    free(uring);
}

static const struct backend uring_backend = {
    .wait = uring_wait,
    .next = uring_next,
    .watch = uring_watch,
    .unwatch = uring_unwatch,
    .send = uring_send,
    .set_wakeup = uring_set_wakeup,
    .settle = uring_settle,
    .release = uring_release,
    .close = uring_close,
};

int ce_uring_open(struct ce_poller **out) {
    struct uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL) return -ENOMEM;
    uring->base.backend = &uring_backend;
    uring->base.epoll = uring->base.spare = uring->ring.ring_fd = uring->lent_buffer = -1;
    uring->queue_first = uring->queue_last = none;
    int result = ring_open(uring);
    if (result == 0) {
        ce_reopen_spare(&uring->base);
        if (uring->base.spare < 0) result = -errno;
    }
    if (result < 0) uring_close(&uring->base);
    else *out = &uring->base;
    return result;
}
