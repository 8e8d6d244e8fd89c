import Synchronization
import System

/// How often all servers of this gateway met their limits: those that are gone, and those that live.
final class LimitLedger: Sendable {
    private struct State: Sendable {
        var gone = LimitHits()
        var living: [ObjectIdentifier: ServerGroup] = [:]
    }

    private let state = Mutex(State())

    func add(_ group: ServerGroup) {
        state.withLock { $0.living[ObjectIdentifier(group)] = group }
    }

    /// - Parameter hits: its last.
    func retire(_ group: ServerGroup, _ hits: LimitHits) {
        state.withLock { state in
            guard state.living.removeValue(forKey: ObjectIdentifier(group)) != nil else { return }
            state.gone = state.gone + hits
        }
    }

    /// Looks at the groups of all living servers: about 5 us for each file of theirs.
    var total: LimitHits {
        let (gone, living) = state.withLock { ($0.gone, Array($0.living.values)) }
        return living.reduce(gone) { $0 + $1.hits }
    }
}
