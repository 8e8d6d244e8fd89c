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
    let filter: ListenFilter
    var nextComment: Instant

    init(
        exchange: ExchangeID, session: Session?, subscription: [UInt8], filter: ListenFilter, now: Instant
    ) {
        self.exchange = exchange
        self.session = session
        self.subscription = subscription
        self.filter = filter
        nextComment = now.advanced(milliseconds: Limits.keepAliveSeconds * 1000)
    }

    func announce(_ changed: ListenFilter, _ state: LoopState) {
        for kind in [ListKind.tools, .prompts, .resources]
        where changed.includes(kind) && filter.includes(kind) {
            state.sendEvent(exchange) { out in
                withSubscription { ListChange.notify(kind, subscription: $0, into: &out) }
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
        session?.stream = nil
        state.endStream(exchange)
    }
}
