import MCP
import Reactor
import System
import Wire

/// A request that waits for its server, with its bytes.
final class HeldRequest {
    let bytes: OwnedBytes
    let envelope: Envelope
    /// What it names is in no list yet: its server is known by the prefix alone.
    var isUnlisted = false
    /// The server's own name for what is asked; empty when it is the client's.
    private var original: [UInt8] = []
    private var cutBytes = 0

    init(_ request: borrowing NorthRequest, _ route: ListCatalog.Route) {
        bytes = OwnedBytes(copying: request.body)
        envelope = request.envelope
        direct(to: route.target)
    }

    /// Under which name its server is asked.
    func direct(to target: SouthTarget) {
        switch target {
        case .unchanged: (original, cutBytes) = ([], 0)
        case .renamed(let name): (original, cutBytes) = (Array(name), 0)
        case .withoutPrefix(let count): (original, cutBytes) = ([], count)
        }
    }

    /// Hands over what `init` was given.
    func with(_ body: (UnsafeRawBufferPointer, UnsafePointer<Envelope>, SouthTarget) -> Void) {
        original.withUnsafeBytes { original in
            let target: SouthTarget =
                !original.isEmpty
                ? .renamed(original) : cutBytes > 0 ? .withoutPrefix(bytes: cutBytes) : .unchanged
            bytes.withBytes { bytes in withUnsafePointer(to: envelope) { body(bytes, $0, target) } }
        }
    }
}

/// Calls that wait for their server, and what is said to those that it cannot serve.
extension Backend {
    /// Why no more calls are taken; nil when they are.
    func busy(_ link: ServerLink) -> CallFailure? {
        guard
            link.inFlight >= Limits.callsPerServer || link.waitingBytes > Limits.childInputBytes
                || heldCalls.count + trials.count >= Limits.heldCallsPerServer
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
        for id in waiting where isListed(id) { dispatch(id) }
    }

    /// Sends a call that waits with its request, unless it has ended meanwhile.
    func dispatch(_ id: CallID) {
        guard let call = state.calls[id], let held = call.held,
            let link = link(servingModern: call.isModern)
        else { return }
        if mirrorOpening != nil, !call.isModern {
            return backChannelCalls.append(BackChannelCall(id: id, failure: []))
        }
        if link.era == .modern || call.isModern {
            held.with { body, envelope, _ in
                call.bridged = bridged(call, body, envelope, by: link) { held }
            }
        }
        if link.runsTasks {
            var refusal: CallFailure?
            held.with { refusal = prepareTask(call, link, $0, $1, $2) { held } }
            if let refusal {
                _ = state.calls.remove(id)
                if call.isOnTrial { trialLeft(call) }
                return state.reply(call, failure: refusal)
            }
        }
        let way = way(of: call, by: link)
        if way == .shared { return sendHeld(id, on: session(for: call, link)) }
        place(id, declared(call), way)
    }

    func sendHeld(_ id: CallID, on link: ServerLink) {
        guard let call = state.calls[id], let held = call.held else { return }
        call.held = nil
        call.incarnation = link.incarnation
        call.deadline = state.loop.now.advanced(milliseconds: state.settings.limits.callSeconds * 1000)
        held.with { link.send(id, call, $0, $1, target: $2) }
    }

    /// What must be kept of a call in case that its server asks.
    func bridged(
        _ call: Call, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        by link: ServerLink,
        _ request: () -> HeldRequest
    ) -> BridgedCall? {
        if link.era == .legacy {
            guard call.isModern, call.kind != .complete else { return nil }
            let bridged = BridgedCall.parkable(body, envelope.pointee, call.kind.method)
            bridged?.visits = call.bridged?.visits ?? 0
            if bridged != nil { call.subject = Self.subject(envelope, body) }
            return bridged
        }
        guard !call.isModern, call.kind != .complete, let session = call.session else { return nil }
        return BridgedCall.repeatable(session, request())
    }

    /// What the call is to a server that has tasks: its client's, the gateway's to look after, or neither. Returns why
    /// it can be none of them.
    func prepareTask(
        _ call: Call, _ link: ServerLink, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        _ target: SouthTarget, _ request: () -> HeldRequest
    ) -> CallFailure? {
        guard call.kind == .call || call.kind == .rest else { return nil }
        let wish = JSONMembers.value("task", in: envelope.pointee.params.of(body))
        if wish != nil, !call.isModern, link.era == .modern || call.session == nil { return notAsTask }
        if link.era == .modern {
            let follows =
                call.isModern
                && ClientCapabilities.followsTasks(object: envelope.pointee.metaClientCapabilities.of(body))
            call.task = follows ? TaskCall(.offered, nil) : TaskCall(.unaware, request())
            return nil
        }
        let range = RequestRewriter.targetRange(envelope, .toolsCall, body)
        let support = range.flatMap { target.name(of: $0.of(body)) }.flatMap { taskTools[$0] }
        guard let wish else {
            if support == .required { call.task = TaskCall(.asked, nil) }
            return nil
        }
        guard support != nil, let session = call.session, session.revision >= .v2025_11_25 else {
            return notAsTask
        }
        guard JSONKind(wish) == .object else {
            return CallFailure(
                rest: .invalidArgument, code: RPCCode.invalidParams, message: "params.task must be an object")
        }
        call.task = TaskCall(.offered, nil)
        return nil
    }

    /// Tools §Tool-Level Negotiation (2025-11-25).
    private var notAsTask: CallFailure {
        CallFailure(
            rest: .invalidArgument, code: RPCCode.methodNotFound,
            message: "This tool cannot be called as a task here: make the call again without params.task.")
    }

    enum Way {
        /// The process that serves everybody.
        case shared
        /// A process, or a session at a remote server, that may ask the call's client.
        case own
        /// One of the two, when it is known whether what is called asks.
        case afterTrial
    }

    func way(of call: Call, by link: ServerLink) -> Way {
        if isRemote { return awaitsSession(call, link) ? .own : .shared }
        let mayNeed = leases.isInteractive || call.subject != 0
        guard link.era == .legacy, mayNeed, link is ChildLink, !leases.wanted(declared(call)).isEmpty else {
            return .shared
        }
        let isAlone = link.inFlight == 0 && !link.isHaunted
        let wouldDoubt = link.isAsking || !isAlone && askers.contains(call.subject)
        if leases.isInteractive(besideOthers: wouldDoubt) { return .own }
        return awaitsTrial(call) ? .afterTrial : .shared
    }

    /// By hash, what a request names: a tool, a prompt or a resource.
    static func subject(_ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer) -> Int {
        var hasher = Hasher()
        hasher.combine(bytes: envelope.pointee.name.of(body))
        hasher.combine(bytes: envelope.pointee.uri.of(body))
        return hasher.finalize()
    }

    func declared(_ call: Call) -> ClientCapabilities {
        call.session?.capabilities ?? call.bridged?.capabilities ?? []
    }

    /// Whether there is more to do with the call's answer than to pass it on: it may tell that its server could not
    /// ask, or say what the client does not know.
    func mayMiss(_ call: Call) -> Bool {
        guard let session = call.session else { return call.bridged != nil && !leases.hasAsked }
        return session.isOld || session.mayBeAsked && !leases.hasAsked
    }

    /// The server will not be ready soon: whoever waits for it is told.
    func releaseHeldCalls() {
        let waiting = heldCalls + trials.removeAll().map { CallID(value: $0.call) }
        heldCalls.removeAll()
        for id in waiting {
            guard let call = state.calls.remove(id) else { continue }
            state.reply(call, failure: notMade(call))
        }
    }

    var notReady: String {
        "The server \(plan.name) is not available: \(stateName)" + (lastError.map { ": \($0)" } ?? "") + "."
    }

    /// Why a call was not sent in time.
    var waitedInVain: CallFailure {
        // It waited for one of those that may ask.
        if phase == .ready, main?.isServing == true { return tooBusy(leases.holders.count) }
        return unavailable("The server \(plan.name) was not ready within \(Limits.heldCallSeconds) s.")
    }

    /// A call has left the table before its answer.
    func callEnded(_ id: CallID, _ call: Call) {
        if call.held != nil {
            heldCalls.removeAll { $0 == id }
            trials.left(id.value)
            backChannelCalls.removeAll { $0.id == id }
            home.forgetRounds(call)
        } else if let link = link(call.incarnation) {
            link.inFlight -= 1
            for asked in call.session?.pushes.abandon(call: id.value) ?? [] {
                guard case .child(_, let asking, _) = asked.owner, call.task?.isAsking != true else {
                    continue
                }
                link.tell {
                    Pushes.writeUnanswered(asked.ask, to: asking, into: &$0)
                    $0.bytes.removeLast()
                }
            }
            link.leftGhost(id, call)
        }
        if call.isOnTrial { trialLeft(call) }
        if !isGhost(id, call) { releaseLease(id) }
    }

    /// Whether a process of its own may still be at the call: what it asks would be taken for the next one's.
    private func isGhost(_ id: CallID, _ call: Call) -> Bool {
        guard call.held == nil, let link = link(call.incarnation) as? ChildLink else { return false }
        return link.ghosts[id.value] != nil
    }

    /// The process that works on `call` is told that it need not.
    func sendCancelled(_ id: CallID, _ call: Call, reason: StaticString) {
        guard let link = link(call.incarnation) else { return }
        if let task = call.task, task.driver != nil { return link.cancelTask(task, id, call) }
        link.sendCancelled(id, reason: reason)
    }

    /// Every call in flight at a process is told at once what happened.
    func failCalls(of link: ServerLink, _ what: String) {
        let own = link.incarnation
        for id in state.calls.ids(where: { $0.backend === self && $0.incarnation == own && $0.held == nil }) {
            if let call = state.calls.remove(id) { failCall(id, call, what) }
        }
        link.inFlight = 0
    }

    /// Every call, wherever it waits.
    func failAllCalls(_ what: String) {
        heldCalls.removeAll()
        _ = trials.removeAll()
        backChannelCalls.removeAll()
        for id in state.calls.ids(where: { $0.backend === self }) {
            if let call = state.calls.remove(id) { failCall(id, call, what) }
        }
        for link in links { link.inFlight = 0 }
    }

    private func failCall(_ id: CallID, _ call: Call, _ what: String) {
        fail(id, call, unavailable("The server \(plan.name) ended during the call: \(what)."))
    }

    /// A call that has left the table ends without an answer of its server.
    func fail(_ id: CallID, _ call: Call, _ failure: CallFailure) {
        if case .taskLook(let look) = call.kind { return home.lookFailed(look) }
        if call.isOnTrial { trialLeft(call) }
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
