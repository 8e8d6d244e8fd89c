import Synchronization

/// How many servers of this machine start at a time. A start costs a second of CPU time, most of it in imports: a
/// hundred at once would all be ready too late, where one after the other most are in time. The first to come is the
/// first to go.
final class StartGate: Sendable {
    private struct Waiter: Sendable {
        var token: LaunchToken
        var start: @Sendable (StartSlot) -> Void
    }

    private struct State: Sendable {
        var taken = 0
        var waiting: [Waiter] = []
        /// Those before it have gone.
        var first = 0

        /// Forgets those that are not wanted any more.
        mutating func next() -> Waiter? {
            while first < waiting.count {
                let waiter = waiting[first]
                first += 1
                if !waiter.token.isCancelled { return waiter }
            }
            waiting = []
            first = 0
            return nil
        }
    }

    let limit: Int
    private let state = Mutex(State())

    init(limit: Int) { self.limit = max(limit, 1) }

    /// Calls `start` at once, or on the thread of whoever makes room; never when the token was cancelled by then.
    func enter(_ token: LaunchToken, _ start: @escaping @Sendable (StartSlot) -> Void) {
        let hasRoom = state.withLock { state in
            if state.taken < limit {
                state.taken += 1
                return true
            }
            state.waiting.append(Waiter(token: token, start: start))
            return false
        }
        if hasRoom { start(StartSlot(self)) }
    }

    fileprivate func leave() {
        let next = state.withLock { state in
            let next = state.next()
            if next == nil { state.taken -= 1 }
            return next
        }
        next?.start(StartSlot(self))
    }
}

/// One start's place, until it is over: the server is ready or gone, or takes so long that others should not wait for
/// it.
final class StartSlot: Sendable {
    private let gate: StartGate
    private let isReleased = Atomic<Bool>(false)

    fileprivate init(_ gate: StartGate) { self.gate = gate }

    deinit { release() }

    /// May be called again.
    func release() {
        if !isReleased.exchange(true, ordering: .acquiringAndReleasing) { gate.leave() }
    }
}
