/// Which sessions of a sandbox may come back to life by their sealed ids alone: those that were forgotten while they had
/// nothing to lose. A client that has ended its session, that watched resources or had set a log level, or whose session
/// is older than this process, is answered 404 and initialises again (2025-11-25, Session Management): it would wait in
/// vain for what it believes to have.
public struct SessionLedger<Key: Hashable & Sendable>: Sendable {
    private var ended: Set<Key> = []
    /// Sessions made before that do not return; wall clock, seconds since 1970.
    private var since: Int64
    private let endedMax: Int

    /// - Parameters:
    ///   - since: when this process began to look after the sandbox.
    ///   - endedMax: sessions that are remembered one by one.
    public init(since: Int64, endedMax: Int) {
        self.since = since
        self.endedMax = endedMax
    }

    /// The session must not return. When there are too many to remember, none that was made up to now does.
    public mutating func end(_ key: Key, now: Int64) {
        if ended.count >= endedMax {
            ended.removeAll()
            since = now + 1
        }
        ended.insert(key)
    }

    public func mayReturn(_ key: Key, created: Int64) -> Bool { created >= since && !ended.contains(key) }
}
