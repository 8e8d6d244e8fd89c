import MCP
import Reactor
import System
import Wire

/// A request that waits for its server, with its bytes.
final class HeldRequest {
    let bytes: OwnedBytes
    let envelope: Envelope
    /// The server's own name for what is asked; empty when it is the client's.
    let original: [UInt8]
    let cutBytes: Int

    init(_ request: borrowing NorthRequest, _ route: ListCatalog.Route) {
        bytes = OwnedBytes(copying: request.body)
        envelope = request.envelope
        switch route.target {
        case .unchanged: (original, cutBytes) = ([], 0)
        case .renamed(let name): (original, cutBytes) = (Array(name), 0)
        case .withoutPrefix(let count): (original, cutBytes) = ([], count)
        }
    }
}

/// The call path: requests go down to the child, its lines come up.
extension Backend {
    // MARK: Down

    /// True when `call` can be written to the child now.
    var canTake: Bool { phase == .ready && (child != nil || remote != nil) }

    /// Why no more calls are taken; nil when they are.
    var busy: CallFailure? {
        let waiting = child?.input.outbox.count ?? remote?.pendingBytes ?? 0
        guard
            inFlight >= Limits.callsPerServer || waiting > Limits.childInputBytes
                || heldCalls.count >= Limits.heldCallsPerServer
        else { return nil }
        return CallFailure(
            rest: .rateLimit, code: RPCCode.internalError,
            message: "The server \(plan.name) is busy with \(inFlight) calls; try again in a second.",
            details: ["server": .string(plan.name), "retryAfterSeconds": .integer(1)])
    }

    /// Writes the request as one line of the child's input; it leaves at the end of the turn, together with
    /// what else goes there.
    func send(
        _ id: CallID, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        method: MethodName, target: SouthTarget, dropsEnvelope: Bool
    ) {
        inFlight += 1
        state.counters.calls &+= 1
        guard let child else {
            remote?.send(
                id, body, envelope.pointee, method: method, target: target, isModern: dropsEnvelope)
            return
        }
        RequestRewriter.write(
            body, envelope, method: method, id: Int(truncatingIfNeeded: id.value), target: target,
            dropsEnvelope: dropsEnvelope, into: &child.input.outbox)
        state.loop.flushLater(child.input)
    }

    /// Sends what waited for the server.
    func dispatchHeldCalls() {
        let waiting = heldCalls
        heldCalls.removeAll()
        for id in waiting {
            guard let call = state.calls[id], let held = call.held else { continue }
            call.held = nil
            call.incarnation = incarnation
            call.deadline = state.loop.now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
            held.original.withUnsafeBytes { original in
                let target: SouthTarget =
                    !original.isEmpty
                    ? .renamed(original)
                    : held.cutBytes > 0 ? .withoutPrefix(bytes: held.cutBytes) : .unchanged
                held.bytes.withBytes { bytes in
                    withUnsafePointer(to: held.envelope) {
                        send(
                            id, bytes, $0, method: call.kind.method, target: target,
                            dropsEnvelope: call.isModern)
                    }
                }
            }
        }
    }

    /// The server will not be ready soon: whoever waits for it is told.
    func releaseHeldCalls() {
        let waiting = heldCalls
        heldCalls.removeAll()
        for id in waiting {
            guard let call = state.calls.remove(id) else { continue }
            state.reply(call, failure: unavailable(notReady))
        }
    }

    var notReady: String {
        "The server \(plan.name) is not available: \(stateName)" + (lastError.map { ": \($0)" } ?? "") + "."
    }

    /// A call has left the table before its answer.
    func callEnded(_ id: CallID, wasHeld: Bool) {
        if wasHeld {
            heldCalls.removeAll { $0 == id }
        } else {
            inFlight -= 1
        }
    }

    /// `reason` is a raw JSON string.
    func sendCancelled(_ id: CallID, reason: StaticString) {
        guard let child else {
            remote?.sendCancelled(id, reason: reason)
            return
        }
        SouthLine.cancelled(
            id: Int(truncatingIfNeeded: id.value), reason: reason.bytes, into: &child.input.outbox)
        state.loop.flushLater(child.input)
    }

    // MARK: Up

    func wroteToStderr(_ bytes: UnsafeRawBufferPointer) { stderr.append(bytes) }

    /// One line of the child's output.
    func received(_ line: UnsafeRawBufferPointer) {
        var envelope = Envelope()
        do {
            try Envelope.scan(line, into: &envelope)
        } catch {
            state.counters.stdoutNoise &+= 1
            return
        }
        switch envelope.kind {
        case .response, .failure: take(&envelope, line)
        case .notification: notice(envelope, line)
        case .request: refuse(envelope, line)
        case .batch, .invalid: state.counters.stdoutNoise &+= 1
        }
    }

    /// The id must be one that we gave to this very process; a child may say anything.
    private func take(_ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer) {
        guard envelope.pointee.idKind == .integer,
            let id = CallID(decimal: envelope.pointee.id.of(line)),
            let call = state.calls.take(id, from: self, incarnation)
        else {
            state.counters.strayAnswers &+= 1
            return
        }
        inFlight -= 1
        if case .none = call.target {
            answered(call.kind, envelope.pointee, line)
        } else {
            state.reply(call, envelope, line, server: .legacy)
        }
    }

    private func notice(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        switch MethodName(envelope, in: line) {
        case .progress:
            guard let id = CallID(decimal: envelope.paramsProgressToken.of(line)) else { return }
            state.progress(id, self, envelope, line)
        case .message: state.log(self, envelope, line)
        case .toolsChanged: listChanged(.tools)
        case .promptsChanged: listChanged(.prompts)
        case .resourcesChanged: listChanged(.resources)
        default: return
        }
    }

    /// A server may ask its client; here it asks the gateway, which answers for everyone.
    private func refuse(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let child else { return }
        SouthLine.answer(
            MethodName(envelope, in: line), id: envelope.id.of(line), into: &child.input.outbox)
        state.loop.flushLater(child.input)
    }

    /// The answer whose line begins with `start` is over the limit.
    func lineTooLong(_ start: UnsafeRawBufferPointer) {
        state.counters.stdoutNoise &+= 1
        guard let id = CallID(findingIn: start), let call = state.calls.take(id, from: self, incarnation)
        else { return }
        inFlight -= 1
        let limit = Limits.childLineBytes
        state.reply(
            call,
            failure: CallFailure(
                rest: .internal, code: RPCCode.internalError,
                message: "The answer of the server \(plan.name) is longer than \(limit) bytes.",
                details: ["server": .string(plan.name), "limitBytes": .integer(limit)]))
    }
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
