import MCP
import Reactor
import System
import Wire

/// Calls of legacy clients at servers of 2026-07-28, which ask by ending a call: the client is asked on its stream
/// and the call is made again with its answers, under a new id each time. Meanwhile it waits in the table as a call
/// that no server has.
extension SandboxHome {
    /// The server has ended `call`, which has left the table, with `input_required`.
    func askedByEnding(
        _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer
    ) {
        guard let bridged = call.bridged, let session = call.session, bridged.request != nil else {
            // A client that declared nothing must not be asked; the rewriter has the words for it.
            return state.reply(call, envelope, line, server: .modern)
        }
        if bridged.rounds == nil {
            roundNames += 1
            bridged.name = roundNames
            bridged.rounds = Rounds(
                call: roundNames, method: call.kind.method, capabilities: bridged.capabilities,
                revision: session.revision)
        }
        let step = bridged.rounds?.asked(
            envelope.pointee, line, &session.pushes, canReach: state.canReach(call),
            elicitationID: Identifiers.uuid)
        if let step { perform(step, call) }
    }

    /// The client has answered a request that belongs to such a call.
    private func roundAnswered(
        _ name: UInt64, _ key: String, _ open: Pushes.Open, _ envelope: Envelope,
        _ body: UnsafeRawBufferPointer
    ) {
        guard let id = asking[name], let call = state.calls[id], let bridged = call.bridged,
            let step = bridged.rounds?.answered(open, key: key, envelope, body), step != .wait
        else { return }
        leave(id, call)
        perform(step, call)
    }

    private func perform(_ step: Rounds.Step, _ call: Call) {
        switch step {
        case .wait: return
        case .push(let messages): push(messages, call)
        case .again(let round): makeAgain(call, round)
        case .againLater(let pause, let round):
            guard let id = rest(call, seconds: pause / 1000 + 1) else { return }
            let later = LaterRound(self, call.bridged?.name ?? 0, round, id)
            _ = state.loop.schedule(afterMilliseconds: pause, later, tag: 0)
        case .fail(let failure): state.reply(call, failure)
        case .toolError(let text): state.reply(call, toolError: text)
        }
    }

    private func push(_ messages: [[UInt8]], _ call: Call) {
        guard let id = rest(call, seconds: BridgeLimits.parkSeconds) else { return }
        for message in messages where !state.say(id, { $0.append(message) }) {
            guard let call = state.calls[id] else { return }
            leave(id, call)
            return state.reply(
                call, .serverFailed("the server asks the client, which has no open stream to be asked on"))
        }
    }

    /// Puts the call back into the table while no server has it.
    private func rest(_ call: Call, seconds: Int) -> CallID? {
        guard let bridged = call.bridged else { return nil }
        call.held = bridged.request
        call.incarnation = 0
        call.deadline = state.loop.now.advanced(milliseconds: seconds * 1000)
        guard let id = state.calls.insert(call) else {
            state.reply(call, .serverFailed("too many calls in flight"))
            return nil
        }
        asking[bridged.name] = id
        if case .exchange(let exchange) = call.target {
            state.note(exchange, call: id, cancelsOnLeave: false)
        }
        return id
    }

    private func leave(_ id: CallID, _ call: Call) {
        _ = state.calls.remove(id)
        forgetRounds(call)
    }

    /// The call is not one that waits for its client any more, whatever ended that.
    func forgetRounds(_ call: Call) {
        guard let bridged = call.bridged, bridged.rounds != nil else { return }
        asking[bridged.name] = nil
        guard let session = call.session else { return }
        _ = session.pushes.withdraw(call: bridged.name)
    }

    private func makeAgain(_ call: Call, _ round: ModernRewriter.Round) {
        let backend = call.backend
        guard let request = call.bridged?.request, backend.phase == .ready,
            let link = backend.link(servingModern: false), link.isServing, link.era == .modern
        else { return state.reply(call, failure: backend.unavailable(backend.notReady)) }
        call.held = nil
        call.incarnation = link.incarnation
        call.deadline = state.loop.now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
        guard let id = state.calls.insert(call) else {
            return state.reply(call, .serverFailed("too many calls in flight"))
        }
        if case .exchange(let exchange) = call.target {
            state.note(exchange, call: id, cancelsOnLeave: false)
        }
        link.sendAgain(id, call, request, round)
    }

    /// A server asked to be asked again after a pause.
    fileprivate func pauseEnded(_ name: UInt64, _ id: CallID, _ round: ModernRewriter.Round) {
        guard asking[name] == id, let call = state.calls[id] else { return }
        leave(id, call)
        makeAgain(call, round)
    }

    // MARK: Answers of clients

    /// A response that a legacy client has posted.
    func clientAnswered(_ envelope: Envelope, _ body: UnsafeRawBufferPointer, _ session: Session) {
        guard !envelope.id.isEmpty, let open = session.pushes.take(envelope.id.of(body)) else { return }
        switch open.owner {
        case .round(let name, let key): roundAnswered(name, key, open, envelope, body)
        case .child(let name, let id, let call):
            let (index, process) = (Int(name >> 32), UInt32(truncatingIfNeeded: name))
            guard let link = link(index, process) else { return }
            link.answer(CallID(value: call)) {
                Pushes.writeAnswer(body, envelope, to: open.ask, id, into: &$0)
                $0.bytes.removeLast()
            }
            impatience(with: CallID(value: call))
        }
    }

    /// People take their time: the call waits for them.
    func patience(with id: CallID) { setDeadline(id, BridgeLimits.parkSeconds) }

    private func impatience(with id: CallID) { setDeadline(id, state.settings.limits.callSeconds) }

    private func setDeadline(_ id: CallID, _ seconds: Int) {
        state.calls[id]?.deadline = state.loop.now.advanced(milliseconds: seconds * 1000)
    }
}

/// A call that is to be made again after a pause.
private final class LaterRound: TimerTarget {
    private let home: SandboxHome
    private let name: UInt64
    private let round: ModernRewriter.Round
    private let id: CallID

    init(_ home: SandboxHome, _ name: UInt64, _ round: ModernRewriter.Round, _ id: CallID) {
        self.home = home
        self.name = name
        self.round = round
        self.id = id
    }

    func timerFired(_ tag: UInt64) { home.pauseEnded(name, id, round) }
}
