import MCP
import Reactor
import System
import Wire

/// What comes up from the process.
extension ChildLink {
    /// One line of its output.
    func received(_ line: UnsafeRawBufferPointer) {
        var envelope = Envelope()
        do {
            try Envelope.scan(line, into: &envelope)
        } catch {
            state.counters.stdoutNoise &+= 1
            return note(line)
        }
        switch envelope.kind {
        case .response, .failure: take(&envelope, line)
        case .notification:
            note(line)
            notice(envelope, line)
        case .request:
            note(line)
            asked(envelope, line)
        case .batch, .invalid:
            note(line)
            state.counters.stdoutNoise &+= 1
        }
    }

    /// Nobody has asked for it.
    private func note(_ line: UnsafeRawBufferPointer) {
        unasked.messages += 1
        unasked.bytes += line.count
    }

    /// The id must be one that we gave to this very process; a child may say anything.
    private func take(_ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer) {
        guard envelope.pointee.idKind == .integer,
            let id = CallID(decimal: envelope.pointee.id.of(line)),
            let call = state.calls.take(id, from: backend, incarnation)
        else {
            note(line)
            return strayed(envelope.pointee, line)
        }
        answered(id, call, envelope, line)
    }

    /// The answer whose line begins with `start` is over the limit.
    func lineTooLong(_ start: UnsafeRawBufferPointer) {
        state.counters.stdoutNoise &+= 1
        guard let id = CallID(findingIn: start), let call = state.calls.take(id, from: backend, incarnation)
        else { return }
        inFlight -= 1
        let (limit, name) = (Limits.childLineBytes, backend.plan.name)
        backend.fail(
            id, call,
            CallFailure(
                rest: .internal, code: RPCCode.internalError,
                message: "The answer of the server \(name) is longer than \(limit) bytes.",
                details: ["server": .string(name), "limitBytes": .integer(limit)]))
        backend.releaseLease(id)
        resolveDoubts(answered: id)
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
