import MCP
import System
import Wire

/// A call that ends in an error of the gateway's own.
struct CallFailure {
    var rest: RESTCode
    /// JSON-RPC code.
    var code: Int
    var message: String
    var details: JSONObject = [:]

    var rpc: RPCFailure {
        RPCFailure(
            httpStatus: 200, code: code, message: message,
            data: details.isEmpty ? [] : JSONValue.object(details).serialized())
    }
}

/// Answers on their way to the client.
extension LoopState {
    /// The child's answer to `call`, which has been taken from the table.
    func reply(
        _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer, server: Era,
        mayBeTask: Bool = false
    ) {
        if line.count >= Limits.lentLineBytes, let failure = tooMuchUnread(call) {
            return reply(call, failure: failure)
        }
        if call.kind == .rest { return replyREST(call, envelope.pointee, line, server) }
        if call.isModern, call.bridged != nil, let asked = urlRequired(call, envelope.pointee, line) {
            return reply(call, result: asked)
        }
        call.id.withBytes { id in
            do throws(RPCFailure) {
                let response = try ResponseRewriter.rewrite(
                    line, envelope,
                    for: ResponseRewriter.Call(
                        id: id, method: call.kind.method, isModern: call.isModern, server: server,
                        mayBeTask: mayBeTask))
                send(call, status: response.httpStatus, count: response.body.count) {
                    response.body.write(into: &$0)
                }
            } catch {
                counters.callFailures &+= 1
                send(call, error)
            }
        }
    }

    /// What is told instead of a long answer while too many wait.
    private func tooMuchUnread(_ call: Call) -> CallFailure? {
        guard call.backend.home.outgoing.count > Limits.outgoingBytes else { return nil }
        let limit = Limits.outgoingBytes
        return CallFailure(
            rest: .rateLimit, code: RPCCode.internalError,
            message:
                "Clients of this sandbox do not read their answers: more than \(limit) bytes wait. The call was made; "
                + "its answer is dropped.",
            details: ["server": .string(call.backend.plan.name), "limitBytes": .integer(limit)])
    }

    func reply(_ call: Call, failure: CallFailure) {
        counters.callFailures &+= 1
        if call.kind == .rest {
            guard case .exchange(let exchange) = call.target else { return }
            return answer(
                exchange, AnswerHead(status: failure.rest.status, contentType: AnswerHead.json),
                ErrorBody.rest(failure.rest, failure.message, details: failure.details))
        }
        send(call, failure.rpc)
    }

    func reply(_ call: Call, _ failure: RPCFailure) {
        counters.callFailures &+= 1
        send(call, failure)
    }

    /// `result` is a raw object.
    func reply(_ call: Call, result: [UInt8]) {
        var body = ByteCollector()
        call.id.withBytes { Answers.result(id: $0, result, into: &body) }
        send(call, status: 200, count: body.bytes.count) { $0.append(body.bytes) }
    }

    /// A tool's error, which the model gets to read.
    func reply(_ call: Call, toolError text: String) {
        counters.callFailures &+= 1
        var body = ByteCollector()
        call.id.withBytes { Rounds.writeToolError(text, id: $0, isModern: call.isModern, into: &body) }
        send(call, status: 200, count: body.bytes.count) { $0.append(body.bytes) }
    }

    /// A legacy server's way of saying that the client has to open a URL first, as 2026-07-28 says it.
    private func urlRequired(
        _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) -> [UInt8]? {
        guard let bridged = call.bridged else { return nil }
        return URLRequired.result(
            envelope, line, digest: bridged.digest, capabilities: bridged.capabilities,
            round: bridged.visits, unixSeconds: WallClock.unixSeconds(), call.backend.home.seal)
    }

    private func send(_ call: Call, _ failure: RPCFailure) {
        call.id.withBytes { id in
            send(call, status: failure.httpStatus, count: failure.byteCount(id: id)) {
                failure.write(id: id, into: &$0)
            }
        }
    }

    /// As JSON while nothing has been sent, else as the last event of the stream (deferred commit).
    private func send(_ call: Call, status: Int, count: Int, _ write: (inout Outbox) -> Void) {
        switch call.target {
        case .none, .parked: return
        case .batch(let batch): batch.add(self, write)
        case .events(let exchange): sendEvent(exchange, write)
        case .exchange(let exchange):
            if call.isStreaming || call.mustStream {
                if !call.isStreaming { openStream(exchange, .stream) }
                emit(call, exchange, isLast: true, write)
                call.session?.replay.finish(call.stream)
                endStream(exchange)
            } else {
                var head = AnswerHead.ok
                head.status = status
                answer(exchange, head, length: count, write)
            }
        }
    }

    /// The plain-HTTP shim answers with the bare result, or with its own form of an error.
    private func replyREST(
        _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer, _ server: Era
    ) {
        guard case .exchange(let exchange) = call.target else { return }
        if server == .modern, envelope.kind == .response { return replyREST(call, modern: envelope, line) }
        if envelope.kind == .response, envelope.resultIsObject {
            let result = envelope.result.of(line)
            return answer(exchange, .ok, length: result.count) { $0.append(result) }
        }
        let message = envelope.errorMessage.of(line)
        let text = (try? JSONValue.parse(message))?.stringValue ?? "The server answered with an error."
        let code: RESTCode = envelope.errorCode == RPCCode.invalidParams ? .invalidArgument : .internal
        counters.callFailures &+= 1
        answer(
            exchange, AnswerHead(status: code.status, contentType: AnswerHead.json),
            ErrorBody.rest(
                code, text,
                details: [
                    "server": .string(call.backend.plan.name), "code": .integer(envelope.errorCode ?? 0),
                ]))
    }

    /// The result of a server of 2026-07-28 as a legacy client would see it.
    private func replyREST(_ call: Call, modern envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        var out = ByteCollector()
        do throws(RPCFailure) {
            try ResponseRewriter.rewrite(
                line, envelope,
                for: ResponseRewriter.Call(
                    id: StaticString("0").bytes, method: .toolsCall, isModern: false, server: .modern)
            ).body.write(into: &out)
        } catch {
            let asks = Rounds.asks(envelope, line)
            let reason = asks ? "it asks its client (elicitation, sampling or roots)" : error.message
            return reply(
                call,
                failure: CallFailure(
                    rest: .internal, code: error.code,
                    message:
                        "The server \(call.backend.plan.name) cannot be answered over plain HTTP: \(reason).",
                    details: ["server": .string(call.backend.plan.name)]))
        }
        out.bytes.withUnsafeBytes { line in
            guard let plain = try? Envelope.scan(line) else { return }
            replyREST(call, plain, line, .legacy)
        }
    }

    // MARK: While a call lasts

    /// `notifications/progress` of a child: the client that gave the token gets it back on its own stream.
    func progress(_ id: CallID, _ backend: Backend, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let call = calls[id] else { return backend.home.taskProgress(id, envelope, line) }
        guard call.backend === backend, !call.token.isEmpty else { return }
        if let task = call.task, task.isDriven, !task.progress.isNews(line) { return }
        pass(progress: id, call, envelope, line)
    }

    func pass(progress id: CallID, _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if call.isParked { return call.backend.home.parkedProgress(id, envelope, line) }
        if let bridged = call.bridged, bridged.request != nil, !bridged.isNews(line) { return }
        sendProgress(id, envelope, line)
    }

    /// The same for the exchange `id`, whoever the notification was for.
    func sendProgress(_ id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let call = calls[id], !call.token.isEmpty else { return }
        call.deadline = loop.now.advanced(milliseconds: settings.limits.callSeconds * 1000)
        call.token.withBytes { token in
            guard let splice = NotificationRewriter.progress(line, envelope, token: token) else { return }
            switch call.target {
            case .exchange(let exchange) where call.mayStream:
                commit(call, exchange)
                emit(call, exchange) { splice.write(into: &$0) }
            case .events(let exchange): sendEvent(exchange) { splice.write(into: &$0) }
            case .exchange, .batch, .parked, .none: return
            }
        }
    }

    /// Whether a message can be sent to the client of a call while it lasts.
    func canReach(_ call: Call) -> Bool {
        if call.mayStream, case .exchange = call.target { return true }
        return call.session?.stream != nil
    }

    /// Sends a message to the client of a call: on the call's own stream, else on its session's. False when it has
    /// none.
    @discardableResult
    func say(_ id: CallID, _ write: (inout Outbox) -> Void) -> Bool {
        guard let call = calls[id] else { return false }
        if call.mayStream, case .exchange(let exchange) = call.target { commit(call, exchange) }
        return say(call, write)
    }

    /// The same for a call that has left the table; its own stream is used only if it is open.
    @discardableResult
    func say(_ call: Call, _ write: (inout Outbox) -> Void) -> Bool {
        var own: ExchangeID?
        if call.isStreaming, case .exchange(let exchange) = call.target { own = exchange }
        if let own, mayReach(own), emit(call, own, write) { return true }
        if let stream = call.session?.stream, stream.send(self, call.backend.home, write) { return true }
        // Its client may come back for it.
        guard let own, call.stream > 0 else { return false }
        emit(call, own, write)
        return true
    }

    /// One event on the stream of a call, gone or not: a session keeps it for a client that comes back.
    @discardableResult
    private func emit(
        _ call: Call, _ exchange: ExchangeID, isLast: Bool = false, _ write: (inout Outbox) -> Void
    ) -> Bool {
        guard let session = call.session, call.stream > 0 else { return sendEvent(exchange, write) }
        let data = collectOwned(write)
        // Who comes back for an answer gets one in any case.
        let isKept = !isLast || data.count <= BridgeLimits.replayBytesMax
        let id = call.backend.home.keep(isKept ? data : tooLargeToKeep(call), of: session, on: call.stream)
        return sendEvent(exchange, data, id: id)
    }

    private func tooLargeToKeep(_ call: Call) -> OwnedBytes {
        let failure = RPCFailure.serverFailed(
            "the answer was too large to be kept for a client that comes back")
        return collectOwned { out in call.id.withBytes { failure.write(id: $0, into: &out) } }
    }

    private func commit(_ call: Call, _ exchange: ExchangeID) {
        call.lastSent = loop.now
        if call.isStreaming { return }
        call.isStreaming = true
        openStream(exchange, .stream)
        guard let session = call.session, session.isResumable else { return }
        call.stream = session.replay.open()
        if session.isPrimed { primeStream(exchange, id: session.replay.prime(call.stream)) }
    }

    /// Once a second: calls that take too long, and streams to keep alive.
    func tickCalls(_ now: Instant) {
        guard calls.count > 0 else { return }
        for id in calls.ids(where: { now > $0.deadline }) { expire(id) }
        let silent = calls.ids {
            $0.mayStream && now.milliseconds(since: $0.lastSent) >= Limits.commitSeconds * 1000
        }
        for id in silent {
            guard let call = calls[id], case .exchange(let exchange) = call.target else { continue }
            commit(call, exchange)
            sendComment(exchange)
        }
    }

    private func expire(_ id: CallID) {
        guard let late = calls[id] else { return }
        if case .parked = late.target {
            // Its own clock decides how long a client may take.
            late.deadline = loop.now.advanced(milliseconds: BridgeLimits.parkSeconds * 1000)
            return
        }
        if late.isParked || late.bridged?.south ?? .none != .none {
            late.backend.home.parkedLeft(id, late)
            counters.callTimeouts &+= 1
            return reply(late, failure: tooLate(late))
        }
        guard let call = calls.remove(id) else { return }
        call.backend.callEnded(id, call)
        counters.callTimeouts &+= 1
        if call.held != nil, call.bridged?.rounds != nil {
            return reply(call, .serverFailed("the client did not answer what the server asks"))
        }
        if call.held != nil {
            return reply(
                call,
                failure: call.backend.unavailable(
                    "The server \(call.backend.plan.name) was not ready within \(Limits.heldCallSeconds) s."))
        }
        if case .none = call.target {
            call.backend.link(call.incarnation)?.hearing.lost(id)
            return call.backend.askTimedOut(call.kind)
        }
        call.backend.sendCancelled(id, call, reason: "\"timeout\"")
        reply(call, failure: tooLate(call))
    }

    private func tooLate(_ call: Call) -> CallFailure {
        let (name, seconds) = (call.backend.plan.name, settings.limits.callSeconds)
        return CallFailure(
            rest: .timeout, code: RPCCode.internalError,
            message: "The server \(name) gave no answer within \(seconds) s.",
            details: ["server": .string(name), "timeoutSeconds": .integer(seconds)])
    }

    // MARK: Cancellation

    /// The client of `exchange` has left, and its revision says that this cancels (2026-07-28 §Cancellation).
    func abandoned(_ exchange: ExchangeID, _ id: CallID) {
        if let call = calls[id], case .exchange(exchange) = call.target {
            return cancel(id, call, reason: "\"client disconnected\"")
        }
        for id in calls.ids(where: { if case .exchange(exchange) = $0.target { true } else { false } }) {
            if let call = calls[id] { cancel(id, call, reason: "\"client disconnected\"") }
        }
        for home in homes.values { home.streamGone(exchange) }
    }

    private func cancel(_ id: CallID, _ call: Call, reason: StaticString) {
        // A legacy client that disconnects has not cancelled (2025-11-25, Streamable HTTP): its call runs on.
        guard call.isModern || call.kind == .rest else { return }
        if call.isParked || call.bridged?.south ?? .none != .none {
            counters.cancelled &+= 1
            return call.backend.home.parkedLeft(id, call)
        }
        finishCancelled(id, reason: reason)
    }

    func finishCancelled(_ id: CallID, reason: StaticString) {
        guard let call = calls.remove(id) else { return }
        counters.cancelled &+= 1
        call.backend.callEnded(id, call)
        if call.held == nil { call.backend.sendCancelled(id, call, reason: reason) }
    }
}

/// Several messages in one body (2025-03-26): answered together when the last answer is there.
final class Batch {
    private let exchange: ExchangeID
    /// Its client takes `text/event-stream` alone.
    private let isStream: Bool
    private var answers: BatchAnswers

    /// `requests` is above zero.
    init(exchange: ExchangeID, requests: Int, isStream: Bool) {
        self.exchange = exchange
        self.isStream = isStream
        answers = BatchAnswers(requests: requests)
    }

    func add(_ state: LoopState, _ write: (inout Outbox) -> Void) {
        guard let all = state.collect(write).withUnsafeBytes({ answers.add($0) }) else { return }
        guard isStream else { return state.answer(exchange, .ok, all) }
        state.openStream(exchange, .stream)
        state.sendEvent(exchange) { $0.append(all) }
        state.endStream(exchange)
    }
}

extension Call.Kind {
    @inline(__always) var method: MethodName {
        switch self {
        case .call, .rest: .toolsCall
        case .get: .promptsGet
        case .read: .resourcesRead
        case .complete: .complete
        case .open(.initialize): .initialize
        case .open(.discover): .discover
        case .list(let kind): kind.method
        case .level: .setLevel
        case .task(let question, _), .ofTask(let question): question.method
        case .taskLook: .tasksGet
        case .watch: .subscribe
        }
    }
}
