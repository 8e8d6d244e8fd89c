import System

/// Remembers what creates with an `Idempotency-Key` have led to, so that a repeated one gets the same answer
/// and not a second sandbox. Keys belong to their owner. Only successes are kept: a refused create may be
/// tried again with the same key.
struct IdempotencyLedger {
    struct Key: Hashable {
        let owner: String
        let text: String
    }

    struct Entry {
        /// SHA-256 of the request's body: one key stands for one request.
        let bodyDigest: [UInt8]
        let sandbox: String
        /// Nil while the create is under way.
        var response: ControlResponse?
        let forgottenAt: Instant
        fileprivate let ordinal: UInt64
    }

    private var entries: [Key: Entry] = [:]
    /// Keys in the order in which they are forgotten, with the ordinal of the entry meant; others are stale.
    private var order: [(key: Key, ordinal: UInt64)] = []
    private var head = 0
    private var lastOrdinal: UInt64 = 0

    var count: Int { entries.count }

    /// When the oldest entry is to go.
    var nextForgotten: Instant? {
        var index = head
        while index < order.count {
            if let entry = entries[order[index].key], entry.ordinal == order[index].ordinal {
                return entry.forgottenAt
            }
            index += 1
        }
        return nil
    }

    subscript(key: Key) -> Entry? { entries[key] }

    mutating func begin(_ key: Key, bodyDigest: [UInt8], sandbox: String, now: Instant) {
        if entries.count >= ControlLimits.idempotencyKeys { forgetOldest() }
        lastOrdinal += 1
        entries[key] = Entry(
            bodyDigest: bodyDigest, sandbox: sandbox, response: nil,
            forgottenAt: now.advanced(milliseconds: ControlLimits.idempotencySeconds * 1000),
            ordinal: lastOrdinal)
        order.append((key, lastOrdinal))
    }

    mutating func finish(_ key: Key, _ response: ControlResponse) {
        entries[key]?.response = response
    }

    mutating func drop(_ key: Key) {
        entries[key] = nil
    }

    /// Forgets all that is due.
    mutating func forget(now: Instant) {
        while let due = nextForgotten, due <= now { forgetOldest() }
        if entries.isEmpty {
            order.removeAll()
            head = 0
        }
    }

    private mutating func forgetOldest() {
        while head < order.count {
            let (key, ordinal) = order[head]
            head += 1
            if entries[key]?.ordinal == ordinal {
                entries[key] = nil
                break
            }
        }
        compact()
    }

    /// Gives the spent front of the order back, at a cost that spreads over the entries.
    private mutating func compact() {
        guard head > 1024, head * 2 > order.count else { return }
        order.removeFirst(head)
        head = 0
    }
}
