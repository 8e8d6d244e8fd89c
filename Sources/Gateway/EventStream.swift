import MCP
import System
import Wire

/// An open stream on which the sandbox speaks unasked: a legacy session's GET stream or the answer to a
/// modern `subscriptions/listen`.
final class EventStream {
    let exchange: ExchangeID
    /// The legacy session it belongs to; nil for a listen stream.
    let session: Session?
    /// The listen request's id as raw JSON; empty for a GET stream.
    let subscription: [UInt8]
    let audience: Audience
    /// Its first message has been sent: a listen stream begins with the acknowledgement.
    var hasBegun: Bool
    var nextComment: Instant

    /// The GET stream of a session.
    init(_ exchange: ExchangeID, of session: Session, now: Instant) {
        self.exchange = exchange
        self.session = session
        subscription = []
        audience = session.audience
        hasBegun = true
        nextComment = now.advanced(milliseconds: Limits.keepAliveSeconds * 1000)
    }

    /// The answer to a `subscriptions/listen` with this id.
    init(_ exchange: ExchangeID, listen id: UnsafeRawBufferPointer, _ audience: Audience, now: Instant) {
        self.exchange = exchange
        session = nil
        subscription = Array(id)
        self.audience = audience
        hasBegun = false
        nextComment = now.advanced(milliseconds: Limits.keepAliveSeconds * 1000)
    }

    /// One event; false when the stream is known to be gone. A session keeps it for a client that comes back.
    @discardableResult
    func send(_ state: LoopState, _ home: SandboxHome, _ write: (inout Outbox) -> Void) -> Bool {
        guard let session, session.isResumable else { return state.sendEvent(exchange, write) }
        guard state.mayReach(exchange) else { return false }
        let data = state.collectOwned(write)
        return state.sendEvent(exchange, data, id: home.keep(data, of: session, on: Replay.unsolicited))
    }

    func tell(_ changes: PendingChanges, _ state: LoopState, _ home: SandboxHome) {
        for kind in [ListKind.tools, .prompts, .resources] where changes.lists.includes(kind) {
            send(state, home) { out in
                withSubscription { ListChange.notify(kind, subscription: $0, into: &out) }
            }
        }
        for uri in changes.uris {
            send(state, home) { out in
                Hearing.quoted(uri).withUnsafeBytes { uri in
                    withSubscription { ListChange.updated(uri: uri, subscription: $0, into: &out) }
                }
            }
        }
    }

    private func withSubscription(_ body: (UnsafeRawBufferPointer?) -> Void) {
        guard !subscription.isEmpty else { return body(nil) }
        subscription.withUnsafeBytes { body($0) }
    }

    /// A listen stream ends with its result (2026-07-28, `subscriptions/listen`); a GET stream just ends.
    func end(_ state: LoopState) {
        if !subscription.isEmpty {
            state.sendEvent(exchange) { out in
                subscription.withUnsafeBytes { ListChange.end(subscription: $0, into: &out) }
            }
        }
        if audience.stream === self { audience.stream = nil }
        state.endStream(exchange)
    }
}

/// Somebody who is told of changes, and what waits to be told: a legacy session, also while it has no stream, or a
/// listen stream of 2026-07-28.
final class Audience {
    /// By which `Watches` knows it.
    let name: UInt64
    let lists: ListenFilter
    var pending = PendingChanges()
    weak var stream: EventStream?

    init(name: UInt64, lists: ListenFilter) {
        self.name = name
        self.lists = lists
    }
}
