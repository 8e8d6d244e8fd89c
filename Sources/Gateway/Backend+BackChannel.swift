import MCP
import System
import Wire

/// A call of a client of the older era that waits for its server's process or connection of that era.
struct BackChannelCall {
    let id: CallID
    /// What the server has said for want of a way to ask; empty when the call has not been sent.
    let failure: [UInt8]
}

/// Servers that speak both eras and ask in the older one's way alone: clients of that era get a process or connection
/// of it, in which they can be asked.
extension Backend {
    /// The call is made again there, from its beginning, as 2026-07-28 makes every call that asks. True when it waits
    /// for that; false when the failure stands.
    func openBackChannel(for call: Call, _ failure: UnsafeRawBufferPointer) -> Bool {
        learnAsking()
        startMirror()
        guard let mirror, let request = call.bridged?.request, call.bridged?.rounds == nil else {
            return false
        }
        call.held = request
        call.incarnation = 0
        call.deadline = state.loop.now.advanced(milliseconds: Limits.heldCallSeconds * 1000)
        guard let id = state.calls.insert(call) else {
            call.held = nil
            return false
        }
        if case .exchange(let exchange) = call.target {
            state.note(exchange, call: id, cancelsOnLeave: false)
        }
        if mirror.isServing {
            dispatch(id)
        } else {
            backChannelCalls.append(BackChannelCall(id: id, failure: Array(failure)))
        }
        return true
    }

    /// The mirror serves.
    func backChannelOpened() {
        let waiting = backChannelCalls
        backChannelCalls = []
        for call in waiting { dispatch(call.id) }
    }

    /// It is not there yet, and whoever needs no way to ask waits no longer.
    func mirrorAwaited() {
        guard mirrorOpening != nil else { return }
        mirrorOpening = nil
        let waiting = backChannelCalls.filter(\.failure.isEmpty)
        backChannelCalls.removeAll(where: \.failure.isEmpty)
        for call in waiting { dispatch(call.id) }
    }

    /// There will be no mirror: what the server has said is its answer.
    func backChannelRefused() {
        let waiting = backChannelCalls
        backChannelCalls = []
        for refused in waiting {
            guard let call = state.calls.remove(refused.id) else { continue }
            refused.failure.withUnsafeBytes { line in
                guard var envelope = try? Envelope.scan(line) else { return }
                state.reply(call, &envelope, line, server: .modern)
            }
        }
    }
}
