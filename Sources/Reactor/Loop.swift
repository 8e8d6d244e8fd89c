import CEpollShim
import Glibc
import System

/// One event loop: one thread, its sources, timers and mailbox. Not `Sendable`: made inside its thread, and
/// all that it calls runs there.
public final class Loop {
    /// What a descriptor is, which decides the events of its source.
    public enum Kind: Sendable {
        /// A socket, or the reading end of a pipe.
        case stream
        /// A listening socket.
        case listener
        /// The writing end of a pipe.
        case writer
        /// An eventfd, pidfd or signalfd.
        case readiness
    }

    /// How the kernel is asked.
    public enum Backend: String, Sendable, CaseIterable {
        /// Tells what is ready.
        case epoll
        /// Reads, and tells the result; sends all that a turn has by one call. Not on every host.
        case uring = "io_uring"

        /// Sets up what `loops` loops need, and lets it go.
        /// - Throws: why this host has it not.
        public func check(loops: Int = 1) throws(Errno) { try Poller.check(self, count: loops) }
    }

    public let index: Int
    /// The time at the start of this turn's work.
    public private(set) var now: Instant
    public let mailbox: Mailbox
    /// Chunks of all outboxes of this loop.
    public let pool = ChunkPool()
    /// The user's state that belongs to this loop.
    public var context: AnyObject?

    let poller: Poller
    var slots = SlotTable()
    private var timers = TimerWheel()
    /// Sources with something to flush, each once. Unmanaged: every one is attached when it is put there, and
    /// the end of the turn flushes before it frees.
    var dirty: ContiguousArray<Unmanaged<Source>> = []
    /// Empty; its memory becomes that of `dirty` in the next flush.
    var flushed: ContiguousArray<Unmanaged<Source>> = []
    /// What was gathered to leave together. Empty between flushes.
    var departures: ContiguousArray<Departure> = []
    /// Sources whose descriptors close at the end of the turn.
    var closing: ContiguousArray<Source> = []
    /// Objects that must outlive the turn.
    var kept: ContiguousArray<AnyObject> = []
    private var jobs: ContiguousArray<Mailbox.Job> = []
    /// Jobs of `jobs` that have run; fewer than `jobs.count` unless both are 0.
    private var jobsRun = 0
    private var isStopping = false

    /// Call on the thread that will run it.
    public init(index: Int, backend: Backend = .epoll) throws(Errno) {
        self.index = index
        poller = try Poller(backend)
        mailbox = try Mailbox()
        now = Instant.now()
        try poller.setWakeup(mailbox.eventfd)
    }

    deinit { slots.release() }

    // MARK: The turn

    /// Turns until `stop()`, then closes every source and refuses further posts.
    public func run() {
        while !isStopping { turn(waitingAtMost: -1) }
        finish()
    }

    /// Ends `run` after the current turn.
    public func stop() { isStopping = true }

    /// One round of all phases, the first of which waits: for `waitingAtMost` milliseconds, without end if
    /// negative, and not beyond the next timer.
    public func turn(waitingAtMost limit: Int) {
        wait(limit)
        deliverEvents()
        fireTimers()
        runJobs()
        for _ in 0..<ReactorLimits.endRoundsPerTurn where hasEndWork {
            flushDirty()
            freeClosed()
        }
    }

    private func wait(_ limit: Int) {
        var milliseconds = limit
        if hasEndWork || !jobs.isEmpty || isStopping {
            milliseconds = 0
        } else if timers.count > 0, let next = timers.millisecondsToNext(now: Instant.now()) {
            milliseconds = limit < 0 ? next : min(limit, next)
        }
        if milliseconds != 0, !mailbox.mayWait() { milliseconds = 0 }
        poller.wait(milliseconds: Int32(clamping: milliseconds))
        mailbox.hasWoken()
        now = Instant.now()
    }

    private func deliverEvents() {
        var event = ce_event()
        while poller.next(&event) {
            let handle = Handle(
                slot: UInt32(truncatingIfNeeded: event.token), generation: UInt32(event.token >> 32))
            // The poller has dropped what is stale; the table has the last word.
            slots.source(handle)?._withUnsafeGuaranteedRef { deliver(event, to: $0) }
        }
    }

    private func deliver(_ event: ce_event, to source: Source) {
        switch Int(event.kind) {
        case CE_EVENT_DATA:
            // Still read while closing: unread bytes would turn our FIN into a reset.
            if source.closesWhenDrained { return }
            let bytes = UnsafeRawBufferPointer(start: event.bytes, count: Int(event.result))
            guard let filter = source.filter else { return source.received(bytes) }
            filter.received(bytes)
        case CE_EVENT_END:
            if source.closesWhenDrained { return }
            if let filter = source.filter { filter.ended() } else { source.ended() }
        case CE_EVENT_FAILED:
            fail(source, Errno(Int32(truncatingIfNeeded: event.result), "reading from a peer"))
        case CE_EVENT_ACCEPTED: source.accepted(Int32(truncatingIfNeeded: event.result))
        case CE_EVENT_READY: source.ready()
        case CE_EVENT_WRITABLE:
            source.isBlocked = false
            flushLater(source)
        default: preconditionFailure("an event that this backend does not have: \(event.kind)")
        }
    }

    private func fireTimers() {
        timers.collect(now: now)
        while let (target, tag) = timers.next() { target.timerFired(tag) }
    }

    private func runJobs() {
        if jobs.isEmpty { mailbox.collect(into: &jobs) }
        let end = min(jobs.count, jobsRun + ReactorLimits.jobsPerTurn)
        while jobsRun < end {
            let job = jobs[jobsRun]
            jobsRun += 1
            job(self)
        }
        guard jobsRun == jobs.count, jobsRun > 0 else { return }
        // Emptied at once, as jobs may hold on to much; and as a local, as letting go of them may run code.
        var done: ContiguousArray<Mailbox.Job> = []
        swap(&done, &jobs)
        jobsRun = 0
        done.removeAll(keepingCapacity: true)
        swap(&done, &jobs)
    }

    /// Jobs that were posted before the stop still run: some carry descriptors. What they send still leaves
    /// if the kernel takes it at once.
    private func finish() {
        while !jobs.isEmpty { runJobs() }
        mailbox.close(into: &jobs)
        while !jobs.isEmpty { runJobs() }
        flushDirty()
        while slots.count > 0 {
            for source in slots.all { close(source) }
            freeClosed()
        }
        dirty = []
        kept = []
    }

    // MARK: Timers

    /// Calls `target.timerFired(tag)` once, not before the time is over and about 5 ms late at most.
    @discardableResult
    public func schedule(afterMilliseconds: Int, _ target: any TimerTarget, tag: UInt64) -> TimerID {
        timers.schedule(at: now.advanced(milliseconds: max(afterMilliseconds, 0)), target, tag: tag)
    }

    /// A stale `id`, or `.none`, is ignored.
    public func cancel(_ id: TimerID) {
        // Let go of outside the wheel: the last reference may run a `deinit` that comes back here.
        let target = timers.cancel(id)
        withExtendedLifetime(target) {}
    }

    // MARK: Lookup and numbers

    /// The source, nil when the handle is stale.
    public func source(_ handle: Handle) -> Source? { slots.source(handle)?.takeUnretainedValue() }

    /// The same without counting a reference; valid until the end of the turn.
    public func unretained(_ handle: Handle) -> Unmanaged<Source>? { slots.source(handle) }

    /// Sources that are attached or about to be freed.
    public var sourceCount: Int { slots.count }

    public var counters: ce_counters { poller.counters }

    /// Keeps `object` alive until the end of the turn.
    public func atEndOfTurn(_ object: AnyObject) { kept.append(object) }

    private var hasEndWork: Bool { !dirty.isEmpty || !closing.isEmpty || !kept.isEmpty }
}
