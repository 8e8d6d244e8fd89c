import MCP
import Reactor
import System
import Wire

/// What goes down to the process, and what comes up from it.
extension ChildLink {
    // MARK: Down

    /// Bytes that wait for a process which does not read its input.
    var waitingBytes: Int { child?.input.outbox.count ?? 0 }

    func write(_ body: (inout Outbox) -> Void) {
        guard let child else { return }
        body(&child.input.outbox)
        state.loop.flushLater(child.input)
    }

    /// Sends one of the gateway's own requests; false when too many calls are in flight.
    @discardableResult
    func ask(
        _ kind: Call.Kind, seconds: Int = Limits.initializeSeconds, _ body: (Int, inout Outbox) -> Void
    ) -> CallID {
        guard child != nil else { return .none }
        let now = state.loop.now
        let call = Call(
            kind: kind, isModern: false, mayStream: false, mustStream: false, target: .none, backend: backend,
            incarnation: incarnation, session: nil, logLevel: nil, id: ClientBytes(), token: ClientBytes(),
            deadline: now.advanced(milliseconds: seconds * 1000), lastSent: now, held: nil)
        guard let id = state.calls.insert(call) else { return .none }
        inFlight += 1
        write { body(Int(truncatingIfNeeded: id.value), &$0) }
        return id
    }

    /// Writes a client's request as one line of the process's input; it leaves at the end of the turn, together
    /// with what else goes there.
    func send(
        _ id: CallID, _ body: UnsafeRawBufferPointer, _ envelope: Envelope, method: MethodName,
        target: SouthTarget, client: borrowing SouthClient
    ) {
        guard let child else { return }
        inFlight += 1
        state.counters.calls &+= 1
        let number = Int(truncatingIfNeeded: id.value)
        if era == .legacy {
            RequestRewriter.write(
                body, envelope, method: method, id: number, target: target, dropsEnvelope: client.isModern,
                into: &child.input.outbox)
        } else {
            sendModern(number, body, envelope, method, target, client, into: &child.input.outbox)
        }
        state.loop.flushLater(child.input)
    }

    private func sendModern(
        _ id: Int, _ body: UnsafeRawBufferPointer, _ envelope: Envelope, _ method: MethodName,
        _ target: SouthTarget, _ client: borrowing SouthClient, into outbox: inout Outbox
    ) {
        if client.isModern {
            ModernRewriter.relay(body, envelope, method: method, id: id, target: target, into: &outbox)
        } else {
            ModernRewriter.envelope(
                body, envelope, method: method, id: id, target: target,
                adding: client.session?.envelope ?? ChildLink.own, into: &outbox)
        }
        outbox.append(byte: 10)
    }

    /// The same for a call that its server has ended with `input_required`, with the answers to it.
    func sendAgain(
        _ id: CallID, _ request: HeldRequest, _ round: ModernRewriter.Round, method: MethodName,
        session: Session?
    ) {
        inFlight += 1
        request.with { body, target in
            write {
                ModernRewriter.envelope(
                    body, request.envelope, method: method, id: Int(truncatingIfNeeded: id.value),
                    target: target, adding: session?.envelope ?? ChildLink.own, round: round, into: &$0)
                $0.append(byte: 10)
            }
        }
    }

    /// `reason` is a raw JSON string.
    func sendCancelled(_ id: CallID, reason: StaticString) {
        write {
            SouthLine.cancelled(id: Int(truncatingIfNeeded: id.value), reason: reason.bytes, into: &$0)
        }
    }

    /// One page of a list.
    func askList(_ kind: ListKind, cursor: UnsafeRawBufferPointer?) {
        ask(.list(kind)) { id, out in
            switch era {
            case .legacy: SouthLine.list(kind, id: id, cursor: cursor, into: &out)
            case .modern:
                ModernLine.list(kind, id: id, cursor: cursor, envelope: ChildLink.own, into: &out)
                out.append(byte: 10)
            }
        }
    }

    // MARK: Up

    /// One line of the process's output.
    func received(_ line: UnsafeRawBufferPointer) {
        guard let envelope = try? Envelope.scan(line) else {
            state.counters.stdoutNoise &+= 1
            return
        }
        switch envelope.kind {
        case .response, .failure: take(envelope, line)
        case .notification: notice(envelope, line)
        case .request: asked(envelope, line)
        case .batch, .invalid: state.counters.stdoutNoise &+= 1
        }
    }

    /// The id must be one that we gave to this very process; a child may say anything.
    private func take(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard envelope.idKind == .integer, let id = CallID(decimal: envelope.id.of(line)),
            let call = state.calls.take(id, from: backend, incarnation)
        else { return strayed(envelope, line) }
        inFlight -= 1
        if case .none = call.target { return backend.answered(self, call.kind, envelope, line) }
        if call.isParked || era == .modern || hasAsked || backend.mayMiss(call) {
            deliver(id, call, envelope, line)
        } else {
            state.reply(call, envelope, line, server: .legacy)
        }
        if !isMain || !doubts.isEmpty {
            backend.releaseLease(id)
            resolveDoubts(answered: id)
        }
    }

    /// The answer to a call for which the server may have asked its client.
    private func deliver(
        _ id: CallID, _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) {
        if call.isParked { return backend.home.parkedAnswered(id, call, envelope, line) }
        if era == .modern, !call.isModern, Rounds.asks(envelope, line) {
            return backend.home.askedByEnding(call, envelope, line)
        }
        // What the server still asks for this call is of no use any more.
        if let session = call.session {
            for pushed in session.pushes.withdraw(call: id.value) {
                state.say(call) { Pushes.writeCancelled(pushed, into: &$0) }
            }
        }
        if era == .legacy { backend.watchForMissedClient(call, envelope, line) }
        state.reply(call, envelope, line, server: era)
    }

    private func notice(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        switch MethodName(envelope, in: line) {
        case .progress:
            guard let id = CallID(decimal: envelope.paramsProgressToken.of(line)) else { return }
            state.progress(id, backend, envelope, line)
        case .message: state.log(self, envelope, line)
        case .cancelled: withdrew(envelope.requestID.of(line))
        case .toolsChanged: backend.listChanged(.tools, by: self)
        case .promptsChanged: backend.listChanged(.prompts, by: self)
        case .resourcesChanged: backend.listChanged(.resources, by: self)
        default: return
        }
    }

    /// The answer whose line begins with `start` is over the limit.
    func lineTooLong(_ start: UnsafeRawBufferPointer) {
        state.counters.stdoutNoise &+= 1
        guard let id = CallID(findingIn: start), let call = state.calls.take(id, from: backend, incarnation)
        else { return }
        inFlight -= 1
        backend.releaseLease(id)
        resolveDoubts(answered: id)
        let (limit, name) = (Limits.childLineBytes, backend.plan.name)
        let failure = CallFailure(
            rest: .internal, code: RPCCode.internalError,
            message: "The answer of the server \(name) is longer than \(limit) bytes.",
            details: ["server": .string(name), "limitBytes": .integer(limit)])
        if call.isParked { return backend.home.parkedLost(id, call, failure) }
        state.reply(call, failure: failure)
    }
}

/// Whose request goes to a server, as far as its form depends on it.
struct SouthClient {
    let isModern: Bool
    /// Nil for modern clients and for plain HTTP.
    let session: Session?
}

extension CallID {
    /// Digits alone, below 2^53.
    init?(decimal text: UnsafeRawBufferPointer) {
        guard !text.isEmpty, text.count <= 16 else { return nil }
        var number: UInt64 = 0
        for byte in text {
            guard byte >= 48, byte <= 57 else { return nil }
            number = number &* 10 &+ UInt64(byte &- 48)
        }
        guard number < 1 << 53 else { return nil }
        self.init(value: number)
    }

    /// The number behind the first `"id":` of a message whose end is unknown.
    init?(findingIn start: UnsafeRawBufferPointer) {
        let key = Array(#""id":"#.utf8)
        var i = 0
        while i + key.count < start.count {
            if start[i..<(i + key.count)].elementsEqual(key) {
                var end = i + key.count
                while end < start.count, start[end] == 32 { end += 1 }
                let first = end
                while end < start.count, start[end] >= 48, start[end] <= 57 { end += 1 }
                self.init(decimal: UnsafeRawBufferPointer(rebasing: start[first..<end]))
                return
            }
            i += 1
        }
        return nil
    }
}
