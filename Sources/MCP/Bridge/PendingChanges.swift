import Wire

/// Changes that wait for a stream which cannot take them now, each once: who hears that a list has changed does
/// not need to hear how often.
public struct PendingChanges: Sendable, Equatable {
    public enum Outcome: Sendable, Equatable {
        case noted
        /// It is told already.
        case known
        /// Too much waits. A listen stream is then ended in good order, and its client starts afresh.
        case overflow
    }

    public private(set) var lists: ListenFilter = []
    public private(set) var uris: [String] = []
    private var seen: Set<String> = []

    public init() {}

    public var isEmpty: Bool { lists.isEmpty && uris.isEmpty }

    public mutating func note(_ changed: ListenFilter) -> Outcome {
        if lists.isSuperset(of: changed) { return .known }
        lists.formUnion(changed)
        return .noted
    }

    public mutating func note(uri: String) -> Outcome {
        if seen.contains(uri) { return .known }
        guard uris.count < BridgeLimits.pendingChangesMax else { return .overflow }
        seen.insert(uri)
        uris.append(uri)
        return .noted
    }

    /// All of it; nothing waits any more.
    public mutating func take() -> PendingChanges {
        defer { self = PendingChanges() }
        return self
    }
}
