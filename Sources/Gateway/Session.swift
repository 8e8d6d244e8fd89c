import MCP
import System

/// A legacy session: what `initialize` negotiated, and its stream for unsolicited messages.
/// It is reached through its sandbox only, so a session id of one tenant means nothing at another.
final class Session {
    let id: [UInt8]
    let revision: Revision
    let capabilities: ClientCapabilities
    /// Set by `logging/setLevel`; nil while none was set.
    private(set) var logLevel: LogLevel?
    /// What makes its requests ones of 2026-07-28, for servers that speak that.
    private(set) var envelope: ModernEnvelope
    /// The same without a wish for log messages.
    let quietEnvelope: ModernEnvelope
    var lastUsed: Instant
    /// The client has declared that it can be asked something.
    let mayBeAsked: Bool
    /// What the client is being asked.
    var pushes = Pushes()
    /// What it hears of unasked, also while it has no stream for it.
    let audience: Audience
    /// Events have ids, and broken streams can be taken up again.
    let isResumable: Bool
    /// What was said on its streams, for a client that comes back.
    var replay: Replay

    /// Of a revision that does not know all kinds of content that there are.
    let isOld: Bool

    /// The open GET stream. Nil when there is none.
    var stream: EventStream? {
        get { audience.stream }
        set { audience.stream = newValue }
    }

    init(
        id: [UInt8], revision: Revision, capabilities: ClientCapabilities, audience: Audience,
        isResumable: Bool = true, now: Instant
    ) {
        // 2025-03-26 has brought it, Streamable HTTP §Resumability.
        self.isResumable = isResumable && revision >= .v2025_03_26
        self.id = id
        self.revision = revision
        isOld = revision < .v2025_06_18
        self.capabilities = capabilities
        self.audience = audience
        replay = Replay(tag: Array(String(UInt32.random(in: 1 ... .max), radix: 36).utf8))
        lastUsed = now
        mayBeAsked = !capabilities.isDisjoint(with: .relayable)
        quietEnvelope = ModernEnvelope(
            client: .gateway, capabilities: capabilities.intersection(.relayable))
        envelope = quietEnvelope
    }

    func setLogLevel(_ level: LogLevel?) {
        logLevel = level
        envelope = ModernEnvelope(
            client: .gateway, capabilities: capabilities.intersection(.relayable), logLevel: level)
    }

    /// Streams begin with an event without content. Clients of older revisions take it for a message.
    var isPrimed: Bool { isResumable && revision >= .v2025_11_25 }

    func hasID(_ other: UnsafeRawBufferPointer) -> Bool { id.withUnsafeBytes { $0.equals(other) } }
}

/// Sixteen characters of a sealed id are its authentication tag: unique, and hard to choose.
struct SessionKey: RandomKey, Hashable {
    let a: UInt64
    let b: UInt64

    init?(_ id: UnsafeRawBufferPointer) {
        guard id.count >= 16 else { return nil }
        a = id.loadUnaligned(fromByteOffset: id.count - 16, as: UInt64.self)
        b = id.loadUnaligned(fromByteOffset: id.count - 8, as: UInt64.self)
    }

    var random: UInt64 { b }
}

/// Sessions of one sandbox by id.
struct SessionTable: ~Copyable {
    private var sessions = ObjectTable<SessionKey, Session>()
    private var ledger = SessionLedger<SessionKey>(
        since: Int64(WallClock.unixSeconds()), endedMax: Limits.sessionsPerSandbox * 4)
    var count: Int { sessions.count }
    var all: [Session] { sessions.values }

    func find(_ id: UnsafeRawBufferPointer) -> Session? {
        guard let key = SessionKey(id), let session = sessions[key] else { return nil }
        return session.hasID(id) ? session : nil
    }

    /// Whether a session that is not here any more, and whose id has been opened, goes on where it was.
    func mayReturn(_ id: UnsafeRawBufferPointer, _ opened: SessionID) -> Bool {
        SessionKey(id).map { ledger.mayReturn($0, created: opened.createdUnixSeconds) } ?? false
    }

    /// The session that was idle for longest makes room when the table is full; it is returned, and the caller says by
    /// `end` if it has something to lose.
    mutating func insert(_ session: Session) -> Session? {
        var evicted: Session?
        if sessions.count >= Limits.sessionsPerSandbox,
            let oldest = sessions.values.filter({ $0.stream == nil }).min(by: { $0.lastUsed < $1.lastUsed })
        {
            remove(oldest)
            evicted = oldest
        }
        if let key = session.id.withUnsafeBytes({ SessionKey($0) }) { sessions[key] = session }
        return evicted
    }

    mutating func end(_ session: Session) {
        guard let key = session.id.withUnsafeBytes({ SessionKey($0) }) else { return }
        sessions[key] = nil
        ledger.end(key, now: Int64(WallClock.unixSeconds()))
    }

    /// Removes those that were idle for too long, and returns them.
    mutating func expire(_ now: Instant) -> [Session] {
        let idle = sessions.values.filter {
            $0.stream == nil && now.milliseconds(since: $0.lastUsed) > Limits.sessionIdleSeconds * 1000
        }
        for session in idle { remove(session) }
        return idle
    }

    /// Forgets events that are too old; returns how many bytes of them are left.
    func expireEvents(_ now: Instant) -> Int {
        sessions.values.reduce(0) { bytes, session in
            if !session.replay.isEmpty { session.replay.expire(now: now) }
            return bytes + session.replay.heldBytes
        }
    }

    /// The session that holds the most for its client.
    var fullest: Session? { sessions.values.max { $0.replay.heldBytes < $1.replay.heldBytes } }

    private mutating func remove(_ session: Session) {
        if let key = session.id.withUnsafeBytes({ SessionKey($0) }) { sessions[key] = nil }
    }
}
