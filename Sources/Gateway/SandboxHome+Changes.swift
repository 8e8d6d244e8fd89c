import MCP
import Reactor
import System
import Wire

/// Changes on their way to the clients that hear of them. They are gathered for a moment and each is told once; what a
/// client cannot be told now waits, each change once, until it can.
extension SandboxHome {
    enum TimerTag {
        static let bridge: UInt64 = 0
        static let changes: UInt64 = 1
    }

    func newAudience(_ lists: ListenFilter) -> Audience {
        audienceNames += 1
        let audience = Audience(name: audienceNames, lists: lists)
        audiences[audience.name] = audience
        return audience
    }

    /// The session or listen stream has ended.
    func leave(_ audience: Audience) {
        audiences[audience.name] = nil
        untold.remove(audience.name)
        watches.leave(audience.name, now: state.loop.now)
        relayedTasks.leave(session: audience.name)
    }

    // MARK: What has changed

    func announce(_ kinds: ListenFilter) {
        for audience in audiences.values {
            let heard = kinds.intersection(audience.lists)
            if !heard.isEmpty, audience.pending.note(heard) == .noted { gather(audience) }
        }
    }

    /// `uri` is the server's own.
    func resourceUpdated(_ uri: String, of backend: Backend) {
        for hearer in watches.hearers(server: backend.index, uri: uri) {
            guard let audience = audiences[hearer.client] else { continue }
            switch audience.pending.note(uri: hearer.uri) {
            case .known: continue
            case .noted:
                let isMany = audience.pending.uris.count % BridgeLimits.gatheredChangesMax == 0
                if isMany { tell(audience) } else { gather(audience) }
            case .overflow: overflowed(audience)
            }
        }
    }

    /// A listen stream ends in good order, and its client starts afresh; a session learns that anything may have
    /// changed.
    private func overflowed(_ audience: Audience) {
        if let stream = audience.stream, stream.session == nil { return end(stream) }
        _ = audience.pending.note([.resources])
    }

    // MARK: Telling

    private func gather(_ audience: Audience) {
        untold.insert(audience.name)
        scheduleTelling(BridgeLimits.changeMilliseconds)
    }

    private func scheduleTelling(_ milliseconds: Int) {
        guard changesTimer == .none else { return }
        changesTimer = state.loop.schedule(afterMilliseconds: milliseconds, self, tag: TimerTag.changes)
    }

    func tellChanges() {
        changesTimer = .none
        let due = untold
        untold.removeAll()
        for name in due { if let audience = audiences[name] { tell(audience) } }
    }

    /// Tells what waits, unless the client is behind with reading; how far it is, its connection's loop knows.
    func tell(_ audience: Audience) {
        guard let stream = audience.stream, stream.hasBegun, !audience.pending.isEmpty else { return }
        let (exchange, name) = (stream.exchange, audience.name)
        guard Int(exchange.loop) != state.loop.index else {
            return told(audience, waitingBytes: state.waitingBytes(exchange))
        }
        let (shared, index, key) = (state.shared, state.loop.index, key)
        shared.post(Int(exchange.loop)) { other in
            let waiting = other.waitingBytes(exchange)
            shared.post(index) { state in
                guard let home = state.homes[key], let audience = home.audiences[name] else { return }
                home.told(audience, waitingBytes: waiting)
            }
        }
    }

    private func told(_ audience: Audience, waitingBytes: Int) {
        guard let stream = audience.stream, stream.hasBegun else { return }
        guard waitingBytes <= BridgeLimits.slowStreamBytes else {
            untold.insert(audience.name)
            return scheduleTelling(BridgeLimits.slowStreamMilliseconds)
        }
        stream.tell(audience.pending.take(), state, self)
    }
}
