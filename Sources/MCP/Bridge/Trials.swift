import System

/// What of a server is called for the first time, by clients that can be asked. Whether a tool asks is known when it
/// has been called once: until then its further calls wait, so that what is asked is certainly the first one's. One
/// thing is tried at a time, as two that ask at once could not be told apart.
public struct Trials: Sendable {
    public enum Admission: Sendable, Equatable {
        /// It has been tried, or is taken without.
        case known
        /// The call is the trial: `ended` must be said of it.
        case first
        /// Another trial is on.
        case wait
    }

    private struct Waiter: Sendable {
        let call: UInt64
        let subject: Int
        let deadline: Instant
    }

    private var tried: Set<Int> = []
    private var current: (subject: Int, deadline: Instant)?
    private var waiters: [Waiter] = []

    public init() {}

    public var count: Int { waiters.count }
    /// What is being tried now.
    public var subject: Int? { current?.subject }

    public mutating func admit(_ subject: Int, now: Instant) -> Admission {
        guard !tried.contains(subject), tried.count < BridgeLimits.triedMax else { return .known }
        guard current == nil else { return .wait }
        current = (subject, Self.deadline(now))
        return .first
    }

    /// `admit` has said so of this call.
    public mutating func wait(_ call: UInt64, for subject: Int, now: Instant) {
        waiters.append(Waiter(call: call, subject: subject, deadline: Self.deadline(now)))
    }

    /// It has been answered, or has asked. The calls that need not wait any longer.
    public mutating func ended(_ subject: Int) -> [UInt64] {
        tried.insert(subject)
        if current?.subject == subject { current = nil }
        return release()
    }

    /// It is over, and nothing was learnt.
    public mutating func abandoned(_ subject: Int) -> [UInt64] {
        guard current?.subject == subject else { return [] }
        current = nil
        return release()
    }

    /// Nobody waits for long: what takes its time is taken as tried.
    public mutating func expire(now: Instant) -> [UInt64] {
        if let current, now > current.deadline { tried.insert(current.subject) }
        for late in waiters where now > late.deadline { tried.insert(late.subject) }
        if let current, tried.contains(current.subject) { self.current = nil }
        return release()
    }

    /// The call has gone elsewhere.
    public mutating func left(_ call: UInt64) { waiters.removeAll { $0.call == call } }

    public mutating func removeAll() {
        waiters = []
        current = nil
    }

    /// Those that have nothing to wait for, and one more, which is the next trial.
    private mutating func release() -> [UInt64] {
        var next = current?.subject
        var (free, bound): ([UInt64], [Waiter]) = ([], [])
        for waiter in waiters {
            if tried.contains(waiter.subject) {
                free.append(waiter.call)
            } else if next == nil {
                next = waiter.subject
                free.append(waiter.call)
            } else {
                bound.append(waiter)
            }
        }
        waiters = bound
        return free
    }

    private static func deadline(_ now: Instant) -> Instant {
        now.advanced(milliseconds: BridgeLimits.trialMilliseconds)
    }
}
