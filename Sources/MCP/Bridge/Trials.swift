import System

/// What of a server is called for the first time, by clients that can be asked. Whether a tool asks is known when it
/// has been called once: until then its further calls wait, so that what is asked is certainly the first one's. One
/// thing is tried at a time, as two that ask at once could not be told apart; a slow one delays the others not for
/// long.
public struct Trials: Sendable {
    public enum Admission: Sendable, Equatable {
        /// It has been tried, or is taken without.
        case known
        /// The call is the trial: `ended` or `abandoned` must be said of it.
        case first
        /// Another trial is on.
        case wait
    }

    /// A call that waits no longer.
    public struct Freed: Sendable, Equatable {
        public let call: UInt64
        /// Not nil for one that is the next trial: of this.
        public let trial: Int?

        public init(_ call: UInt64, trial: Int? = nil) {
            self.call = call
            self.trial = trial
        }
    }

    private struct Waiter: Sendable {
        let call: UInt64
        let subject: Int
        let since: Instant
    }

    private struct Trial: Sendable {
        var since: Instant
        /// Calls of it that have neither asked nor been answered.
        var calls = 1
    }

    private var tried: Set<Int>
    /// What is being tried now.
    private var current: [Int: Trial] = [:]
    private var waiters: [Waiter] = []
    private var isHeld = false

    /// - Parameter tried: as learned by an earlier process of the same server.
    public init(tried: Set<Int> = []) { self.tried = tried }

    public var count: Int { waiters.count }
    public var subjects: [Int] { Array(current.keys) }
    public func hasTried(_ subject: Int) -> Bool { tried.contains(subject) }

    public mutating func admit(_ subject: Int, now: Instant) -> Admission {
        guard !tried.contains(subject), tried.count < BridgeLimits.triedMax else { return .known }
        guard current[subject] == nil, !isHeld, isAlone(now) else { return .wait }
        current[subject] = Trial(since: now)
        return .first
    }

    /// What is known to ask is called: as good as a trial to whatever else may ask.
    public mutating func begin(_ subject: Int, now: Instant) {
        current[subject] = Trial(since: now, calls: (current[subject]?.calls ?? 0) + 1)
    }

    /// Nothing that is being tried is likely to ask any more.
    private func isAlone(_ now: Instant) -> Bool {
        current.values.allSatisfy {
            now > $0.since.advanced(milliseconds: BridgeLimits.trialAloneMilliseconds)
        }
    }

    /// `admit` has said so of this call.
    public mutating func wait(_ call: UInt64, for subject: Int, now: Instant) {
        waiters.append(Waiter(call: call, subject: subject, since: now))
    }

    /// It has been answered, or has asked. The calls that need not wait any longer.
    public mutating func ended(_ subject: Int, now: Instant) -> [Freed] {
        tried.insert(subject)
        finish(subject)
        return release(now)
    }

    private mutating func finish(_ subject: Int) {
        guard let trial = current[subject] else { return }
        current[subject] = trial.calls > 1 ? Trial(since: trial.since, calls: trial.calls - 1) : nil
    }

    /// It is over, and nothing was learnt.
    public mutating func abandoned(_ subject: Int, now: Instant) -> [Freed] {
        finish(subject)
        return release(now)
    }

    /// Nobody waits for ever: what takes its time is taken as tried.
    public mutating func expire(now: Instant) -> [Freed] {
        if current.isEmpty, waiters.isEmpty { return [] }
        for (subject, trial) in current where isLate(trial.since, now) {
            tried.insert(subject)
            current[subject] = nil
        }
        for late in waiters where isLate(late.since, now) { tried.insert(late.subject) }
        return release(now)
    }

    private func isLate(_ since: Instant, _ now: Instant) -> Bool {
        now > since.advanced(milliseconds: BridgeLimits.trialMilliseconds)
    }

    /// Whether something else may ask, for which nothing can be tried. The calls that need not wait any longer.
    public mutating func hold(_ isHeld: Bool, now: Instant) -> [Freed] {
        self.isHeld = isHeld
        return isHeld ? [] : release(now)
    }

    /// The call has gone elsewhere.
    public mutating func left(_ call: UInt64) { waiters.removeAll { $0.call == call } }

    /// Nothing is tried any more. The calls that waited.
    public mutating func removeAll() -> [Freed] {
        defer { (current, waiters) = ([:], []) }
        return waiters.map { Freed($0.call) }
    }

    /// Those that have nothing to wait for; one more, which is the next trial; and the first of each kind that has
    /// waited long enough for other kinds.
    private mutating func release(_ now: Instant) -> [Freed] {
        var isAlone = isAlone(now)
        var (free, bound): ([Freed], [Waiter]) = ([], [])
        for waiter in waiters {
            let patience = waiter.since.advanced(milliseconds: BridgeLimits.trialPatienceMilliseconds)
            if tried.contains(waiter.subject) {
                free.append(Freed(waiter.call))
            } else if !isHeld, current[waiter.subject] == nil, isAlone || now > patience {
                isAlone = false
                current[waiter.subject] = Trial(since: now)
                free.append(Freed(waiter.call, trial: waiter.subject))
            } else {
                bound.append(waiter)
            }
        }
        waiters = bound
        return free
    }
}
