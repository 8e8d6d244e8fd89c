import CEpollShim
import Glibc
import Synchronization
import System

/// The one way from another thread into a loop.
///
/// `@unchecked Sendable`: every stored property is an atomic, a mutex or a constant; jobs are `@Sendable`.
public final class Mailbox: @unchecked Sendable {
    public typealias Job = @Sendable (Loop) -> Void

    private struct Box {
        var jobs: ContiguousArray<Job> = []
        var isClosed = false
    }

    private let box = Mutex(Box())
    /// True when `box` may hold jobs. Spares the loop the mutex in most turns.
    private let hasPost = Atomic<Bool>(false)
    /// True while the loop waits in the kernel, or is about to.
    private let isSleeping = Atomic<Bool>(false)
    /// The loop's thread until it is joined.
    let thread = Mutex<pthread_t?>(nil)
    /// The poller only watches it; closed here, when no poster is left.
    let eventfd: Int32

    init() throws(Errno) {
        eventfd = try Errno.check(ce_eventfd(), "creating an eventfd")
    }

    deinit { ce_close(eventfd) }

    /// Runs `job` on the loop's thread, in the order of posting per poster. From any thread. Returns false,
    /// and drops the job, when the loop has stopped.
    @discardableResult
    public func post(_ job: @escaping Job) -> Bool {
        let isOpen = box.withLock {
            guard !$0.isClosed else { return false }
            $0.jobs.append(job)
            return true
        }
        guard isOpen else { return false }
        // Dekker's handshake with `mayWait`: each side first writes its own flag, then reads the other's; in
        // the single order of sequential consistency at least one of them sees the other.
        hasPost.store(true, ordering: .sequentiallyConsistent)
        if isSleeping.exchange(false, ordering: .sequentiallyConsistent) { ce_eventfd_signal(eventfd) }
        return true
    }

    // MARK: The loop's side

    /// Announces that the loop is about to wait; false when there are jobs, and it must not.
    func mayWait() -> Bool {
        isSleeping.store(true, ordering: .sequentiallyConsistent)
        return !hasPost.load(ordering: .sequentiallyConsistent)
    }

    func hasWoken() {
        isSleeping.store(false, ordering: .relaxed)
    }

    /// Swaps the posted jobs with `emptied`, whose memory is used again.
    func swap(_ emptied: inout ContiguousArray<Job>) {
        guard hasPost.exchange(false, ordering: .sequentiallyConsistent) else { return }
        box.withLock { Swift.swap(&$0.jobs, &emptied) }
    }

    /// Refuses further posts; what is left comes back.
    func close() -> ContiguousArray<Job> {
        box.withLock { box in
            box.isClosed = true
            let left = box.jobs
            box.jobs = []
            return left
        }
    }
}
