import System

/// Requests of a child that works on several calls, any of which could have caused them. A request belongs to a
/// call that was under way when it came; the others are answered one by one, and the last one left is meant. A call
/// that was called off counts: its child may go on with it all the same. Nobody is asked in another's place.
public struct Doubts: Sendable {
    public struct Doubt: Sendable, Equatable {
        public let ask: Ask
        /// The child's, raw.
        public let id: [UInt8]
        fileprivate var candidates: Set<UInt64>
        fileprivate let since: Instant
    }

    /// A request and the one call that can have caused it.
    public struct Certainty: Sendable, Equatable {
        public let call: UInt64
        public let doubt: Doubt
    }

    private var open: [Doubt] = []

    public init() {}

    public var isEmpty: Bool { open.isEmpty }

    /// False when too many are open already.
    public mutating func add(
        _ ask: Ask, id: UnsafeRawBufferPointer, among calls: [UInt64], now: Instant
    ) -> Bool {
        guard open.count < BridgeLimits.doubtsMax else { return false }
        open.append(
            Doubt(
                ask: ask, id: Array(id), candidates: Set(calls), since: now))
        return true
    }

    /// A call has its answer: it is not waiting for one of its client. What is certain now, in the order in which
    /// the child asked.
    public mutating func answered(_ call: UInt64) -> [Certainty] {
        for at in open.indices { open[at].candidates.remove(call) }
        let certain = open.compactMap { doubt in
            doubt.candidates.count == 1
                ? doubt.candidates.first.map { Certainty(call: $0, doubt: doubt) } : nil
        }
        open.removeAll { $0.candidates.count <= 1 }
        return certain
    }

    /// The child has taken its request back. False when it is none of these.
    public mutating func withdrew(id: UnsafeRawBufferPointer) -> Bool {
        let before = open.count
        open.removeAll { doubt in doubt.id.withUnsafeBytes { $0.elementsEqual(id) } }
        return open.count < before
    }

    /// What has been in doubt for too long, to be refused.
    public mutating func expire(now: Instant) -> [Doubt] {
        take { now > $0.since.advanced(milliseconds: BridgeLimits.doubtMilliseconds) }
    }

    /// A call has ended otherwise than well and may be the one that asked: what it can have asked, to be refused.
    public mutating func lost(_ call: UInt64) -> [Doubt] { take { $0.candidates.contains(call) } }

    /// As many requests are open as there are calls that could have made them: each of these may wait for an answer,
    /// and then none will end. All are to be refused.
    public mutating func deadlocked(now: Instant) -> [Doubt] {
        guard let last = open.last, now > last.since.advanced(milliseconds: BridgeLimits.deadlockMilliseconds)
        else { return [] }
        let calls = open.reduce(into: Set<UInt64>()) { $0.formUnion($1.candidates) }
        return open.count >= calls.count ? take { _ in true } : []
    }

    private mutating func take(where condition: (Doubt) -> Bool) -> [Doubt] {
        let taken = open.filter(condition)
        if !taken.isEmpty { open.removeAll(where: condition) }
        return taken
    }

    /// The child is gone.
    public mutating func removeAll() { open = [] }
}
