import System
import Wire

/// Which log messages are wanted of one process of a server of the older era, which knows one level for all of its
/// clients: it is set to the most verbose wish, and each client gets what it asked for.
public struct LogDemand: Sendable, Equatable {
    /// What the server has been told; nil until then.
    public private(set) var told: LogLevel?
    private var wantedAt = Instant(nanoseconds: 0)

    public init() {}

    /// A session has set its level, or a request comes with its own. The level to tell the server now, if it is
    /// less than it tells.
    public mutating func want(_ level: LogLevel, now: Instant) -> LogLevel? {
        wantedAt = now
        if let told, told <= level { return nil }
        told = level
        return level
    }

    /// Whether nobody has wanted anything for so long that `settle` should see what is still wanted.
    ///
    /// Not at the end of each request: that would cost another one, and what nobody wants is dropped anyway.
    public func isDue(now: Instant) -> Bool {
        told != nil && now.milliseconds(since: wantedAt) >= BridgeLimits.logLingerMilliseconds
    }

    /// `lowest` is the most verbose of today's wishes, nil without any. The level to tell a server that tells more
    /// than that.
    public mutating func settle(_ lowest: LogLevel?, now: Instant) -> LogLevel? {
        wantedAt = now
        let level = lowest ?? .emergency
        guard let told, told < level else { return nil }
        self.told = level
        return level
    }

    /// The server is a new process: what it must be told, if anything.
    public mutating func restarted(_ lowest: LogLevel?, now: Instant) -> LogLevel? {
        told = lowest
        wantedAt = now
        return lowest
    }

    /// Whether a message of `level` is for a client that wants `wish`. Nobody gets what it did not ask for.
    public static func delivers(_ level: LogLevel, to wish: LogLevel?) -> Bool {
        guard let wish else { return false }
        return level >= wish
    }
}

/// What it means that somebody goes away or calls off, by the rules of each era.
public enum Cancellation {
    public enum South: Sendable, Equatable {
        /// `notifications/cancelled`.
        case notice
        /// The close of the request's own stream says it.
        case closeStream
    }

    /// Whether a client that closes its connection has thereby cancelled: 2026-07-28 says it must be taken so,
    /// earlier revisions that it must not.
    public static func isMeant(byDisconnectOf client: Era) -> Bool { client == .modern }

    /// How a server is told.
    public static func south(_ server: Era, isStdio: Bool) -> South {
        server == .modern && !isStdio ? .closeStream : .notice
    }
}
