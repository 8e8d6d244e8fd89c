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
    /// The open GET stream. Nil when there is none.
    var stream: EventStream?
    /// Kinds of lists that changed while no stream was open.
    var unseenChanges: ListenFilter = []

    init(id: [UInt8], revision: Revision, capabilities: ClientCapabilities, now: Instant) {
        self.id = id
        self.revision = revision
        self.capabilities = capabilities
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
    /// Ids that were ended by DELETE, so that a sealed id does not come back to life.
    private var ended: Set<SessionKey> = []
    var count: Int { sessions.count }
    var all: [Session] { sessions.values }

    func find(_ id: UnsafeRawBufferPointer) -> Session? {
        guard let key = SessionKey(id), let session = sessions[key] else { return nil }
        return session.hasID(id) ? session : nil
    }

    func hasEnded(_ id: UnsafeRawBufferPointer) -> Bool { SessionKey(id).map(ended.contains) ?? false }

    /// The session that was idle for longest makes room when the table is full.
    mutating func insert(_ session: Session) {
        if sessions.count >= Limits.sessionsPerSandbox,
            let oldest = sessions.values.filter({ $0.stream == nil }).min(by: { $0.lastUsed < $1.lastUsed })
        {
            remove(oldest)
        }
        guard let key = session.id.withUnsafeBytes({ SessionKey($0) }) else { return }
        sessions[key] = session
    }

    mutating func end(_ session: Session) {
        guard let key = session.id.withUnsafeBytes({ SessionKey($0) }) else { return }
        sessions[key] = nil
        if ended.count >= Limits.sessionsPerSandbox * 4 { ended.removeAll() }
        ended.insert(key)
    }

    /// Sessions without an open stream are told when they open one.
    func noteUnseen(_ kinds: ListenFilter) {
        for session in sessions.values where session.stream == nil { session.unseenChanges.formUnion(kinds) }
    }

    mutating func expire(before now: Instant, home: SandboxHome) {
        for session in sessions.values
        where session.stream == nil
            && now.milliseconds(since: session.lastUsed) > Limits.sessionIdleSeconds * 1000
        {
            remove(session)
        }
    }

    private mutating func remove(_ session: Session) {
        if let key = session.id.withUnsafeBytes({ SessionKey($0) }) { sessions[key] = nil }
    }
}
