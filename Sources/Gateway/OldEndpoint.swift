import MCP
import System
import Wire

/// The transport of 2024-11-05: `GET …/sse` is the session and the stream of all that is said to its client, who
/// posts to `…/messages`. Its loss is the end of the session.
extension SandboxHome {
    func openOldSession(_ inbound: Inbound) {
        guard inbound.method == .get else { return refuse(inbound, method: "GET, OPTIONS") }
        guard streams.count + oldSessions.count < Limits.streamsPerSandbox else {
            return refuse(inbound, tooManyStreams)
        }
        let old = OldSession(inbound.exchange, now: state.loop.now)
        oldSessions[old.id] = old
        state.note(inbound.exchange, call: .none, cancelsOnLeave: true)
        state.openStream(inbound.exchange, .stream)
        let path = String(decoding: inbound.head.path.of(inbound.headBytes), as: UTF8.self)
        let messages = OldTransport.messages(beside: path)
        state.sendEndpoint(inbound.exchange, OldTransport.endpoint(path: messages, session: old.id))
    }

    func postOld(_ inbound: Inbound) {
        guard inbound.method == .post else { return refuse(inbound, method: "POST, OPTIONS") }
        guard let id = OldTransport.session(inQuery: inbound.head.query.of(inbound.headBytes)) else {
            return refuse(inbound, .http(400, "Post to the URL that the stream of …/sse has named."))
        }
        guard let old = oldSessions[Array(id)] else { return refuse(inbound, .sessionNotFound) }
        guard Self.isJSON(inbound.value(.contentType)) else {
            return refuse(inbound, .http(415, "Content-Type must be application/json."))
        }
        var envelope = Envelope()
        do {
            try Envelope.scan(inbound.body, into: &envelope)
        } catch {
            return refuse(inbound, RPCFailure(error))
        }
        take(inbound, &envelope, old)
    }

    private func take(_ inbound: Inbound, _ borrowed: UnsafePointer<Envelope>, _ old: OldSession) {
        let body = inbound.body
        let id = Classifier.replyID(borrowed, body)
        let request = NorthRequest(inbound, borrowed, body: body, id: id, target: .events(old.exchange))
        switch old.transport.posted(borrowed.pointee, body, headers: inbound.routing) {
        case .refuse(let failure):
            // Clients look for answers to requests on the stream alone.
            guard borrowed.pointee.kind == .request, id != nil else {
                return refuse(inbound, failure, id: id)
            }
            fail(request, failure)
        case .initialize: begin(old, request)
        case .request(let method):
            if let session = old.session {
                legacy(request, method, session)
            } else {
                respond(request, .ok) { Answers.empty(id: request.rawID, isModern: false, into: &$0) }
            }
        case .notification(let method): if let session = old.session { notice(request, method, session) }
        case .response: if let session = old.session { clientAnswered(borrowed.pointee, body, session) }
        case .batch: if let session = old.session { parts(request, session, .events(old.exchange)) }
        }
        state.answer(inbound.exchange, .accepted, [])
    }

    private func begin(_ old: OldSession, _ request: NorthRequest) {
        guard let revision = old.transport.revision, old.session == nil else { return }
        let session = Session(
            id: old.id, revision: revision, capabilities: old.transport.capabilities,
            audience: newAudience([.tools, .prompts, .resources]), isResumable: false, now: state.loop.now)
        let stream = EventStream(old.exchange, of: session, now: state.loop.now)
        session.stream = stream
        old.session = session
        streams.append(stream)
        respond(request, .ok) {
            state.shared.answers.initialize(
                id: request.rawID, revision: revision, subscribes: mayWatch, tasks: taskOffer(.legacy),
                into: &$0)
        }
    }

    /// The stream of an old session is closed. Nobody can be told what its calls come to.
    func oldSessionGone(_ exchange: ExchangeID) {
        guard let old = oldSessions.values.first(where: { $0.exchange == exchange }) else { return }
        oldSessions[old.id] = nil
        guard let session = old.session else { return }
        leave(session.audience)
        endCalls(of: session)
    }

    /// Once a second: those that say nothing.
    func tickOldSessions(_ now: Instant) {
        for old in oldSessions.values
        where old.session == nil
            && now.milliseconds(since: old.opened) > Limits.oldSessionOpeningSeconds * 1000
        {
            oldSessions[old.id] = nil
            state.endStream(old.exchange)
        }
    }

    /// Those that have not begun have no stream among the others.
    func endOldSessions() {
        for old in oldSessions.values where old.session == nil { state.endStream(old.exchange) }
        oldSessions = [:]
    }
}

/// A session of the old transport.
final class OldSession {
    let id = Array(Identifiers.uuid().utf8)
    /// The GET that is its stream.
    let exchange: ExchangeID
    let opened: Instant
    var transport = OldTransport()
    /// What it negotiated; nil until then.
    var session: Session?

    init(_ exchange: ExchangeID, now: Instant) {
        self.exchange = exchange
        opened = now
    }
}
