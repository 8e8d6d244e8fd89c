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
        if (is_there && !(entry->flags & FAILED)) return ce_report_failure(poller, slot, error, out);
    }
    if (uring->listener_token != 0 && listener_next(uring, out)) return 1;
    while (uring->at < uring->count) {
        // A copy, as the array may move.
        struct result result = uring->results[uring->at++];
        if (result_take(uring, &result, out)) return 1;
    }
    return held_next(uring, out);
}

static int uring_wait(struct ce_poller *poller, int timeout_ms) {
    struct uring *uring = (struct uring *)poller;
    ring_give_back_last(uring);
    if (uring->at < uring->count || uring->queue_first != none || uring->failed_error != 0 ||
        uring->listener_token != 0)
        timeout_ms = 0;
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
    int result = uring->has_lost_cancel ? -ENOMEM : 0;
    while (result == 0 && uring->leaving > 0) {
        sweep_stale(uring);
        if (uring->leaving > 0) result = ring_enter(uring, -1);
    }
    return result;
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
    .fail = uring_fail,
    .set_wakeup = uring_set_wakeup,
    .settle = uring_settle,
    .gather = uring_gather,
    .send_gathered = uring_send_gathered,
    .outcome = uring_outcome,
    .close = uring_close,
};

int ce_uring_open(struct ce_poller **out) {
    struct uring *uring = calloc(1, sizeof *uring);
    if (uring == NULL) return -ENOMEM;
    uring->base.backend = &uring_backend;
    uring->base.spare = uring->ring.ring_fd = uring->send_ring.ring_fd = uring->lent_buffer = -1;
    uring->queue_first = uring->queue_last = none;
    int result = ring_open(uring);
    if (result == 0) result = ce_open_spare(&uring->base);
    if (result < 0) uring_close(&uring->base);
    else *out = &uring->base;
    return result;
}
