import CEpollShim
import Glibc
import Synchronization
import System

/// The one way from another thread into a loop: a list that any thread pushes to and the loop takes as a
/// whole. Lock-free, so that a poster that loses its CPU in the middle holds up nobody.
///
/// `@unchecked Sendable`: every stored property is an atomic, a mutex or a constant. A parcel is written by its
/// poster before the push that publishes it, and is the loop's alone after the exchange that takes it.
public final class Mailbox: @unchecked Sendable {
    public typealias Job = @Sendable (Loop) -> Void

    private struct Parcel {
        let job: Job
        /// The value of `newest` that this parcel was pushed onto.
        var next: UInt
    }

    /// Address of the parcel posted last, or one of the two marks below.
    private let newest = Atomic<UInt>(Mailbox.empty)
    private static let empty: UInt = 0
    /// No parcel has this address, as allocations are aligned.
    private static let closed: UInt = 1

    /// True while the loop waits in the kernel, or is about to.
    private let isSleeping = Atomic<Bool>(false)
    /// The loop's thread until it is joined.
    let thread = Mutex<pthread_t?>(nil)
    /// The poller only watches it; closed here, when no poster is left.
    let eventfd: Int32

    init() throws(Errno) {
        eventfd = try Errno.check(ce_eventfd(), "creating an eventfd")
    }

    deinit {
        // A loop that never ran to its end leaves parcels behind.
        var left: ContiguousArray<Job> = []
        unpack(newest.load(ordering: .acquiring), into: &left)
        ce_close(eventfd)
    }

    /// Runs `job` on the loop's thread; jobs of one poster run in the order of posting. From any thread.
    /// Returns false, and drops the job, when the loop has stopped.
    @discardableResult
    public func post(_ job: @escaping Job) -> Bool {
        let parcel = UnsafeMutablePointer<Parcel>.allocate(capacity: 1)
        parcel.initialize(to: Parcel(job: job, next: Mailbox.empty))
        var expected = newest.load(ordering: .relaxed)
        while true {
            if expected == Mailbox.closed {
                parcel.deinitialize(count: 1)
                parcel.deallocate()
                return false
            }
            parcel.pointee.next = expected
            let (isPushed, current) = newest.weakCompareExchange(
                expected: expected, desired: UInt(bitPattern: parcel), ordering: .sequentiallyConsistent)
            if isPushed { break }
            expected = current
        }
        // Dekker's handshake with `mayWait`: each side first writes its own variable, then reads the other's;
        // in the single order of sequential consistency at least one of them sees the other.
        if isSleeping.load(ordering: .sequentiallyConsistent),
            isSleeping.exchange(false, ordering: .sequentiallyConsistent)
        {
            ce_eventfd_signal(eventfd)
        }
        return true
    }

    // MARK: The loop's side

    /// Announces that the loop is about to wait; false when there are jobs, and it must not.
    func mayWait() -> Bool {
        isSleeping.store(true, ordering: .sequentiallyConsistent)
        return newest.load(ordering: .sequentiallyConsistent) == Mailbox.empty
    }

    func hasWoken() {
        isSleeping.store(false, ordering: .relaxed)
    }

    /// Appends what was posted to `jobs`, oldest first.
    func collect(into jobs: inout ContiguousArray<Job>) {
        guard newest.load(ordering: .relaxed) != Mailbox.empty else { return }
        unpack(newest.exchange(Mailbox.empty, ordering: .acquiring), into: &jobs)
    }

    /// Refuses further posts. What was posted before is appended to `jobs`.
    func close(into jobs: inout ContiguousArray<Job>) {
        unpack(newest.exchange(Mailbox.closed, ordering: .acquiring), into: &jobs)
    }

    /// Frees the list that begins at `address`, newest first, and appends its jobs, oldest first.
    private func unpack(_ address: UInt, into jobs: inout ContiguousArray<Job>) {
        let start = jobs.count
        var address = address
        while address != Mailbox.closed, let parcel = UnsafeMutablePointer<Parcel>(bitPattern: address) {
            let taken = parcel.move()
            parcel.deallocate()
            jobs.append(taken.job)
            address = taken.next
        }
        jobs[start...].reverse()
    }
}
