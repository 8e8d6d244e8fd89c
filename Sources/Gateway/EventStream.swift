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
    let kinds: Set<ListKind>
    var nextComment: Instant

    init(
        exchange: ExchangeID, session: Session?, subscription: [UInt8], kinds: Set<ListKind>, now: Instant
    ) {
        self.exchange = exchange
        self.session = session
        self.subscription = subscription
        self.kinds = kinds
        nextComment = now.advanced(milliseconds: Limits.keepAliveSeconds * 1000)
    }

    func announce(_ changed: Set<ListKind>, _ state: LoopState) {
        for kind in ListKind.allCases where changed.contains(kind) && kinds.contains(kind) {
            state.sendEvent(exchange) { out in
                out.append(#"{"jsonrpc":"2.0","method":""#)
                out.append(kind.changedMethod)
                if subscription.isEmpty {
                    out.append(#""}"#)
                } else {
                    out.append(#"","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"#)
                    out.append(subscription)
                    out.append("}}}")
                }
            }
        }
    }

    /// A listen stream ends with its result (2026-07-28, `subscriptions/listen`); a GET stream just ends.
    func end(_ state: LoopState) {
        if !subscription.isEmpty {
            state.sendEvent(exchange) { out in
                out.append(#"{"jsonrpc":"2.0","id":"#)
                out.append(subscription)
                out.append(#","result":{"resultType":"complete","_meta":{"#)
                out.append(#""io.modelcontextprotocol/subscriptionId":"#)
                out.append(subscription)
                out.append("}}}")
            }
        }
        session?.stream = nil
        state.endStream(exchange)
    }
}

/// The kinds of lists whose changes are announced.
enum ListKind: CaseIterable {
    case tools, prompts, resources

    var changedMethod: StaticString {
        switch self {
        case .tools: "notifications/tools/list_changed"
        case .prompts: "notifications/prompts/list_changed"
        case .resources: "notifications/resources/list_changed"
        }
    }
}
