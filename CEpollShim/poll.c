#define _GNU_SOURCE
#include "poller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// MARK: Sources

static int grow(struct ce_poller *poller, uint32_t slot) {
    if (slot < poller->capacity) return 0;
    // Tokens of the backends' own read as slots above.
    if (slot >= CE_SLOTS_MAX) return -ENOSPC;
    uint32_t capacity = poller->capacity == 0 ? 64 : poller->capacity;
    while (capacity <= slot) capacity *= 2;
    struct entry *entries = realloc(poller->entries, (size_t)capacity * sizeof *entries);
    if (entries == NULL) return -ENOMEM;
    memset(entries + poller->capacity, 0, (size_t)(capacity - poller->capacity) * sizeof *entries);
    poller->entries = entries;
    poller->capacity = capacity;
    return 0;
}

static int make_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return -errno;
    // One read of a blocking descriptor could stop every source of the loop.
    return flags & O_NONBLOCK || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

int ce_add(struct ce_poller *poller, uint64_t token, int fd, int kind) {
    uint32_t slot = (uint32_t)token, generation = (uint32_t)(token >> 32);
    if (generation == 0 || kind < CE_STREAM || kind > CE_READINESS) return -EINVAL;
    int result = grow(poller, slot);
    if (result < 0) return result;
    if (poller->entries[slot].generation != 0) return -EEXIST;
    result = make_nonblocking(fd);
    if (result < 0) return result;
    struct stat found;
    if (fstat(fd, &found) < 0) return -errno;
    poller->entries[slot] = (struct entry){
        .fd = fd,
        .generation = generation,
        .kind = (uint8_t)kind,
        .flags = S_ISSOCK(found.st_mode) ? IS_SOCKET : 0,
    };
    result = poller->backend->watch(poller, slot);
    if (result < 0) ce_remove(poller, slot);
    return result;
}

int ce_remove(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    // Said to epoll though close(2) follows: a child between fork and exec may hold a copy of the descriptor,
    // and events of what we have closed could not be turned off any more.
    poller->backend->unwatch(poller, slot);
    if (entry->flags & MUTED) poller->muted -= 1;
    *entry = (struct entry){.fd = -1};
    return 0;
}

int ce_pause(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    if (entry->flags & PAUSED) return 0;
    entry->flags |= PAUSED;
    return entry->flags & WATCHED ? poller->backend->watch(poller, slot) : 0;
}

int ce_resume(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    if (!(entry->flags & PAUSED)) return 0;
    entry->flags &= ~PAUSED;
    // An ended pipe or a failed source stays unwatched.
    return entry->flags & (ENDED | FAILED) ? 0 : poller->backend->watch(poller, slot);
}

int ce_await_connection(struct ce_poller *poller, uint32_t slot) {
    struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    entry->flags |= WANTS_WRITE;
    return entry->flags & FAILED ? 0 : poller->backend->watch(poller, slot);
}

// MARK: Failures

int ce_report_failure(struct ce_poller *poller, uint32_t slot, int error, struct ce_event *out) {
    poller->backend->fail(poller, slot);
    poller->entries[slot].flags |= FAILED;
    out->kind = CE_EVENT_FAILED;
    out->bytes = NULL;
    out->result = error;
    return 1;
}

int ce_pending_error(const struct entry *entry) {
    int error = 0;
    socklen_t length = sizeof error;
    if (entry->flags & IS_SOCKET) getsockopt(entry->fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error != 0 ? error : EPIPE;
}

int ce_is_news(struct entry *entry, int is_hung_up) {
    // A pidfd changes twice: when the process ends, and (POLLHUP) when it has been reaped. The second is no
    // news. Other kinds have no POLLHUP.
    int is_news = !(is_hung_up && entry->flags & ENDED);
    entry->flags |= ENDED;
    return is_news;
}

// MARK: Sending

// The plain calls of libc are cancellation points, which costs two atomic operations each in a process with
// threads; nothing here is ever cancelled. One piece leaves by the scalar calls, which spare the kernel the
// import of a vector.
static ssize_t put_pieces(const struct entry *entry, const struct iovec *pieces, int n) {
    if (n == 1)
        return entry->flags & IS_SOCKET
                   ? syscall(SYS_sendto, entry->fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL, NULL, 0)
                   : syscall(SYS_write, entry->fd, pieces->iov_base, pieces->iov_len);
    struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = (size_t)n};
    return entry->flags & IS_SOCKET ? sendmsg(entry->fd, &message, MSG_NOSIGNAL)
                                    : writev(entry->fd, pieces, n);
}

int64_t ce_put(const struct entry *entry, const struct iovec *pieces, int n) {
    ssize_t put;
    do {
        put = put_pieces(entry, pieces, n);
    } while (put < 0 && errno == EINTR);
    return put >= 0 ? put : errno == EAGAIN ? 0 : -errno;
}

int64_t ce_finish_send(struct ce_poller *poller, uint32_t slot, uint64_t total, int64_t put) {
    struct entry *entry = &poller->entries[slot];
    if (put < 0) {
        poller->backend->fail(poller, slot);
        entry->flags |= FAILED;
        return put;
    }
    if ((uint64_t)put < total) entry->flags |= WANTS_WRITE;
    else entry->flags &= ~WANTS_WRITE;
    // A parked source (reading paused, peer gone) is not brought back for writing: its next send fails.
    if (!(entry->flags & WATCHED) && !(entry->flags & WANTS_WRITE)) return put;
    int watched = poller->backend->watch(poller, slot);
    return watched < 0 ? watched : put;
}

int64_t ce_send(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    const struct entry *entry = entry_at(poller, slot);
    if (entry == NULL) return -ENOENT;
    if (entry->flags & FAILED) return -EPIPE;
    size_t total = 0;
    for (int i = 0; i < n; i++) total += pieces[i].iov_len;
    if (total > 0) poller->counters.writes += 1;
    return ce_finish_send(poller, slot, total, total > 0 ? ce_put(entry, pieces, n) : 0);
}

// MARK: The poller

int ce_poller_open(int backend, struct ce_poller **out) {
    switch (backend) {
    case CE_BACKEND_EPOLL: return ce_epoll_open(out);
    case CE_BACKEND_URING: return ce_uring_open(out);
    default: return -EINVAL;
    }
}

void ce_poller_close(struct ce_poller *poller) { poller->backend->close(poller); }

int ce_poller_set_wakeup(struct ce_poller *poller, int fd) { return poller->backend->set_wakeup(poller, fd); }

int ce_wait(struct ce_poller *poller, int timeout_ms) {
    poller->counters.waits += 1;
    return poller->backend->wait(poller, poller->muted > 0 ? ce_wait_muted(poller, timeout_ms) : timeout_ms);
}

int ce_next(struct ce_poller *poller, struct ce_event *out) { return poller->backend->next(poller, out); }

int ce_settle(struct ce_poller *poller) { return poller->backend->settle(poller); }

int ce_gathers(const struct ce_poller *poller) { return poller->backend->gather != NULL; }

int ce_gather(struct ce_poller *poller, uint32_t slot, const struct iovec *pieces, int n) {
    return poller->backend->gather == NULL ? -ENOTSUP : poller->backend->gather(poller, slot, pieces, n);
}

int ce_send_gathered(struct ce_poller *poller) {
    return poller->backend->gather == NULL ? -ENOTSUP : poller->backend->send_gathered(poller);
}

int64_t ce_outcome(const struct ce_poller *poller, int index) {
    return poller->backend->gather == NULL ? -ENOTSUP : poller->backend->outcome(poller, index);
}

void ce_poller_counters(const struct ce_poller *poller, struct ce_counters *out) { *out = poller->counters; }
