import MCP
import System
import Wire

/// Answers from memory, and refusals.
extension SandboxHome {
    func list(_ request: NorthRequest, _ kind: ListKind, _ session: Session?) {
        respond(request, .ok) { out in
            guard let session else {
                return catalog.write(kind, isModern: true, id: request.rawID, into: &out)
            }
            catalog.write(kind, for: session.revision, &olderLists, id: request.rawID, into: &out)
        }
    }

    /// Answers with what `write` appends; its length is found by writing it once into a counter's place.
    func respond(_ request: NorthRequest, _ head: AnswerHead, _ write: (inout Outbox) -> Void) {
        respond(request.target, request.accepts, head, write)
    }

    func respond(_ reply: Reply, _ head: AnswerHead, _ write: (inout Outbox) -> Void) {
        respond(reply.target, reply.accepts, head, write)
    }

    func respond(
        _ target: ReplyTarget, _ accepts: Accepts, _ head: AnswerHead, _ write: (inout Outbox) -> Void
    ) {
        switch target {
        case .none, .parked: return
        case .batch(let batch): batch.add(state, write)
        case .events(let exchange): state.sendEvent(exchange, write)
        case .exchange(let exchange):
            let body = state.collectOwned(write)
            if accepts.json {
                state.answer(exchange, head, length: body.count) { $0.append(owned: body) }
            } else {
                state.openStream(
                    exchange,
                    AnswerHead(
                        status: 200, contentType: AnswerHead.eventStream,
                        lines: head.lines + AnswerHead.stream.lines))
                state.sendEvent(exchange) { $0.append(owned: body) }
                state.endStream(exchange)
            }
        }
    }

    func fail(_ request: NorthRequest, _ failure: RPCFailure) {
        switch request.target {
        case .none, .parked: return
        case .batch(let batch): batch.add(state) { failure.write(id: request.id, into: &$0) }
        case .events(let exchange): state.sendEvent(exchange) { failure.write(id: request.id, into: &$0) }
        case .exchange: refuse(request.inbound, failure, id: request.id)
        }
    }

    func unknownMethod(_ request: NorthRequest, isModern: Bool) {
        fail(request, .methodNotFound(request.envelope.method.of(request.body), isModern: isModern))
    }

}
