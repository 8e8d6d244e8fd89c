import System

/// What a peer may do wrong, or to no purpose, before its connection ends: three budgets, each refilled with
/// time. Floods have had many names (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316, CVE-2025-8671);
/// all are cheap for the sender, so that each frame of the kind has a price here.
struct Glitches {
    enum Kind {
        /// A breach of protocol that nghttp2 answered, or that we did.
        case slip
        /// RST_STREAM, in either direction: resets that the peer provokes cost what its own do.
        case reset
        /// A frame that moves nothing.
        case control
    }

    /// Ordered by severity.
    enum Verdict: Int, Comparable {
        case fine
        /// Take no new streams; let the open ones end.
        case leave
        /// ENHANCE_YOUR_CALM.
        case close

        static func < (left: Verdict, right: Verdict) -> Bool { left.rawValue < right.rawValue }
    }

    private var slips = Budget(burst: HTTP2Limits.slipsBurst, perSecond: HTTP2Limits.slipsPerSecond)
    private var resets = Budget(burst: HTTP2Limits.resetsBurst, perSecond: HTTP2Limits.resetsPerSecond)
    private var controls = Budget(burst: HTTP2Limits.controlsBurst, perSecond: HTTP2Limits.controlsPerSecond)
    /// WINDOW_UPDATE frames that our DATA frames account for and that have not come yet.
    private var windowUpdatesOwed = 0

    mutating func note(_ kind: Kind, at now: Instant) -> Verdict {
        switch kind {
        case .slip: slips.spend(at: now)
        case .reset: resets.spend(at: now)
        case .control: controls.spend(at: now)
        }
    }

    /// A DATA frame of ours, which the peer may answer by opening its windows.
    mutating func sentData() {
        let owed = windowUpdatesOwed + HTTP2Limits.windowUpdatesPerData
        windowUpdatesOwed = min(owed, HTTP2Limits.windowUpdatesOwedMax)
    }

    mutating func windowUpdate(at now: Instant) -> Verdict {
        guard windowUpdatesOwed == 0 else {
            windowUpdatesOwed -= 1
            return .fine
        }
        return note(.control, at: now)
    }
}

/// A leaky bucket: `burst` at once, `perSecond` in the long run.
struct Budget {
    private let burst: Int
    private let perSecond: Int
    /// Thousandths of what was spent and has not leaked yet.
    private var spent = 0
    private var last = Instant(nanoseconds: 0)

    init(burst: Int, perSecond: Int) {
        self.burst = burst
        self.perSecond = perSecond
    }

    mutating func spend(at now: Instant) -> Glitches.Verdict {
        leak(until: now)
        spent += 1000
        if spent > burst * 1000 { return .close }
        return spent > burst * 10 * HTTP2Limits.softPercent ? .leave : .fine
    }

    private mutating func leak(until now: Instant) {
        // An hour empties any bucket; the product cannot overflow.
        let elapsed = min(now.milliseconds(since: last), 3_600_000)
        guard elapsed > 0 else { return }
        spent = max(0, spent - elapsed * perSecond)
        last = now
    }
}
