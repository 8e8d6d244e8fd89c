/// One poller per loop thread. Completion-shaped, so that epoll (which tells when to act) and io_uring
/// (which acts and tells the result) fit behind the same calls: events carry the bytes, the accepted
/// descriptor or the error. Every function returns a value >= 0 or -errno.
///
/// A source is named by a token: generation << 32 | slot. The caller hands out slots, small and dense, and a
/// generation that is never 0 and changes whenever a slot is used again. Events for an older generation are
/// dropped and counted.
#ifndef CE_POLL_H
#define CE_POLL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum {
    CE_BACKEND_EPOLL = 0,
    /// Needs Linux 6.7, and a host that lets this process set up a ring. The thread of the first ce_wait owns
    /// it: later calls must come from there.
    CE_BACKEND_URING = 1,
};

enum {
    /// Slots are below this, so that what a backend adds fits beside them.
    CE_SLOTS_MAX = 1 << 28,
    /// Bytes of the read buffer that all sources of a poller share.
    CE_SCRATCH_BYTES = 65536,
    /// Reads of one source in one turn: no source keeps the others waiting for more than 256 KiB.
    CE_READS_PER_TURN = 4,
    /// Connections one listener takes in one turn.
    CE_ACCEPTS_PER_TURN = 64,
    /// Events fetched by one wait.
    CE_EVENTS_PER_TURN = 256,
    /// While no descriptor is left for new connections, listeners are looked at this often.
    CE_MUTED_MILLISECONDS = 100,
    /// io_uring: operations handed over by one system call; more cost another one.
    CE_RING_ENTRIES = 256,
    /// io_uring: results the kernel stores before it has to allocate.
    CE_RING_RESULTS = 4096,
    /// io_uring: buffers that the kernel picks for what arrives, a power of two; 4 MiB in all. Taken in turn,
    /// so that a loop with any traffic has touched all of them.
    CE_RING_BUFFERS = 256,
    CE_RING_BUFFER_BYTES = 16384,
    /// io_uring: sends that leave by one system call, and pieces of all of them together.
    CE_SENDS_PER_CALL = 256,
    CE_PIECES_PER_CALL = 2048,
};

/// What a source is; decides which events it gets.
enum {
    /// A socket or the reading end of a pipe: DATA, END, FAILED, WRITABLE.
    CE_STREAM = 1,
    /// A listening socket: ACCEPTED.
    CE_LISTENER = 2,
    /// The writing end of a pipe: FAILED (the reader is gone), WRITABLE.
    CE_WRITER = 3,
    /// eventfd, pidfd, signalfd: READY, once each time it becomes readable (edge-triggered).
    CE_READINESS = 4,
};

enum {
    /// `result` bytes at `bytes`, valid until the next ce_next.
    CE_EVENT_DATA = 1,
    /// The peer has ended its direction. Comes once; the writing side stays usable.
    CE_EVENT_END = 2,
    /// `result` is an errno value. The source is not watched any more.
    CE_EVENT_FAILED = 3,
    /// `result` is a new descriptor: non-blocking, close-on-exec, TCP_NODELAY. The caller owns it.
    CE_EVENT_ACCEPTED = 4,
    CE_EVENT_READY = 5,
    /// A send that came short may go on.
    CE_EVENT_WRITABLE = 6,
};

struct ce_event {
    uint64_t token;
    const void *bytes;
    int64_t result;
    uint32_t kind;
};

struct ce_counters {
    /// Events for a source that was removed, or whose slot was used again, in the same batch.
    uint64_t stale_events;
    /// Connections accepted and closed at once, since there was no descriptor for them.
    uint64_t accepts_refused;
    /// Times that all listeners had to stop for want of descriptors or memory.
    uint64_t accepts_muted;
    uint64_t reads;
    uint64_t writes;
    uint64_t waits;
};

struct ce_poller;

/// Returns 0 and the poller. CE_BACKEND_URING: -ENOSYS or -EINVAL when the kernel is too old for it, -EPERM
/// when it is forbidden here.
int ce_poller_open(int backend, struct ce_poller **out);

/// Frees the poller. Descriptors of sources stay open: they are the caller's.
void ce_poller_close(struct ce_poller *poller);

/// Watches the eventfd `fd`, which is never read: a write to it ends ce_wait and makes no event.
int ce_poller_set_wakeup(struct ce_poller *poller, int fd);

/// Fetches what has happened, waiting up to `timeout_ms` (-1: without end). What was left of the last batch
/// comes again. Returns 0.
int ce_wait(struct ce_poller *poller, int timeout_ms);

/// The next event of the batch. Returns 1, or 0 at its end.
int ce_next(struct ce_poller *poller, struct ce_event *out);

/// Starts watching `fd`, which becomes non-blocking. `kind` is one of CE_STREAM... Returns 0.
int ce_add(struct ce_poller *poller, uint64_t token, int fd, int kind);

/// Forgets the source at once: no event of it comes after. The descriptor stays open; before it is closed, call
/// ce_settle. Returns 0.
int ce_remove(struct ce_poller *poller, uint32_t slot);

/// Waits until the kernel has let go of every source removed so far, which takes a system call: all that it
/// waits for is cancelled. Until then io_uring keeps a closed descriptor's connection open. Returns 0.
int ce_settle(struct ce_poller *poller);

/// Stops and restarts reading. A reset connection is noticed even while paused. Return 0.
int ce_pause(struct ce_poller *poller, uint32_t slot);
int ce_resume(struct ce_poller *poller, uint32_t slot);

/// A WRITABLE event will come once the socket's connection is made; a FAILED one when it cannot be. For a socket
/// that has begun to connect and of which nothing is to be sent yet. Returns 0.
int ce_await_connection(struct ce_poller *poller, uint32_t slot);

/// Sends the `n` pieces, with one system call. Returns the bytes that have left, maybe 0; when some are left
/// over, a WRITABLE event will come. -errno is final: the source is not watched any more.
/// Pieces must stay in place until they have left (epoll: when this returns).
/// With `n` 0 nothing is sent, and no WRITABLE event will come.
int64_t ce_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n);

/// 1 when sends may leave together.
int ce_gathers(const struct ce_poller *poller);

/// Puts a send into the batch that ce_send_gathered sends. The pieces are read then, not earlier. Returns its
/// index there, or -ENOBUFS when the batch must leave first.
int ce_gather(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n);

/// Sends the batch, with one system call. Nothing of it is in the kernel's hands afterwards. Returns the number
/// of its sends, whose outcomes are kept until the next ce_gather.
int ce_send_gathered(struct ce_poller *poller);

/// What ce_send would have returned.
int64_t ce_outcome(const struct ce_poller *poller, int index);

void ce_poller_counters(const struct ce_poller *poller, struct ce_counters *out);

#endif
