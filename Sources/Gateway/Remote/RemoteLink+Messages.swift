import MCP
import System
import Wire

/// What goes to the remote server, and what comes from it.
extension RemoteLink {
    // MARK: Out

    func post(
        _ id: CallID, _ call: Call, _ body: UnsafeRawBufferPointer, _ envelope: Envelope,
        target: SouthTarget, round: ModernRewriter.Round = ModernRewriter.Round()
    ) {
        let method = call.kind.method
        inFlight += 1
        var out = ByteCollector()
        let number = Int(truncatingIfNeeded: id.value)
        if era == .legacy {
            if let level = call.logLevel { wantLogs(level) }
            RequestRewriter.write(
                body, envelope, method: method, id: number, target: target, dropsEnvelope: call.isModern,
                adding: call.task?.stage == .asked ? TaskDriver.request : "", into: &out)
            out.bytes.removeLast()
        } else if call.isModern {
            ModernRewriter.relay(
                body, envelope, method: method, id: number, target: target,
                declaresTasks: call.task?.isDeclared == true, dropsBaggage: true, into: &out)
        } else {
            ModernRewriter.envelope(
                body, envelope, method: method, id: number, target: target,
                adding: call.task?.stage == .declared
                    ? taskEnvelope(of: call) : call.session?.envelope ?? Self.own,
                round: round, into: &out)
        }
        let name = method.requiresNameHeader ? name(body, envelope, method, target) : nil
        let mirrored = mirrored(name, method, envelope.arguments.of(body))
        perform(
            client.call(
                id.value, body: out.bytes, method: method, name: name, mirrored: mirrored,
                isRepeatable: method != .toolsCall && method != .tasksUpdate))
    }

    /// What the request names, as the server knows it, for `Mcp-Name`.
    private func name(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, _ method: MethodName, _ target: SouthTarget
    ) -> [UInt8]? {
        guard era == .modern else { return nil }
        if case .renamed(let name) = target { return Self.text(name) }
        guard let range = RequestRewriter.targetRange(envelope, method, body) else { return nil }
        let text = Self.text(range.of(body))
        guard case .withoutPrefix(let count) = target else { return text }
        return Array(text.dropFirst(count))
    }

    /// The meaning of a raw JSON string.
    private static func text(_ quoted: UnsafeRawBufferPointer) -> [UInt8] {
        guard quoted.count >= 2 else { return [] }
        return Array(JSONText.string(UnsafeRawBufferPointer(rebasing: quoted[1..<(quoted.count - 1)])).utf8)
    }

    private func mirrored(
        _ name: [UInt8]?, _ method: MethodName, _ arguments: UnsafeRawBufferPointer
    ) -> [RemoteRequest.Field] {
        guard era == .modern, !backend.mirrors.isEmpty, method == .toolsCall, let name,
            let tool = backend.mirrors[String(decoding: name, as: UTF8.self)]
        else { return [] }
        return tool.fields(arguments)
    }

    // MARK: In

    /// One message, of a body or of an event.
    func received(_ message: UnsafeRawBufferPointer, _ exchange: Int) {
        guard !isStopped else { return }
        guard message.count >= Limits.lentLineBytes else { return read(message, exchange) }
        let owned = OwnedBytes(copying: message, tally: backend.home.outgoing)
        loop.pool.lending(owned) { read($0, exchange) }
    }

    private func read(_ message: UnsafeRawBufferPointer, _ exchange: Int) {
        guard let envelope = try? Envelope.scan(message) else { return readLines(message, exchange) }
        took(envelope, message, exchange)
    }

    /// Some stream a message a line under the name of JSON, the conformance suite's own server among them.
    private func readLines(_ body: UnsafeRawBufferPointer, _ exchange: Int) {
        for line in body.split(separator: 0x0A) {
            let message = UnsafeRawBufferPointer(rebasing: line)
            if let envelope = try? Envelope.scan(message) {
                took(envelope, message, exchange)
            } else {
                backend.state.counters.stdoutNoise &+= 1
            }
        }
    }

    private func took(_ envelope: Envelope, _ message: UnsafeRawBufferPointer, _ exchange: Int) {
        let (disposition, actions) = client.message(exchange, envelope, message, now: loop.now)
        if case .deliver(let call) = disposition { deliver(call, exchange, envelope, message) }
        if !actions.isEmpty { perform(actions) }
    }

    private func deliver(
        _ call: UInt64?, _ exchange: Int, _ envelope: Envelope, _ message: UnsafeRawBufferPointer
    ) {
        if let call, Hearing.owns(call), envelope.kind == .response || envelope.kind == .failure {
            return hearing.took(call, envelope)
        }
        switch envelope.kind {
        case .response, .failure: take(call, exchange, envelope, message)
        case .notification: notice(envelope, message, during: call)
        case .request: asked(envelope, message, during: call)
        case .batch, .invalid: backend.state.counters.stdoutNoise &+= 1
        }
    }

    /// An answer must be to a call of ours; one in a call's own response, to that call.
    private func take(
        _ call: UInt64?, _ exchange: Int, _ envelope: Envelope, _ message: UnsafeRawBufferPointer
    ) {
        var id = envelope.idKind == .integer ? CallID(decimal: envelope.id.of(message)) : nil
        if let call {
            answerCame(exchange)
            // Errors before a server has read the request have no id of it.
            if envelope.kind == .failure { id = CallID(value: call) }
            guard id?.value == call else {
                return fail(CallID(value: call), "the server answered another request than this one")
            }
        }
        guard let id, let taken = state.calls.take(id, from: backend, incarnation) else {
            return strayed(envelope, message)
        }
        // Only the old transport answers elsewhere than where it was asked.
        if call == nil { perform(client.forget(id.value)) }
        withUnsafePointer(to: envelope) { answered(id, taken, $0, message) }
    }

    /// Nothing more comes for this call.
    func fail(_ id: CallID, _ reason: String) {
        if Hearing.owns(id.value) { return hearing.ended(id.value) }
        guard let call = state.calls.take(id, from: backend, incarnation) else { return }
        inFlight -= 1
        if case .none = call.target {
            backend.askFailed(call.kind, reason)
            hearing.lost(id)
        } else {
            backend.fail(id, call, backend.unavailable("The server \(backend.plan.name): \(reason)."))
            resolveDoubts(answered: id)
        }
    }
}
