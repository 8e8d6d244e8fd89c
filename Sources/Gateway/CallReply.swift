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
    func reply(_ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer, server: Era) {
        if call.kind == .rest { return replyREST(call, envelope, line) }
        call.id.withBytes { id in
            do throws(RPCFailure) {
                let response = try ResponseRewriter.rewrite(
                    line, envelope,
                    for: ResponseRewriter.Call(
                        id: id, method: call.kind.method, isModern: call.isModern, server: server))
                send(call, status: response.httpStatus, count: response.body.count) {
                    response.body.write(into: &$0)
                }
            } catch {
                counters.callFailures &+= 1
                send(call, error)
            }
        }
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
        case .none: return
        case .batch(let batch): batch.add(self, write)
        case .exchange(let exchange):
            if call.isStreaming || call.mustStream {
                if !call.isStreaming { openStream(exchange, .stream) }
                sendEvent(exchange, write)
                endStream(exchange)
            } else {
                var head = AnswerHead.ok
                head.status = status
                answer(exchange, head, length: count, write)
            }
        }
    }

    /// The plain-HTTP shim answers with the bare result, or with its own form of an error.
    private func replyREST(_ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard case .exchange(let exchange) = call.target else { return }
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

    // MARK: While a call lasts

    /// `notifications/progress` of a child: the client that gave the token gets it back on its own stream.
    func progress(_ id: CallID, _ backend: Backend, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard var call = calls[id], call.backend === backend, !call.token.isEmpty else { return }
        call.deadline = loop.now.advanced(milliseconds: settings.limits.callSeconds * 1000)
        defer { calls[id] = call }
        guard call.mayStream, case .exchange(let exchange) = call.target else { return }
        call.token.withBytes { token in
            guard let splice = NotificationRewriter.progress(line, envelope, token: token) else { return }
            commit(&call, exchange)
            sendEvent(exchange) { splice.write(into: &$0) }
        }
    }

    /// `notifications/message` for the one call that a child is working on; no other client may see it.
    func log(_ link: ChildLink, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        let (backend, process) = (link.backend, link.incarnation)
        guard link.inFlight == 1,
            let id = calls.ids(where: { $0.backend === backend && $0.incarnation == process }).first,
            var call = calls[id],
            call.mayStream, let wanted = call.session?.logLevel ?? call.logLevel,
            case .exchange(let exchange) = call.target,
            let level = LogLevel(json: envelope.level.of(line)), level >= wanted
        else { return }
        commit(&call, exchange)
        calls[id] = call
        let splice = NotificationRewriter.unchanged(line, envelope)
        sendEvent(exchange) { splice.write(into: &$0) }
    }

    private func commit(_ call: inout Call, _ exchange: ExchangeID) {
        call.lastSent = loop.now
        if call.isStreaming { return }
        call.isStreaming = true
        openStream(exchange, .stream)
    }

    /// Once a second: calls that take too long, and streams to keep alive.
    func tickCalls(_ now: Instant) {
        guard calls.count > 0 else { return }
        for id in calls.ids(where: { now > $0.deadline }) { expire(id) }
        let silent = calls.ids {
            $0.mayStream && now.milliseconds(since: $0.lastSent) >= Limits.commitSeconds * 1000
        }
        for id in silent {
            guard var call = calls[id], case .exchange(let exchange) = call.target else { continue }
            commit(&call, exchange)
            calls[id] = call
            sendComment(exchange)
        }
    }

    private func expire(_ id: CallID) {
        guard let call = calls.remove(id) else { return }
        call.backend.callEnded(id, call)
        counters.callTimeouts &+= 1
        if call.held != nil {
            return reply(
                call,
                failure: call.backend.unavailable(
                    "The server \(call.backend.plan.name) was not ready within \(Limits.heldCallSeconds) s."))
        }
        guard case .exchange = call.target else {
            if case .none = call.target { call.backend.askTimedOut(call.kind) }
            return
        }
        call.backend.sendCancelled(id, call, reason: "\"timeout\"")
        let seconds = settings.limits.callSeconds
        reply(
            call,
            failure: CallFailure(
                rest: .timeout, code: RPCCode.internalError,
                message: "The server \(call.backend.plan.name) gave no answer within \(seconds) s.",
                details: ["server": .string(call.backend.plan.name), "timeoutSeconds": .integer(seconds)]))
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
    private var missing: Int
    private var answers: [UInt8] = []

    /// `requests` is above zero.
    init(exchange: ExchangeID, requests: Int) {
        self.exchange = exchange
        missing = requests
    }

    func add(_ state: LoopState, _ write: (inout Outbox) -> Void) {
        answers += state.collect(write)
        missing -= 1
        if missing > 0 {
            answers.append(UInt8(ascii: ","))
        } else {
            state.answer(exchange, .ok, [UInt8(ascii: "[")] + answers + [UInt8(ascii: "]")])
        }
    }
}

extension Call.Kind {
    var method: MethodName {
        switch self {
        case .call, .rest: .toolsCall
        case .get: .promptsGet
        case .read: .resourcesRead
        case .complete: .complete
        case .open(.initialize): .initialize
        case .open(.discover): .discover
        case .list(let kind): kind.method
        }
    }
}
