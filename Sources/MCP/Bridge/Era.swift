/// The two protocols that share one name. A child process speaks one of them for its whole life, chosen by the
/// first message it reads; a remote server may speak both at one URL.
public enum Era: UInt8, Sendable, CaseIterable {
    /// 2024-11-05 to 2025-11-25: `initialize`, sessions, requests in both directions.
    case legacy
    /// 2026-07-28: every request carries its envelope, servers ask by ending a call.
    case modern

    public var text: StaticString { self == .legacy ? "legacy" : "modern" }
}

/// `era:` of a server's configuration.
public enum EraChoice: String, Sendable, CaseIterable {
    /// Ask the server; modern when it can speak both.
    case auto
    case modern
    case legacy
    /// One process for each era of the callers: for servers whose tools push in one era only.
    case mirror
}

/// What asking has found out; kept for a command and version of a server over restarts.
public enum EraVerdict: String, Sendable, CaseIterable {
    case legacy, modern, dual

    /// What is known when a child of the other era has served as well: with `era: mirror`, a server that answers
    /// `server/discover` is then started once more and initialized.
    public func adding(_ other: EraVerdict) -> EraVerdict { self == other ? self : .dual }
}

/// In which era a server is spoken to.
public enum EraPlan: Sendable, Equatable {
    /// Not known: the first child is asked with `server/discover`.
    case probe
    case serve(Era)
    /// A child of each era.
    case both

    public init(_ choice: EraChoice, verdict: EraVerdict?) {
        switch choice {
        case .modern: self = .serve(.modern)
        case .legacy: self = .serve(.legacy)
        case .auto:
            switch verdict {
            case nil: self = .probe
            case .legacy: self = .serve(.legacy)
            case .modern, .dual: self = .serve(.modern)
            }
        case .mirror:
            switch verdict {
            case .legacy: self = .serve(.legacy)
            case .modern: self = .serve(.modern)
            case .dual: self = .both
            case nil: self = .probe
            }
        }
    }

    /// The era of the child that serves a client of `client`; nil while it is not known.
    public func era(serving client: Era) -> Era? {
        switch self {
        case .probe: nil
        case .serve(let era): era
        case .both: client
        }
    }
}

/// Verdicts by a server's launch identity: what it runs, with which arguments, in which version.
public struct EraLedger: Sendable {
    public struct Entry: Sendable, Equatable {
        public var verdict: EraVerdict
        /// Wall clock, seconds since 1970.
        public var learnedUnixSeconds: Int
    }

    public private(set) var entries: [String: Entry] = [:]

    public init() {}

    /// A legacy verdict does not correct itself, so it is asked again after a week; a modern one is noticed to
    /// be wrong at the first call.
    public func verdict(_ key: String, nowUnixSeconds now: Int) -> EraVerdict? {
        guard let entry = entries[key] else { return nil }
        if entry.verdict == .legacy, now - entry.learnedUnixSeconds > BridgeLimits.legacyVerdictSeconds {
            return nil
        }
        return entry.verdict
    }

    /// The oldest verdict makes room.
    public mutating func learn(_ verdict: EraVerdict, for key: String, nowUnixSeconds now: Int) {
        if entries[key] == nil, entries.count >= BridgeLimits.verdictsMax,
            let oldest = entries.min(by: { $0.value.learnedUnixSeconds < $1.value.learnedUnixSeconds })
        {
            entries[oldest.key] = nil
        }
        entries[key] = Entry(verdict: verdict, learnedUnixSeconds: now)
    }

    public mutating func forget(_ key: String) { entries[key] = nil }
}
