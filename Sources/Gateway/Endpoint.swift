import MCP
import System
import Wire

/// The MCP endpoint of a sandbox (Streamable HTTP): every revision on one URL, told apart request by request.
extension SandboxHome {
    func receive(_ inbound: Inbound) {
        switch inbound.method {
        case .post: post(inbound)
        case .get: openStream(inbound)
        case .delete: endSession(inbound)
        default: refuse(inbound, method: "GET, POST, DELETE, OPTIONS")
        }
    }

    func refuse(_ inbound: Inbound, method allowed: String) {
        let failure = RPCFailure.http(405, "This endpoint knows \(allowed).")
        state.answer(
            inbound.exchange,
            AnswerHead(status: 405, contentType: AnswerHead.json).with("Allow", allowed),
            failure.bytes(id: nil))
    }

    private func post(_ inbound: Inbound) {
        guard Self.isJSON(inbound.value(.contentType)) else {
            return refuse(inbound, .http(415, "Content-Type must be application/json."))
        }
        let body = inbound.body
        var envelope = Envelope()
        do {
            try Envelope.scan(body, into: &envelope)
        } catch {
            return refuse(inbound, RPCFailure(error))
        }
        dispatch(inbound, &envelope)
    }

    private func dispatch(_ inbound: Inbound, _ borrowed: UnsafePointer<Envelope>) {
        let body = inbound.body
        let headers = inbound.routing
        let session = inbound.value(.mcpSessionID).flatMap { find($0) }
        let id = Classifier.replyID(borrowed, body)
        let request = NorthRequest(
            inbound, borrowed, body: body, id: id, target: .exchange(inbound.exchange))
        switch Classifier.classify(borrowed, body, headers: headers, session: session?.revision) {
        case .refuse(let failure): refuse(inbound, failure, id: id)
        case .modernRequest(let method): modern(request, method)
        case .modernNotification: state.answer(inbound.exchange, .accepted, [])
        case .legacyInitialize: initialize(request)
        case .legacyRequest(let method):
            withSession(inbound, session, headers, id: id) { legacy(request, method, $0) }
        case .legacyNotification(let method):
            withSession(inbound, session, headers, id: nil) {
                notice(request, method, $0)
                state.answer(inbound.exchange, .accepted, [])
            }
        case .legacyResponse:
            withSession(inbound, session, headers, id: nil) { session in
                clientAnswered(borrowed.pointee, body, session)
                state.answer(inbound.exchange, .accepted, [])
            }
        case .legacyBatch:
            withSession(inbound, session, headers, id: nil) { batch(request, $0) }
        }
    }

    /// RFC 9110 §8.3.1: parameters such as charset do not matter.
    static func isJSON(_ type: UnsafeRawBufferPointer?) -> Bool {
        let wanted: StaticString = "application/json"
        guard let type, type.count >= 16 else { return false }
        for i in 0..<16 where type[i] | 0x20 != wanted.utf8Start[i] | 0x20 { return false }
        return type.count == 16 || type[16] == UInt8(ascii: ";") || type[16] == 0x20
    }

    func refuse(_ inbound: Inbound, _ failure: RPCFailure, id: UnsafeRawBufferPointer? = nil) {
        state.counters.refused &+= 1
        var head = AnswerHead(status: failure.httpStatus, contentType: AnswerHead.json)
        if failure.httpStatus == 405 { head = head.with("Allow", "POST") }
        state.answer(inbound.exchange, head, length: failure.byteCount(id: id)) {
            failure.write(id: id, into: &$0)
        }
    }

    // MARK: Sessions (2025-11-25 and earlier)

    /// A session by its id. One that was forgotten, as it was idle and had nothing to lose, comes back to life by its
    /// seal.
    func find(_ id: UnsafeRawBufferPointer) -> Session? {
        if let session = sessions.find(id) { return session }
        guard let opened = self.id.withRawUTF8({ SessionID(opening: id, key: sessionKey, sandbox: $0) }),
            sessions.mayReturn(id, opened)
        else { return nil }
        let session = Session(
            id: Array(id), revision: opened.revision, capabilities: opened.capabilities,
            audience: newAudience([.tools, .prompts, .resources]), now: state.loop.now)
        insert(session)
        return session
    }

    private func insert(_ session: Session) {
        if !hasSessions {
            hasSessions = true
            for backend in backends where backend.isRemote { backend.startMirror() }
        }
        if let evicted = sessions.insert(session) { forget(evicted) }
    }

    /// The session has left the table, not by its client's wish.
    func forget(_ session: Session) {
        let name = session.audience.name
        let hasToLose =
            session.logLevel != nil || session.pushes.count > 0 || watches.has(name)
            || !relayedTasks.of(session: name).isEmpty
        if hasToLose {
            sessions.end(session)
            endCalls(of: session)
        }
        leave(session.audience)
    }

    /// Nobody can answer what they may ask any more.
    func endCalls(of session: Session) {
        for id in state.calls.ids(where: { $0.session === session }) {
            guard let call = state.calls[id] else { continue }
            state.finishCancelled(id, reason: "\"the client's session has ended\"")
            state.reply(
                call,
                failure: CallFailure(rest: .internal, code: -32800, message: "The session has ended."))
        }
    }

    /// The rules that every legacy message but `initialize` is under (Streamable HTTP §Session Management).
    func withSession(
        _ inbound: Inbound, _ session: Session?, _ headers: RoutingHeaders, id: UnsafeRawBufferPointer?,
        _ work: (Session) -> Void
    ) {
        guard inbound.value(.mcpSessionID) != nil else { return refuse(inbound, .sessionRequired, id: id) }
        guard let session, !inbound.isDuplicated(.mcpSessionID) else {
            return refuse(inbound, .sessionNotFound, id: id)
        }
        session.lastUsed = state.loop.now
        work(session)
    }

    private func initialize(_ request: NorthRequest) {
        do throws(RPCFailure) {
            try ParameterShape.check(request.envelope, request.body, .initialize, isModern: false)
        } catch {
            return fail(request, error)
        }
        let asked = request.envelope.protocolVersion.of(request.body).insideQuotes
        let revision = asked.map { Revision.negotiated(asked: $0) } ?? .newestHandshake
        let capabilities = ClientCapabilities(object: request.envelope.capabilities.of(request.body))
            .known(in: revision)
        let sealed = id.withRawUTF8 {
            SessionID(
                revision: revision, capabilities: capabilities,
                createdUnixSeconds: Int64(WallClock.unixSeconds())
            ).sealed(key: sessionKey, sandbox: $0)
        }
        insert(
            Session(
                id: sealed, revision: revision, capabilities: capabilities,
                audience: newAudience([.tools, .prompts, .resources]), now: state.loop.now))
        var head = AnswerHead.ok
        head.lines = Array("Mcp-Session-Id: ".utf8) + sealed + [13, 10]
        respond(request, head) {
            state.shared.answers.initialize(
                id: request.rawID, revision: revision, subscribes: mayWatch, tasks: taskOffer(.legacy),
                into: &$0)
        }
    }

    private func endSession(_ inbound: Inbound) {
        if let failure = Classifier.refusalWithoutBody(inbound.routing) {
            return refuse(inbound, failure)
        }
        let session = inbound.value(.mcpSessionID).flatMap { find($0) }
        withSession(inbound, session, RoutingHeaders(), id: nil) { session in
            if let stream = session.stream { end(stream) }
            endCalls(of: session)
            leave(session.audience)
            sessions.end(session)
            state.answer(inbound.exchange, AnswerHead(status: 200, contentType: nil), [])
        }
    }
}

/// A request as the era-specific parts see it. Its bytes are valid during the call that hands it over.
struct NorthRequest {
    let inbound: Inbound
    let borrowed: UnsafePointer<Envelope>
    let body: UnsafeRawBufferPointer
    /// Raw JSON; nil for a notification.
    let id: UnsafeRawBufferPointer?
    let target: ReplyTarget
    let accepts: Accepts

    init(
        _ inbound: Inbound, _ envelope: UnsafePointer<Envelope>, body: UnsafeRawBufferPointer,
        id: UnsafeRawBufferPointer?, target: ReplyTarget
    ) {
        self.inbound = inbound
        borrowed = envelope
        self.body = body
        self.id = id
        self.target = target
        accepts = Accepts(inbound.value(.accept))
    }

    var envelope: Envelope { _read { yield borrowed.pointee } }

    var rawID: UnsafeRawBufferPointer { id ?? UnsafeRawBufferPointer(start: nil, count: 0) }
}

/// What is needed to answer a request later.
struct Reply {
    let target: ReplyTarget
    let accepts: Accepts
    /// Raw JSON.
    let id: [UInt8]

    init(_ request: NorthRequest) {
        target = request.target
        accepts = request.accepts
        id = Array(request.rawID)
    }
}

/// What the client takes as an answer (RFC 9110 §12.5.1); without the field, or with `*/*`, JSON.
struct Accepts {
    let json: Bool
    let eventStream: Bool

    init(_ value: UnsafeRawBufferPointer?) {
        // What nearly every client sends.
        if let value, value.equals("application/json, text/event-stream") {
            json = true
            eventStream = true
            return
        }
        guard let value, !value.isEmpty else {
            json = true
            eventStream = false
            return
        }
        eventStream = value.contains("text/event-stream")
        json =
            !eventStream || value.contains("application/json") || value.contains("*/*")
            || value.contains("application/*")
    }
}

extension UnsafeRawBufferPointer {
    /// Case-insensitive search for a short ASCII text.
    func contains(_ text: StaticString) -> Bool {
        let wanted = text.utf8CodeUnitCount
        guard count >= wanted, wanted > 0 else { return false }
        var start = 0
        while start <= count - wanted {
            var same = 0
            while same < wanted, self[start + same] | 0x20 == text.utf8Start[same] | 0x20 { same += 1 }
            if same == wanted { return true }
            start += 1
        }
        return false
    }
}

extension String {
    func withRawUTF8<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        var copy = self
        return copy.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}
