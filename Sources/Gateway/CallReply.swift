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

    func send(_ call: Call, _ failure: RPCFailure) {
        call.id.withBytes { id in
            send(call, status: failure.httpStatus, count: failure.byteCount(id: id)) {
                failure.write(id: id, into: &$0)
            }
        }
    }

    /// As JSON while nothing has been sent, else as the last event of the stream (deferred commit).
    func send(_ call: Call, status: Int, count: Int, _ write: (inout Outbox) -> Void) {
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
