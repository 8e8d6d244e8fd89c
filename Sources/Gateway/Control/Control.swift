import Glibc
import System

/// The control thread: a bounded queue of requests, completions of the data plane, and alarms, worked off one
/// after another by one thread that owns the `ControlPlane`.
///
/// `@unchecked Sendable`: what changes is read and written under `mutex` only, but for `thread` and
/// `isRunning`, which belong to the thread that starts and stops this one.
public final class Control: ControlQueue, @unchecked Sendable {
    private enum Job {
        case request(ControlRequest)
        case call(@Sendable (ControlPlane) -> Void)
    }

    private let plane: any DataPlane
    private let clock: ControlClock
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [Job] = []
    private var queuedRequests = 0
    private var queuedBytes = 0
    /// No requests are taken any more; jobs are, until the queue runs empty.
    private var isStopping = false
    private var hasEnded = false
    private var thread = pthread_t()
    private var isRunning = false

    public init(plane: any DataPlane, clock: ControlClock = .system) {
        self.plane = plane
        self.clock = clock
        mutex = .allocate(capacity: 1)
        mutex.initialize(to: pthread_mutex_t())
        condition = .allocate(capacity: 1)
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Starts the thread. Call once.
    public func start(_ configuration: ControlConfiguration) throws(Errno) {
        let start = Unmanaged.passRetained(ThreadStart(control: self, configuration: configuration))
        let result = pthread_create(&thread, nil, controlThread, start.toOpaque())
        guard result == 0 else {
            start.release()
            throw Errno(result, "starting the control thread")
        }
        isRunning = true
    }

    /// Leaves a request for the control thread; never blocks for long. False when the queue is full or the
    /// thread is ending: the caller answers 503, and the request is not looked at.
    public func submit(_ request: ControlRequest) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isStopping, queuedRequests < ControlLimits.queuedRequests,
            queuedBytes + request.body.count <= ControlLimits.queuedBytes
        else { return false }
        queuedRequests += 1
        queuedBytes += request.body.count
        append(.request(request))
        return true
    }

    /// Leaves a job for the control thread. Not bounded here: completions must not be lost, and there are no
    /// more of them than requests and sandboxes.
    public func post(_ job: @escaping @Sendable (ControlPlane) -> Void) {
        pthread_mutex_lock(mutex)
        if !hasEnded { append(.call(job)) }
        pthread_mutex_unlock(mutex)
    }

    /// Ends the thread as soon as nothing is queued, and waits for it. Sandboxes are left as they are;
    /// `ControlPlane.shutDown` ends them.
    public func stop() {
        pthread_mutex_lock(mutex)
        isStopping = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
        guard isRunning else { return }
        isRunning = false
        pthread_join(thread, nil)
    }

    /// Caller holds `mutex`.
    private func append(_ job: Job) {
        jobs.append(job)
        if jobs.count == 1 { pthread_cond_signal(condition) }
    }

    // MARK: The thread

    fileprivate func run(_ configuration: ControlConfiguration) {
        let state = ControlPlane(configuration: configuration, plane: plane, queue: self, clock: clock)
        var batch: [Job] = []
        while wait(until: state.nextAlarm, into: &batch) {
            for job in batch {
                switch job {
                case .request(let request): state.handle(request)
                case .call(let body): body(state)
                }
            }
            batch.removeAll(keepingCapacity: batch.capacity <= ControlLimits.queuedRequests)
            state.tick()
        }
    }

    /// Takes all jobs; waits for one, or for `alarm`. False when the thread is to end.
    private func wait(until alarm: Instant?, into batch: inout [Job]) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while jobs.isEmpty, !isStopping {
            guard let alarm else {
                pthread_cond_wait(condition, mutex)
                continue
            }
            var due = timespec(
                tv_sec: Int(alarm.nanoseconds / 1_000_000_000),
                tv_nsec: Int(alarm.nanoseconds % 1_000_000_000))
            if pthread_cond_timedwait(condition, mutex, &due) == ETIMEDOUT { break }
        }
        hasEnded = isStopping && jobs.isEmpty
        swap(&jobs, &batch)
        queuedRequests = 0
        queuedBytes = 0
        return !hasEnded
    }
}

/// What a new thread is handed.
private final class ThreadStart {
    let control: Control
    let configuration: ControlConfiguration

    init(control: Control, configuration: ControlConfiguration) {
        self.control = control
        self.configuration = configuration
    }
}

private func controlThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let argument else { return nil }
    let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
    start.control.run(start.configuration)
    return nil
}
