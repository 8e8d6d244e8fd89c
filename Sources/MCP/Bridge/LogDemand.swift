import Wire

/// Which log messages the clients of one server want: the server is set to the most verbose of their wishes, and
/// each gets what it asked for.
public struct LogDemand: Sendable, Equatable {
    private var wishes: [UInt64: LogLevel] = [:]
    /// What the server has been told; nil until then.
    public private(set) var told: LogLevel?

    public init() {}

    /// A session's or a modern request's wish; nil ends it. The level to tell the server now, if it is another.
    ///
    /// A server is not told to be quieter: that costs a request each time a modern call ends, and what nobody
    /// wants is dropped here.
    public mutating func want(_ client: UInt64, _ level: LogLevel?) -> LogLevel? {
        wishes[client] = level
        guard let lowest = wishes.values.min() else { return nil }
        if let told, told <= lowest { return nil }
        told = lowest
        return lowest
    }

    /// The server is a new process: what it must be told, if anything.
    public mutating func restarted() -> LogLevel? {
        told = wishes.values.min()
        return told
    }

    public func wish(of client: UInt64) -> LogLevel? { wishes[client] }

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
