import MCP
import System
import Wire

/// Calls that are answered with tasks, for clients that know none: the gateway looks after the task, and the call
/// stays in the table until it is done.
extension ServerLink {
    /// Whether the answer to a call, which has just left the table, is a task or the demand for one. It is then
    /// in the table again.
    func follows(
        _ task: TaskCall, _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>,
        _ line: UnsafeRawBufferPointer
    ) -> Bool {
        if task.stage == .offered || task.stage == .about { return relays(task, id, call, envelope, line) }
        if task.stage == .unaware {
            // The server has done nothing yet.
            guard TaskDriver.isDemanded(by: envelope.pointee, line), let request = task.request,
                call.bridged?.rounds == nil, state.calls.putBack(id, call)
            else { return false }
            task.stage = .declared
            request.with { send(id, call, $0, $1, target: $2) }
            return true
        }
        guard let driver = TaskDriver(envelope.pointee, line, from: era, now: state.loop.now),
            state.calls.putBack(id, call)
        else { return false }
        inFlight += 1
        task.begin(driver, id, self)
        return true
    }

    /// The envelope of a call whose client knows no tasks, and of what is asked about its task.
    func taskEnvelope(of call: Call) -> ModernEnvelope {
        let declared = call.session?.capabilities ?? call.bridged?.capabilities ?? []
        return ModernEnvelope(
            client: .gateway, capabilities: declared.intersection(.relayable),
            logLevel: call.session?.logLevel, tasks: true)
    }

    /// The client's call that one of the gateway's own is about; any other is about itself.
    func subject(_ id: UInt64) -> UInt64 {
        if case .task(_, let call)? = state.calls[CallID(value: id)]?.kind { return call.value }
        return id
    }

    // MARK: Following

    func drive(_ task: TaskCall, _ id: CallID, _ event: (inout TaskDriver) -> [TaskDriver.Action]) {
        guard var driver = task.driver else { return }
        let due = driver.pollAt
        let actions = event(&driver)
        task.driver = driver
        if let next = driver.pollAt, next != due { task.schedule(next) }
        for action in actions { perform(action, task, id) }
    }

    func taskAnswered(
        _ question: TaskDriver.Question, of id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) {
        guard let call = state.calls[id], let task = call.task else { return }
        let now = state.loop.now
        if !call.isParked {
            call.deadline = now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
        }
        drive(task, id) { $0.answered(question, envelope, line, now: now) }
    }

    func taskFailed(_ question: TaskDriver.Question, of id: CallID) {
        guard let task = state.calls[id]?.task else { return }
        drive(task, id) { $0.failed(question, now: state.loop.now) }
    }

    /// The call has left the table.
    func cancelTask(_ task: TaskCall, _ id: CallID, _ call: Call) {
        for action in task.driver?.cancelled() ?? [] {
            if case .ask(let question, let params) = action { ask(question, params, task, id, call) }
        }
    }

    private func perform(_ action: TaskDriver.Action, _ task: TaskCall, _ id: CallID) {
        switch action {
        case .ask(let question, let params):
            if let call = state.calls[id] { ask(question, params, task, id, call) }
        case .progress(let message): progress(message, task, id)
        case .needInput(let requests): askClient(requests, task, id)
        case .deliver(let result): complete(id, "result", result)
        case .fail(let error): complete(id, "error", error)
        case .refuse(let failure): complete(id, failure)
        }
    }

    private func ask(
        _ question: TaskDriver.Question, _ params: [UInt8], _ task: TaskCall, _ id: CallID, _ call: Call
    ) {
        let seconds =
            question == .result ? BridgeLimits.taskMilliseconds / 1000 : Limits.initializeSeconds
        guard let own = register(.task(question, of: id), seconds: seconds) else {
            return drive(task, id) { $0.failed(question, now: state.loop.now) }
        }
        let envelope = era == .modern ? taskEnvelope(of: call) : nil
        let name = task.driver?.id.withUnsafeBytes { id in
            id.insideQuotes.map { Array(JSONText.string($0).utf8) }
        }
        sendOwn(own, question.method, name: name, isRepeatable: question == .status) {
            question.write(id: $0, params: params, envelope: envelope, into: &$1)
        }
    }

    /// What a server says of its task is the progress of the call.
    private func progress(_ message: String, _ task: TaskCall, _ id: CallID) {
        guard let call = state.calls[id], !call.token.isEmpty, let number = task.progress.step() else {
            return
        }
        var line = ByteCollector()
        line.append(
            #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":0,"progress":"#)
        line.append(decimal: number)
        line.append(#","message":"#)
        JSONText.appendString(message, into: &line)
        line.append("}}")
        line.bytes.withUnsafeBytes {
            if let envelope = try? Envelope.scan($0) { state.pass(progress: id, call, envelope, $0) }
        }
    }

    // MARK: What a task waits for (2026-07-28)

    /// Each is brought to the client as if the server had asked for it alone, under its key.
    private func askClient(_ requests: [UInt8], _ task: TaskCall, _ id: CallID) {
        var asks: [([UInt8], Ask)] = []
        requests.withUnsafeBytes { object in
            var walker = ObjectWalker(object)
            while let member = walker.next(), asks.count < BridgeLimits.asksMax {
                guard let ask = Ask(inputRequest: member.value.of(object)) else { continue }
                let quote = UInt8(ascii: "\"")
                asks.append(([quote] + member.key.of(object) + [quote], ask))
            }
        }
        guard !asks.isEmpty else {
            return complete(id, .serverFailed("the server's task wants what no client can give"))
        }
        if let call = state.calls[id], call.isModern, call.bridged == nil {
            task.request?.with { body, envelope, _ in
                call.bridged = BridgedCall.parkable(body, envelope.pointee, .toolsCall)
            }
        }
        for (key, _) in asks { task.input[key] = .some(nil) }
        for (key, ask) in asks where task.isAsking { key.withUnsafeBytes { bring(ask, $0, to: id) } }
    }

    /// Answers what the server has asked for a call: by a message, or by what its task waits for. `write` writes a
    /// response without its line end.
    func answer(_ id: CallID, _ write: (inout ByteCollector) -> Void) {
        guard let task = state.calls[id]?.task, task.isAsking else { return tell(write) }
        var line = ByteCollector()
        write(&line)
        line.bytes.withUnsafeBytes { line in
            guard let envelope = try? Envelope.scan(line) else { return }
            take(envelope, line, task, id)
        }
    }

    private func take(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, _ task: TaskCall, _ id: CallID) {
        let key = Array(envelope.id.of(line))
        guard task.input[key] != nil else { return }
        guard envelope.kind == .response else {
            // There is no form in which a task could be told of a failure.
            task.input = [:]
            drive(task, id) { $0.cancelled() }
            let reason = envelope.errorMessage.of(line).insideQuotes.map { JSONText.string($0) } ?? ""
            var result = ByteCollector()
            result.append(#"{"content":[{"type":"text","text":"#)
            JSONText.appendString("What the tool asks for cannot be given: \(reason)", into: &result)
            result.append(#"}],"isError":true}"#)
            return complete(id, "result", result.bytes)
        }
        task.input[key] = .some(Array(envelope.result.of(line)))
        var responses: [UInt8] = []
        for (key, answer) in task.input.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            guard let answer else { return }
            responses += (responses.isEmpty ? [UInt8(ascii: "{")] : [UInt8(ascii: ",")]) + key
            responses += [UInt8(ascii: ":")] + answer
        }
        task.input = [:]
        drive(task, id) { $0.input(given: responses + [UInt8(ascii: "}")]) }
    }

    // MARK: The end

    private func complete(_ id: CallID, _ failure: RPCFailure) {
        var number = ByteCollector()
        number.append(decimal: Int(truncatingIfNeeded: id.value))
        var line = ByteCollector()
        number.bytes.withUnsafeBytes { failure.write(id: $0, into: &line) }
        complete(id, line.bytes)
    }

    private func complete(_ id: CallID, _ member: StaticString, _ value: [UInt8]) {
        var line = ByteCollector()
        line.append(#"{"jsonrpc":"2.0","id":"#)
        line.append(decimal: Int(truncatingIfNeeded: id.value))
        line.append(",\"")
        line.append(member)
        line.append("\":")
        line.bytes += value
        line.append("}")
        complete(id, line.bytes)
    }

    /// As if the server had answered the call itself.
    private func complete(_ id: CallID, _ line: [UInt8]) {
        guard let call = state.calls.take(id, from: backend, incarnation) else { return }
        call.task = nil
        line.withUnsafeBytes { line in
            guard var envelope = try? Envelope.scan(line) else {
                inFlight -= 1
                return backend.fail(
                    id, call, backend.unavailable("The server's task gave what is no answer."))
            }
            answered(id, call, &envelope, line)
        }
    }
}

extension SouthTarget {
    /// The server's name for what a request names by `raw`, a JSON string.
    func name(of raw: UnsafeRawBufferPointer) -> String? {
        switch self {
        case .unchanged: raw.insideQuotes.map { JSONText.string($0) }
        case .renamed(let name): name.insideQuotes.map { JSONText.string($0) }
        case .withoutPrefix: nil
        }
    }
}
