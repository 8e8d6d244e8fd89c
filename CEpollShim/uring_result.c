#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

// MARK: Results

/// Returns 1 when the source may have `amount` more bytes in this turn.
static int has_share(struct uring *uring, struct side *side, uint32_t amount) {
    if (side->turn != uring->turn) {
        side->turn = uring->turn;
        side->taken = 0;
    }
    if (side->taken + amount > CE_READS_PER_TURN * CE_SCRATCH_BYTES) return 0;
    side->taken += amount;
    return 1;
}

/// Keeps a result for later. Returns 0 when memory is short.
static int held_add(struct side *side, uint32_t kind, int64_t result, const char *bytes) {
    size_t count = kind == CE_EVENT_DATA ? (size_t)result : 0;
    struct held *held = malloc(sizeof *held + count);
    if (held == NULL) return 0;
    *held = (struct held){.result = result, .kind = kind};
    if (count > 0) memcpy(held->bytes, bytes, count);
    if (side->first == NULL) side->first = held;
    else side->last->next = held;
    side->last = held;
    return 1;
}

/// The end is told now; a hang-up that was seen before comes next.
static void tell_end(struct uring *uring, uint32_t slot) {
    struct entry *entry = &uring->base.entries[slot];
    entry->flags |= ENDED;
    if (!(uring->sides[slot].state & HUNG_UP)) return;
    uring->failed_token = token_of(entry, slot);
    uring->failed_error = ce_pending_error(entry);
}

/// Delivers now, or later when the source is paused, has had its share or has older results.
static int deliver(struct uring *uring, uint32_t slot, uint32_t kind, const struct result *result,
                   struct ce_event *out) {
    struct entry *entry = &uring->base.entries[slot];
    struct side *side = &uring->sides[slot];
    int buffer = buffer_of(result);
    const char *bytes = buffer < 0 ? NULL : bytes_of(uring, buffer);
    uint32_t amount = kind == CE_EVENT_DATA ? (uint32_t)result->value : 0;
    if (side->first == NULL && !(entry->flags & PAUSED) && has_share(uring, side, amount)) {
        if (kind == CE_EVENT_END) tell_end(uring, slot);
        out->kind = kind;
        out->result = result->value;
        out->bytes = bytes;
        uring->lent_buffer = buffer;
        return 1;
    }
    int is_held = held_add(side, kind, result->value, bytes);
    if (buffer >= 0) ring_give_back(uring, buffer);
    return is_held ? 0 : ce_report_failure(&uring->base, slot, ENOMEM, out);
}

static int take_bytes(struct uring *uring, uint32_t slot, const struct result *result, struct ce_event *out) {
    struct entry *entry = &uring->base.entries[slot];
    struct side *side = &uring->sides[slot];
    if (result->value > 0) {
        uring->base.counters.reads += 1;
        return deliver(uring, slot, CE_EVENT_DATA, result, out);
    }
    if (buffer_of(result) >= 0) ring_give_back(uring, buffer_of(result));
    switch (-result->value) {
    case 0:
        side->state |= SAW_END;
        return deliver(uring, slot, CE_EVENT_END, result, out);
    case ECANCELED:
    case ENOBUFS:  // All buffers are in use: they are given back before the next wait.
    case EINTR:
    case EAGAIN: return 0;
    default:
        // A reset is told at once while paused, as then nobody waits for the bytes before it.
        if (side->first == NULL || entry->flags & PAUSED)
            return ce_report_failure(&uring->base, slot, -result->value, out);
        side->state |= SAW_END;
        if (held_add(side, CE_EVENT_FAILED, -result->value, NULL)) return 0;
        return ce_report_failure(&uring->base, slot, -result->value, out);
    }
}

static int take_ready(struct entry *entry, const struct result *result, struct ce_event *out) {
    if (result->value < 0) return 0;
    out->kind = CE_EVENT_READY;
    return ce_is_news(entry, result->value & POLLHUP);
}

static int take_read(struct uring *uring, uint32_t slot, const struct result *result, struct ce_event *out) {
    struct entry *entry = &uring->base.entries[slot];
    if (!(result->flags & IORING_CQE_F_MORE)) uring->sides[slot].state &= ~(READING | READ_ENDING);
    if (entry->flags & FAILED) {
        if (buffer_of(result) >= 0) ring_give_back(uring, buffer_of(result));
        return 0;
    }
    int found = 0;
    switch (entry->kind) {
    case CE_LISTENER:
        if (result->value < 0) break;
        uring->listener_token = token_of(entry, slot);
        uring->base.steps = 0;
        return listener_next(uring, out);
    case CE_READINESS: found = take_ready(entry, result, out); break;
    default: found = take_bytes(uring, slot, result, out); break;
    }
    if (entry->flags & FAILED) return found;
    int watched = uring_watch(&uring->base, slot);
    if (watched < 0 && !found) return ce_report_failure(&uring->base, slot, -watched, out);
    return found;
}

int listener_next(struct uring *uring, struct ce_event *out) {
    struct ce_poller *poller = &uring->base;
    uint32_t slot = (uint32_t)uring->listener_token, ready = 1;
    const struct entry *entry = entry_at(poller, slot);
    int is_there = entry != NULL && entry->generation == (uint32_t)(uring->listener_token >> 32);
    if (!is_there || entry->flags & FAILED) {
        uring->listener_token = 0;
        return 0;
    }
    *out = (struct ce_event){.token = uring->listener_token};
    int found = ce_next_of_listener(poller, slot, &ready, out);
    if (ready) return found;
    uring->listener_token = 0;
    if (entry->flags & FAILED) return found;
    int watched = uring_watch(poller, slot);
    return watched < 0 ? ce_report_failure(poller, slot, -watched, out) : found;
}

static int take_writable(struct uring *uring, uint32_t slot, const struct result *result,
                         struct ce_event *out) {
    const struct entry *entry = &uring->base.entries[slot];
    int is_last = !(result->flags & IORING_CQE_F_MORE);
    if (is_last) uring->sides[slot].state &= ~(WRITABLE | WRITABLE_ENDING);
    if (entry->flags & FAILED) return 0;
    // After an error the read tells, or the poll for errors; a send would only hide the reason.
    int has_room = result->value > 0 && result->value & POLLOUT && !(result->value & POLLERR);
    if (has_room && entry->flags & WANTS_WRITE) {
        source_end_writable(uring, slot);
        out->kind = CE_EVENT_WRITABLE;
        return 1;
    }
    int watched = is_last ? uring_watch(&uring->base, slot) : 0;
    return watched < 0 ? ce_report_failure(&uring->base, slot, -watched, out) : 0;
}

static int take_trouble(struct uring *uring, uint32_t slot, const struct result *result,
                        struct ce_event *out) {
    const struct entry *entry = &uring->base.entries[slot];
    struct side *side = &uring->sides[slot];
    if (!(result->flags & IORING_CQE_F_MORE)) side->state &= ~TROUBLE;
    if (entry->flags & FAILED) return 0;
    int events = result->value > 0 ? result->value : 0;
    int is_over = entry->flags & ENDED || entry->kind == CE_WRITER;
    int is_lost = events & POLLERR || (events & POLLHUP && is_over);
    // Bytes and the end may still have to be read, or delivered. The poll does not repeat itself.
    if (events & POLLHUP && !is_lost && entry->flags & IS_SOCKET) side->state |= HUNG_UP;
    // While the source reads, the read tells, after the bytes that came before.
    int is_reading = entry->kind == CE_STREAM && !(entry->flags & PAUSED) && !(side->state & SAW_END);
    // The end comes first, when it is still held back.
    int is_early = side->state & SAW_END && side->first != NULL && !(entry->flags & PAUSED);
    if (is_lost && is_early) {
        if (held_add(side, CE_EVENT_FAILED, ce_pending_error(entry), NULL)) return 0;
    }
    if (is_lost && !is_reading) return ce_report_failure(&uring->base, slot, ce_pending_error(entry), out);
    return 0;
}

void result_take_stale(struct uring *uring, const struct result *result) {
    if (!(result->flags & IORING_CQE_F_MORE)) uring->leaving -= 1;
    if (result->value >= 0) uring->base.counters.stale_events += 1;
    if (buffer_of(result) >= 0) ring_give_back(uring, buffer_of(result));
}

int result_is_stale(struct uring *uring, const struct result *result) {
    const struct entry *entry = entry_at(&uring->base, slot_of(result->name));
    return entry == NULL || entry->generation != generation_of(result->name);
}

int result_take(struct uring *uring, const struct result *result, struct ce_event *out) {
    unsigned operation = operation_of(result->name);
    uint32_t slot = slot_of(result->name);
    if (operation >= OP_CANCEL) {
        if (operation == OP_WAKEUP && !(result->flags & IORING_CQE_F_MORE)) ring_begin_wakeup(uring);
        return 0;
    }
    if (result_is_stale(uring, result)) {
        result_take_stale(uring, result);
        return 0;
    }
    *out = (struct ce_event){.token = (uint64_t)generation_of(result->name) << 32 | slot};
    switch (operation) {
    case OP_WRITABLE: return take_writable(uring, slot, result, out);
    case OP_TROUBLE: return take_trouble(uring, slot, result, out);
    default: return take_read(uring, slot, result, out);
    }
}

// MARK: Results held back

static void leave_queue(struct uring *uring) {
    uint32_t slot = uring->queue_first;
    uring->queue_first = uring->sides[slot].next_queued;
    uring->sides[slot].state &= ~QUEUED;
    if (slot == uring->pass_last) uring->has_ended_pass = 1;
}

/// The oldest held result of the source, which has its share left.
static int next_of_source(struct uring *uring, uint32_t slot, struct ce_event *out) {
    struct entry *entry = &uring->base.entries[slot];
    struct side *side = &uring->sides[slot];
    struct held *held = side->first;
    side->first = held->next;
    uring->lent_held = held;
    *out = (struct ce_event){
        .token = token_of(entry, slot),
        .kind = held->kind,
        .result = held->result,
        .bytes = held->kind == CE_EVENT_DATA ? held->bytes : NULL,
    };
    if (held->kind == CE_EVENT_FAILED) return ce_report_failure(&uring->base, slot, (int)held->result, out);
    if (held->kind == CE_EVENT_END) tell_end(uring, slot);
    // The last one: the kernel may go on.
    if (side->first == NULL) uring_watch(&uring->base, slot);
    return 1;
}

static uint32_t amount_of(const struct held *held) {
    return held->kind == CE_EVENT_DATA ? (uint32_t)held->result : 0;
}

int held_next(struct uring *uring, struct ce_event *out) {
    if (!uring->has_begun_pass) {
        uring->has_begun_pass = 1;
        uring->pass_last = uring->queue_last;
        uring->has_ended_pass = uring->queue_first == none;
    }
    while (!uring->has_ended_pass) {
        uint32_t slot = uring->queue_first;
        const struct entry *entry = entry_at(&uring->base, slot);
        struct side *side = &uring->sides[slot];
        int may_deliver = entry != NULL && !(entry->flags & (PAUSED | FAILED)) && side->first != NULL;
        if (may_deliver && has_share(uring, side, amount_of(side->first)))
            return next_of_source(uring, slot, out);
        leave_queue(uring);
        if (may_deliver) source_queue(uring, slot);
    }
    return 0;
}
