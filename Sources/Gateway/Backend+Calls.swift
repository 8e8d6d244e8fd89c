import MCP
import Reactor
import System
import Wire

/// A request that waits for its server, with its bytes.
final class HeldRequest {
    let bytes: OwnedBytes
    let envelope: Envelope
    /// The server's own name for what is asked; empty when it is the client's.
    private let original: [UInt8]
    private let cutBytes: Int

    init(_ request: borrowing NorthRequest, _ route: ListCatalog.Route) {
        bytes = OwnedBytes(copying: request.body)
        envelope = request.envelope
        switch route.target {
        case .unchanged: (original, cutBytes) = ([], 0)
        case .renamed(let name): (original, cutBytes) = (Array(name), 0)
        case .withoutPrefix(let count): (original, cutBytes) = ([], count)
        }
    }

    /// Hands over what `init` was given.
    func with(_ body: (UnsafeRawBufferPointer, SouthTarget) -> Void) {
        original.withUnsafeBytes { original in
            let target: SouthTarget =
                !original.isEmpty
                ? .renamed(original) : cutBytes > 0 ? .withoutPrefix(bytes: cutBytes) : .unchanged
            bytes.withBytes { body($0, target) }
        }
    }
}

/// Calls that wait for their server, and what is said to those that it cannot serve.
extension Backend {
    /// Why no more calls are taken; nil when they are.
    func busy(_ link: ChildLink) -> CallFailure? {
        guard
            link.inFlight >= Limits.callsPerServer || link.waitingBytes > Limits.childInputBytes
                || heldCalls.count >= Limits.heldCallsPerServer
        else { return nil }
        return tooBusy(link.inFlight)
    }

    func tooBusy(_ calls: Int) -> CallFailure {
        CallFailure(
            rest: .rateLimit, code: RPCCode.internalError,
            message: "The server \(plan.name) is busy with \(calls) calls; try again in a second.",
            details: ["server": .string(plan.name), "retryAfterSeconds": .integer(1)])
    }

    /// Sends what waited for the server.
    func dispatchHeldCalls() {
        let waiting = heldCalls
        heldCalls.removeAll()
        for id in waiting {
            guard var call = state.calls[id], let held = call.held,
                let link = link(servingModern: call.isModern)
            else { continue }
            if link.era == .modern || call.isModern {
                held.with { body, _ in
                    call.bridged = bridged(call, body, held.envelope, by: link) { held }
                }
                state.calls[id] = call
            }
            if isLeased(call, by: link) {
                place(id, declared(call))
            } else {
                sendHeld(id, on: link)
            }
        }
    }

    /// Sends a call that waited with its request.
    func sendHeld(_ id: CallID, on link: ChildLink) {
        guard var call = state.calls[id], let held = call.held else { return }
        call.held = nil
        call.incarnation = link.incarnation
        call.deadline = state.loop.now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
        state.calls[id] = call
        let client = SouthClient(isModern: call.isModern, session: call.session)
        held.with {
            link.send(id, $0, held.envelope, method: call.kind.method, target: $1, client: client)
        }
    }

    /// What must be kept of a call in case that its server asks.
    func bridged(
        _ call: borrowing Call, _ body: UnsafeRawBufferPointer, _ envelope: Envelope, by link: ChildLink,
        _ request: () -> HeldRequest
    ) -> BridgedCall? {
        if link.era == .legacy {
            guard call.isModern, call.kind != .complete else { return nil }
            let bridged = BridgedCall.parkable(body, envelope, call.kind.method)
            bridged?.visits = call.bridged?.visits ?? 0
            return bridged
        }
        guard !call.isModern, call.kind != .complete, let session = call.session else { return nil }
        return BridgedCall.repeatable(session, request())
    }

    /// Whether the call goes to a process of its own.
    func isLeased(_ call: borrowing Call, by link: ChildLink) -> Bool {
        link.era == .legacy && leases.isInteractive && !leases.wanted(declared(call)).isEmpty
    }

    func declared(_ call: borrowing Call) -> ClientCapabilities {
        call.session?.capabilities ?? call.bridged?.capabilities ?? []
    }

    /// Whether the call's answer may tell that its server could not ask.
    func mayMiss(_ call: borrowing Call) -> Bool {
        (call.bridged != nil || call.session?.mayBeAsked == true) && !leases.hasAsked
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
    func callEnded(_ id: CallID, _ call: borrowing Call) {
        if call.held != nil {
            heldCalls.removeAll { $0 == id }
            home.forgetRounds(call)
        } else if let link = link(call.incarnation) {
            link.inFlight -= 1
            for asked in call.session?.pushes.abandon(call: id.value) ?? [] {
                guard case .child(_, let asking, _) = asked.owner else { continue }
                link.write { Pushes.writeUnanswered(asked.ask, to: asking, into: &$0) }
            }
            link.leftGhost(id)
        }
        releaseLease(id)
    }

    /// The process that works on `call` is told that it need not.
    func sendCancelled(_ id: CallID, _ call: borrowing Call, reason: StaticString) {
        link(call.incarnation)?.sendCancelled(id, reason: reason)
    }

    /// Every call in flight at a process is told at once what happened.
    func failCalls(of link: ChildLink, _ what: String) {
        let own = link.incarnation
        for id in state.calls.ids(where: { $0.backend === self && $0.incarnation == own && $0.held == nil }) {
            if let call = state.calls.remove(id) { failCall(id, call, what) }
        }
        link.inFlight = 0
    }

    /// Every call, wherever it waits.
    func failAllCalls(_ what: String) {
        heldCalls.removeAll()
        for id in state.calls.ids(where: { $0.backend === self }) {
            if let call = state.calls.remove(id) { failCall(id, call, what) }
        }
        for link in links { link.inFlight = 0 }
    }

    private func failCall(_ id: CallID, _ call: Call, _ what: String) {
        let failure = unavailable("The server \(plan.name) ended during the call: \(what).")
        home.forgetRounds(call)
        _ = call.session?.pushes.withdraw(call: id.value)
        if call.isParked { return home.parkedLost(id, call, failure) }
        state.reply(call, failure: failure)
    }

    func unavailable(_ message: String) -> CallFailure {
        CallFailure(
            rest: .serverUnavailable, code: -32603, message: redacted(message),
            details: [
                "server": .string(plan.name), "state": .string(stateName),
                "lastError": lastError.map { .string(redacted($0)) } ?? .null,
                "stderr": .array(stderr.lines.suffix(5).map { .string(redacted($0)) }),
            ])
    }

    func wroteToStderr(_ bytes: UnsafeRawBufferPointer) { stderr.append(bytes) }
}
