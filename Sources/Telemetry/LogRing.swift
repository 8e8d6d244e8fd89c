import Glibc

/// Lines between the threads that log and the one that writes. A full ring drops the new line and counts it, so
/// that a reader of standard error who stops cannot stop the gateway.
///
/// `@unchecked Sendable`: every access to the stored properties is under `mutex`.
final class LogRing: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var waiting: [LogLine] = []
    private var dropped = 0
    /// True while lines that were taken are being written.
    private var isWriting = false
    private let capacity: Int

    init(capacity: Int) {
        self.capacity = capacity
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    func put(_ line: LogLine) {
        pthread_mutex_lock(mutex)
        if waiting.count < capacity {
            waiting.append(line)
            if waiting.count == 1 { pthread_cond_broadcast(changed) }
        } else {
            dropped += 1
        }
        pthread_mutex_unlock(mutex)
    }

    /// All lines that wait, and how many were dropped since the last call; waits for the first. What an earlier
    /// call returned counts as written now.
    func take() -> (lines: [LogLine], dropped: Int) {
        pthread_mutex_lock(mutex)
        isWriting = false
        pthread_cond_broadcast(changed)
        while waiting.isEmpty { pthread_cond_wait(changed, mutex) }
        isWriting = true
        defer {
            waiting.removeAll(keepingCapacity: true)
            dropped = 0
            pthread_mutex_unlock(mutex)
        }
        return (waiting, dropped)
    }

    /// Waits until all that was put before is written, or until `seconds` have passed.
    func drain(seconds: Int) {
        var end = timespec()
        clock_gettime(CLOCK_REALTIME, &end)
        end.tv_sec += seconds
        pthread_mutex_lock(mutex)
        while !waiting.isEmpty || isWriting {
            if pthread_cond_timedwait(changed, mutex, &end) != 0 { break }
        }
        pthread_mutex_unlock(mutex)
    }
}
