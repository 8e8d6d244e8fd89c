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
        return CallFailure(
            rest: .rateLimit, code: RPCCode.internalError,
            message: "The server \(plan.name) is busy with \(link.inFlight) calls; try again in a second.",
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
            call.held = nil
            call.incarnation = link.incarnation
            call.deadline = state.loop.now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
            state.calls[id] = call
            let client = SouthClient(isModern: call.isModern, session: call.session)
            held.with {
                link.send(id, $0, held.envelope, method: call.kind.method, target: $1, client: client)
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
    func callEnded(_ id: CallID, _ call: borrowing Call) {
        if call.held != nil {
            heldCalls.removeAll { $0 == id }
        } else {
            link(call.incarnation)?.inFlight -= 1
        }
    }

    /// The process that works on `call` is told that it need not.
    func sendCancelled(_ id: CallID, _ call: borrowing Call, reason: StaticString) {
        link(call.incarnation)?.sendCancelled(id, reason: reason)
    }

    /// Every call in flight at a process is told at once what happened.
    func failCalls(of link: ChildLink, _ what: String) {
        let own = link.incarnation
        for id in state.calls.ids(where: { $0.backend === self && $0.incarnation == own && $0.held == nil }) {
            guard let call = state.calls.remove(id) else { continue }
            state.reply(call, failure: unavailable("The server \(plan.name) ended during the call: \(what)."))
        }
        link.inFlight = 0
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
