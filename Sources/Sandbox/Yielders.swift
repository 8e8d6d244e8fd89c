import System

/// Which sandboxes shall leave CPU time to others, by what each has used of late. Linux lets a process that wakes up
/// wait for one that computes, by half a turn of it now and then; for one that yields nobody waits.
struct Yielders: Sendable {
    private struct Seen: Sendable {
        /// Microseconds; nil when it was not looked at last time.
        var usage: UInt64?
        var yields = false
    }

    private var seen: [String: Seen] = [:]
    private var total: UInt64?
    private var lookedAt: Instant?
    private var judgedAt: Instant?

    var isEmpty: Bool { seen.isEmpty }
    var yielding: Int { seen.values.count(where: \.yields) }

    mutating func add(_ sandbox: String) { if seen[sandbox] == nil { seen[sandbox] = Seen() } }
    mutating func remove(_ sandbox: String) { seen[sandbox] = nil }

    /// - Parameter total: microseconds of CPU time that all sandboxes have used, and what else runs beside them.
    /// - Returns: those whose own time must be known now; nil when none of them can be busy.
    mutating func look(total: UInt64, _ now: Instant) -> [String]? {
        let before = (self.total, lookedAt)
        (self.total, lookedAt) = (total, now)
        guard let usage = before.0, let since = before.1 else { return nil }
        if Self.percent(usage, total, since, now) >= SandboxLimits.busyPercent { return Array(seen.keys) }
        return seen.filter(\.value.yields).map(\.key).nonEmpty
    }

    /// - Parameter usage: microseconds, of those that `look` has named; one that is missing is gone.
    /// - Returns: whose state changes, and whether it yields from now on.
    mutating func judge(_ usage: [String: UInt64], _ now: Instant) -> [(sandbox: String, yields: Bool)] {
        let since = judgedAt
        judgedAt = now
        var changes: [(sandbox: String, yields: Bool)] = []
        for (sandbox, used) in usage {
            guard var own = seen[sandbox] else { continue }
            if let before = own.usage, let since {
                let percent = Self.percent(before, used, since, now)
                let yields = percent >= (own.yields ? SandboxLimits.calmPercent : SandboxLimits.busyPercent)
                if yields != own.yields { changes.append((sandbox, yields)) }
                own.yields = yields
            }
            own.usage = used
            seen[sandbox] = own
        }
        for sandbox in seen.keys where usage[sandbox] == nil { seen[sandbox]?.usage = nil }
        return changes
    }

    /// Of one CPU.
    private static func percent(_ before: UInt64, _ after: UInt64, _ since: Instant, _ now: Instant) -> Int {
        let microseconds = max(now.milliseconds(since: since), 1) &* 1_000
        let used = Int(clamping: after >= before ? after - before : 0)
        let (hundred, isBeyond) = used.multipliedReportingOverflow(by: 100)
        return isBeyond ? .max : hundred / microseconds
    }
}

extension Array {
    fileprivate var nonEmpty: [Element]? { isEmpty ? nil : self }
}
