import System

/// The one `subscriptions/listen` request that the gateway keeps open at a modern server, for all its clients. A
/// filter cannot be changed, so another request takes the place of the first, which ends only when the other has
/// been acknowledged: nothing is missed in between.
public struct UpstreamListen: Sendable {
    public struct Filter: Sendable, Equatable {
        public var lists: ListenFilter
        /// Sorted.
        public var uris: [String]

        public init(lists: ListenFilter = [], uris: [String] = []) {
            self.lists = lists
            self.uris = uris
        }

        public var isEmpty: Bool { lists.isEmpty && uris.isEmpty }
    }

    /// Requests are numbered here; the driver keeps their ids.
    public enum Action: Sendable, Equatable {
        case open(Int, Filter)
        /// End the request: close its stream, or send `notifications/cancelled`.
        case close(Int)
        /// Something may have been missed: clients are told that everything has changed.
        case announceAll
    }

    private struct Request: Sendable {
        var number: Int
        var filter: Filter
        var isAcknowledged = false
        var deadline: Instant
    }

    private var wanted = Filter()
    private var current: Request?
    private var successor: Request?
    private var isUp = false
    private var numbers = 0
    /// When the next request is made; nil when nothing is to be done.
    private var due: Instant?
    /// When the last request was made.
    private var renewedAt: Instant?
    private var backoff = Backoff()
    /// A stream was lost since the last acknowledgement.
    private var hasGap = false

    public init() {}

    public var nextTick: Instant? {
        [due, current?.isAcknowledged == false ? current?.deadline : nil, successor?.deadline]
            .compactMap { $0 }.min()
    }

    public var isOpen: Bool { current?.isAcknowledged ?? false }

    /// What the clients together want to hear of.
    public mutating func want(_ filter: Filter, now: Instant) {
        guard filter != wanted else { return }
        wanted = filter
        guard isUp, due == nil else { return }
        let rested = renewedAt?.advanced(milliseconds: BridgeLimits.listenDebounceMilliseconds) ?? now
        due = max(now, rested)
    }

    /// The server serves, possibly as a new process.
    public mutating func started(now: Instant) {
        isUp = true
        current = nil
        successor = nil
        backoff.reset()
        due = wanted.isEmpty ? nil : now
    }

    /// The server is gone, and its streams with it.
    public mutating func stopped() {
        if current?.isAcknowledged ?? false { hasGap = true }
        isUp = false
        current = nil
        successor = nil
        due = nil
    }

    public mutating func tick(now: Instant, random: UInt64) -> [Action] {
        var actions: [Action] = []
        for request in [successor, current].compactMap({ $0 })
        where !request.isAcknowledged && now >= request.deadline {
            actions.append(.close(request.number))
            actions += lost(request.number, now, random)
        }
        guard let due, now >= due, isUp else { return actions }
        self.due = nil
        return actions + renew(now)
    }

    private mutating func renew(_ now: Instant) -> [Action] {
        renewedAt = now
        guard wanted != (successor ?? current)?.filter else { return [] }
        var actions: [Action] = []
        if let unneeded = successor {
            actions.append(.close(unneeded.number))
            successor = nil
        }
        if wanted.isEmpty {
            if let current { actions.append(.close(current.number)) }
            current = nil
            return actions
        }
        // Back to what is still open.
        if wanted == current?.filter { return actions }
        numbers += 1
        let request = Request(
            number: numbers, filter: wanted,
            deadline: now.advanced(milliseconds: BridgeLimits.listenAckMilliseconds))
        if current?.isAcknowledged ?? false {
            successor = request
        } else {
            // One that was never acknowledged has nothing to hand over.
            if let current { actions.append(.close(current.number)) }
            current = request
        }
        actions.append(.open(request.number, wanted))
        return actions
    }

    /// `notifications/subscriptions/acknowledged` of a request.
    public mutating func acknowledged(_ number: Int) -> [Action] {
        var actions: [Action] = []
        if successor?.number == number {
            if let old = current { actions.append(.close(old.number)) }
            current = successor
            successor = nil
        }
        guard current?.number == number else { return actions }
        current?.isAcknowledged = true
        backoff.reset()
        if hasGap { actions.append(.announceAll) }
        hasGap = false
        return actions
    }

    /// The stream of a request has ended, whoever ended it.
    public mutating func ended(_ number: Int, now: Instant, random: UInt64) -> [Action] {
        lost(number, now, random)
    }

    private mutating func lost(_ number: Int, _ now: Instant, _ random: UInt64) -> [Action] {
        if successor?.number == number {
            successor = nil
        } else if current?.number == number {
            if current?.isAcknowledged ?? false { hasGap = true }
            current = successor
            successor = nil
        } else {
            return []
        }
        guard isUp, !wanted.isEmpty else { return [] }
        due = now.advanced(milliseconds: backoff.next(random: random))
        return []
    }
}
