#define _GNU_SOURCE
#include "uring.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/// Times that handing over is tried when the kernel is out of memory for a moment.
static const int tries_max = 100;

// MARK: Buffers

void ring_give_back(struct uring *uring, int id) {
    io_uring_buf_ring_add(uring->buffer_ring, bytes_of(uring, id), CE_RING_BUFFER_BYTES, (unsigned short)id,
                          io_uring_buf_ring_mask(CE_RING_BUFFERS), 0);
    io_uring_buf_ring_advance(uring->buffer_ring, 1);
}

void ring_give_back_last(struct uring *uring) {
    if (uring->lent_buffer >= 0) ring_give_back(uring, uring->lent_buffer);
    uring->lent_buffer = -1;
    free(uring->lent_held);
    uring->lent_held = NULL;
}

static int make_buffers(struct uring *uring) {
    const size_t ring_bytes = CE_RING_BUFFERS * sizeof(struct io_uring_buf);
    const size_t bytes = (size_t)CE_RING_BUFFERS * CE_RING_BUFFER_BYTES;
    void *memory = mmap(NULL, ring_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    uring->buffer_ring = memory;
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    uring->buffers = memory;
    struct io_uring_buf_reg registration = {
        .ring_addr = (uint64_t)(uintptr_t)uring->buffer_ring,
        .ring_entries = CE_RING_BUFFERS,
    };
    int result = io_uring_register_buf_ring(&uring->ring, &registration, 0);
    if (result < 0) return result;
    io_uring_buf_ring_init(uring->buffer_ring);
    for (int id = 0; id < CE_RING_BUFFERS; id++) ring_give_back(uring, id);
    return 0;
}

// MARK: The ring

static int enable(const struct io_uring *ring) {
    // liburing 2.3 declares a function for this, and leaves it out of the library.
    long result = syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return result < 0 ? -errno : 0;
}

int ring_enable(struct uring *uring) {
    if (uring->is_enabled) return 0;
    int result = enable(&uring->ring);
    if (result == 0) result = enable(&uring->send_ring);
    uring->is_enabled = result == 0;
    return result;
}

/// Takes everything out of the ring, whose room is then free for the kernel.
static int fetch(struct uring *uring) {
    unsigned ready = io_uring_cq_ready(&uring->ring);
    if (uring->at > 0) {
        uring->count -= uring->at;
        memmove(uring->results, uring->results + uring->at, uring->count * sizeof(struct result));
        uring->at = 0;
    }
    if (uring->count + ready > uring->capacity) {
        size_t capacity = 2 * (uring->count + ready);
        struct result *grown = realloc(uring->results, capacity * sizeof *grown);
        if (grown == NULL) return -ENOMEM;
        uring->results = grown;
        uring->capacity = capacity;
    }
    struct io_uring_cqe *entry;
    unsigned head, seen = 0;
    io_uring_for_each_cqe(&uring->ring, head, entry) {
        if (seen == ready) break;
        uring->results[uring->count++] = (struct result){entry->user_data, entry->res, entry->flags};
        seen += 1;
    }
    io_uring_cq_advance(&uring->ring, seen);
    return 0;
}

struct io_uring_sqe *ring_next_entry(struct uring *uring) {
    struct io_uring_sqe *entry = io_uring_get_sqe(&uring->ring);
    if (entry != NULL) return entry;
    if (ring_enable(uring) < 0) return NULL;
    for (int tries = 0; tries < tries_max && entry == NULL; tries++) {
        // Refused, too, when the kernel is left with results that nobody takes.
        if (io_uring_submit(&uring->ring) < 0 && fetch(uring) < 0) return NULL;
        entry = io_uring_get_sqe(&uring->ring);
    }
    return entry;
}

int ring_enter(struct uring *uring, int timeout_ms) {
    int result = ring_enable(uring);
    if (result < 0) return result;
    if (timeout_ms == 0) {
        result = io_uring_submit_and_get_events(&uring->ring);
    } else if (timeout_ms < 0) {
        result = io_uring_submit_and_wait(&uring->ring, 1);
    } else {
        struct __kernel_timespec time = {
            .tv_sec = timeout_ms / 1000, .tv_nsec = (long long)(timeout_ms % 1000) * 1000000};
        struct io_uring_cqe *first;
        result = io_uring_submit_and_wait_timeout(&uring->ring, &first, 1, &time, NULL);
    }
    // EBUSY, EAGAIN: the kernel is out of memory for a moment, or wants its results taken first.
    if (result == -EINTR || result == -ETIME || result == -EBUSY || result == -EAGAIN) result = 0;
    if (result < 0) return result;
    return fetch(uring);
}

int ring_cancel(struct uring *uring, uint64_t name) {
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    io_uring_prep_cancel64(sqe, name, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    sqe->user_data = (uint64_t)OP_CANCEL << 28;
    return 0;
}

int ring_begin_wakeup(struct uring *uring) {
    struct io_uring_sqe *sqe = ring_next_entry(uring);
    if (sqe == NULL) return -EAGAIN;
    // Edge-triggered: every write is an event of its own, and reading the counter back is not needed.
    io_uring_prep_poll_multishot(sqe, uring->wakeup, POLLIN);
    sqe->user_data = (uint64_t)OP_WAKEUP << 28;
    return 0;
}

// MARK: Life

static int open_one(struct io_uring *ring, unsigned results) {
    struct io_uring_params parameters = {
        // Results come only while we ask for them, on the one thread that submits: no locks, no interrupts of
        // our work. Disabled until that thread shows itself.
        .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_R_DISABLED |
                 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
        .cq_entries = results,
    };
    int result = io_uring_queue_init_params(CE_RING_ENTRIES, ring, &parameters);
    if (result < 0) ring->ring_fd = -1;
    return result;
}

/// The newest operation that is used: multishot reads of pipes, of Linux 6.7.
static int check_kernel(struct uring *uring) {
    struct io_uring_probe *probe = io_uring_get_probe_ring(&uring->ring);
    if (probe == NULL) return -ENOMEM;
    int has_it = probe->last_op >= CE_OP_READ_MULTISHOT;
    free(probe);
    return has_it ? 0 : -ENOSYS;
}

int ring_open(struct uring *uring) {
    int result = open_one(&uring->ring, CE_RING_RESULTS);
    if (result == 0) result = check_kernel(uring);
    if (result == 0) result = open_one(&uring->send_ring, 2 * CE_RING_ENTRIES);
    return result < 0 ? result : make_buffers(uring);
}

void ring_close(struct uring *uring, int is_settled) {
    if (uring->ring.ring_fd >= 0) io_uring_queue_exit(&uring->ring);
    if (uring->send_ring.ring_fd >= 0) io_uring_queue_exit(&uring->send_ring);
    if (is_settled) {
        if (uring->buffers != NULL) munmap(uring->buffers, (size_t)CE_RING_BUFFERS * CE_RING_BUFFER_BYTES);
        if (uring->buffer_ring != NULL)
            munmap(uring->buffer_ring, CE_RING_BUFFERS * sizeof(struct io_uring_buf));
    }
    free(uring->results);
}
