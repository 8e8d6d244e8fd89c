import MCP
import Reactor
import System
import Wire

/// A call that was called off and has no answer.
struct Ghost {
    let since: Instant
    /// `Call.subject`.
    let subject: Int
}

/// Requests of a server of the older era, which on stdio do not say for which call they are made.
extension ServerLink {
    /// The request must be answered in any case: a server waits for it. `call` is the one in whose own response it
    /// came, where there is such a thing.
    func asked(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, during call: UInt64? = nil) {
        // A server of 2026-07-28 must not ask so, and nobody may answer it.
        guard era == .legacy else {
            state.counters.stdoutNoise &+= 1
            return
        }
        let id = envelope.id.of(line)
        guard let ask = Ask(envelope, line, by: profile?.revision ?? .newestHandshake) else {
            return tell {
                SouthLine.answer(MethodName(envelope, in: line), id: id, into: &$0)
                $0.bytes.removeLast()
            }
        }
        if let call { return bring(ask, id, to: CallID(value: subject(call))) }
        if let task = relayed(ask) {
            namesTasks = true
            guard let follower = follower(of: task) else {
                return tell(.serverFailed("the client does not wait for the result of this task"), id)
            }
            return bring(ask, id, to: follower)
        }
        let holder = holder
        let own = (holder.map { [$0] } ?? clientCalls) + (namesTasks ? [] : followers)
        let candidates = own + ghosts.keys.filter { $0 != holder }
        switch Attribution.of(leasedTo: nil, inFlight: candidates) {
        case .call(let call): bring(ask, id, to: CallID(value: call))
        case .unsolicited: answerUnsolicited(ask, id)
        case .ambiguous:
            defer { backend.trialMayAsk(occupies: isShared && isAsking) }
            if let lacking = lackedByAll(ask) { return tell(ask.refusal(declared: lacking), id) }
            if !doubts.add(ask, id: id, among: candidates, now: state.loop.now) { refuse(ask, id) }
        }
    }

    /// What the clients of all calls have declared, when none of them can be asked this; else nil.
    private func lackedByAll(_ ask: Ask) -> ClientCapabilities? {
        var all = ClientCapabilities()
        for call in clientCalls {
            let declared = state.calls[CallID(value: call)].map { backend.declared($0) } ?? []
            if declared.isSuperset(of: ask.needs) { return nil }
            all.formUnion(declared)
        }
        return all
    }

    /// Other calls than the one that asks may be under way in this process.
    private var isShared: Bool { role == .main || role == .mirror }

    /// The call that has this process for itself.
    private var holder: UInt64? {
        guard case .interactive(let slot, _) = role else { return nil }
        return backend.leases.holder(of: slot)
    }

    /// Calls of clients that this process works on. Questions about tasks are none.
    var clientCalls: [UInt64] { calls { !$0.kind.isOfTask } }

    private func calls(where condition: (borrowing Call) -> Bool) -> [UInt64] {
        let (backend, process) = (backend, incarnation)
        return state.calls.ids {
            !$0.isOwn && $0.backend === backend && $0.incarnation == process && $0.held == nil
                && condition($0)
        }.map(\.value)
    }

    /// The task that asks, where it is one that its client follows itself.
    private func relayed(_ ask: Ask) -> RelayedTasks.Place? {
        ask.params.withUnsafeBytes { relayedTask($0)?.place }
    }

    /// The task that a message is about, as its params say.
    func relayedTask(_ params: UnsafeRawBufferPointer) -> RelayedTasks.Entry? {
        guard !backend.home.relayedTasks.isEmpty, let id = TaskRewriter.related(params) else { return nil }
        return backend.home.relayedTasks[
            RelayedTasks.Place(server: backend.index, process: incarnation, id: id)]
    }

    /// The `tasks/result` on whose stream a task asks.
    private func follower(of task: RelayedTasks.Place) -> CallID? {
        followers.map { CallID(value: $0) }.first { state.calls[$0]?.task?.place == task }
    }

    private var followers: [UInt64] { calls { $0.kind == .ofTask(.result) } }

    func bring(_ ask: Ask, _ id: UnsafeRawBufferPointer, to call: CallID) {
        hasAsked = true
        guard let asked = state.calls[call] else {
            return tell(.serverFailed("the call that this request belongs to was cancelled"), id)
        }
        // What is called next, be it only for having waited for this, is not mixed up with the one that asks.
        defer { backend.noteAsker(asked, occupies: isShared && isAsking) }
        if asked.isModern {
            backend.home.park(call, asked, ask, id)
            if asked.isParked { noteAsking(call) }
        } else if let session = asked.session {
            push(ask, id, call, asked, session)
        } else {
            // Plain HTTP has no way back.
            answer(call) { ask.refusal(declared: []).write(id: id, into: &$0) }
        }
    }

    /// Asks a legacy client, on the stream of its call.
    private func push(
        _ ask: Ask, _ id: UnsafeRawBufferPointer, _ callID: CallID, _ call: borrowing Call, _ session: Session
    ) {
        guard session.capabilities.isSuperset(of: ask.needs) else {
            return answer(callID) { ask.refusal(declared: session.capabilities).write(id: id, into: &$0) }
        }
        let worded: Ask
        do throws(RPCFailure) {
            worded = try ask.worded(for: session.revision)
        } catch {
            return answer(callID) { error.write(id: id, into: &$0) }
        }
        let owner = Pushes.Owner.child(name, id: Array(id), call: callID.value)
        guard let pushed = session.pushes.add(ask, for: owner) else {
            let failure = RPCFailure.serverFailed("too many requests to the client are open")
            return answer(callID) { failure.write(id: id, into: &$0) }
        }
        let isSent = state.say(callID) {
            worded.writeRequest(
                id: pushed, revision: session.revision, elicitationID: Identifiers.uuid(),
                task: call.task?.exposed ?? [], into: &$0)
        }
        guard isSent else {
            pushed.withUnsafeBytes { _ = session.pushes.take($0) }
            let failure = RPCFailure.serverFailed("the client has no open stream to be asked on")
            return answer(callID) { failure.write(id: id, into: &$0) }
        }
        noteAsking(callID)
        backend.home.patience(with: callID)
    }

    private func noteAsking(_ call: CallID) {
        if isShared { asking.insert(call.value) }
    }

    /// Whether a call that shares this process with others waits for its client, or has done so.
    var isAsking: Bool {
        if asking.isEmpty { return !doubts.isEmpty }
        asking = asking.filter { state.calls.contains(CallID(value: $0)) }
        return !asking.isEmpty || !doubts.isEmpty
    }

    /// Names this very process among all of its sandbox.
    var name: UInt64 { UInt64(UInt32(truncatingIfNeeded: backend.index)) << 32 | UInt64(incarnation) }

    private func answerUnsolicited(_ ask: Ask, _ id: UnsafeRawBufferPointer) {
        guard ask.kind == .roots else {
            return tell(.invalidRequest("\(ask.method.text) must belong to a request of the client"), id)
        }
        tell { Answers.result(id: id, Array(#"{"roots":[]}"#.utf8), into: &$0) }
    }

    /// Whose request it is cannot be told: it is nobody's, and the next such call gets a process of its own.
    private func refuse(_ ask: Ask, _ id: UnsafeRawBufferPointer) {
        backend.learnAsking()
        tell(.serverFailed("it is not known which of several calls this request belongs to"), id)
    }

    private func tell(_ failure: RPCFailure, _ id: UnsafeRawBufferPointer) {
        tell { failure.write(id: id, into: &$0) }
    }

    // MARK: What ends

    /// A client's call has been answered: what was in doubt may be certain now.
    func resolveDoubts(answered call: CallID) {
        for certain in doubts.answered(call.value) {
            certain.doubt.id.withUnsafeBytes { bring(certain.doubt.ask, $0, to: CallID(value: certain.call)) }
        }
    }

    /// Its process is gone, and whatever it was at.
    func forgetCalls() {
        doubts.removeAll()
        ghosts = [:]
        asking = []
        ghostsChanged()
    }

    /// A client's call was called off; what the process asks may still be for it.
    func leftGhost(_ id: CallID, _ call: Call) {
        guard era == .legacy, ghosts.count < BridgeLimits.ghostsMax else { return }
        ghosts[id.value] = Ghost(since: state.loop.now, subject: call.subject)
        ghostsChanged()
    }

    /// Whether a call that was called off may still ask.
    var isHaunted: Bool {
        !ghosts.isEmpty && ghosts.values.contains { !backend.asksNothing($0.subject) }
    }

    private func ghostsChanged() {
        if isShared { backend.haunted(isHaunted) }
    }

    /// An answer that nobody waits for. It may be to a call that was called off.
    func strayed(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if era == .modern, let id = CallID(decimal: envelope.id.of(line)), Hearing.owns(id.value) {
            return hearing.took(id.value, envelope)
        }
        state.counters.strayAnswers &+= 1
        guard !ghosts.isEmpty, let id = CallID(decimal: envelope.id.of(line)),
            let ghost = ghosts.removeValue(forKey: id.value)
        else { return }
        gaveUp(id, ghost.subject)
        isFree(of: id)
        ghostsChanged()
    }

    private func forgetGhosts(_ now: Instant) {
        for (call, ghost) in ghosts
        where now.milliseconds(since: ghost.since) > BridgeLimits.ghostMilliseconds {
            ghosts[call] = nil
            gaveUp(CallID(value: call), ghost.subject)
            isFree(of: CallID(value: call))
        }
        ghostsChanged()
    }

    /// A call has ended otherwise than well, perhaps before the answer to what it had asked: what it may have asked is
    /// nobody's now, unless it is of what has never asked.
    func gaveUp(_ call: CallID, _ subject: Int) {
        guard !doubts.isEmpty, !backend.asksNothing(subject) else { return }
        for doubt in doubts.lost(call.value) { doubt.id.withUnsafeBytes { refuse(doubt.ask, $0) } }
    }

    /// Once a second.
    func tick(_ now: Instant) {
        if !ghosts.isEmpty { forgetGhosts(now) }
        settleLogs(now)
        guard !doubts.isEmpty else { return }
        let hopeless = doubts.expire(now: now) + doubts.deadlocked(now: now)
        for doubt in hopeless { doubt.id.withUnsafeBytes { refuse(doubt.ask, $0) } }
    }

    /// `notifications/cancelled` of the server: it takes a request of its own back, often because people are slow.
    func withdrew(_ id: UnsafeRawBufferPointer) {
        guard !id.isEmpty, !doubts.withdrew(id: id) else { return }
        for call in clientCalls + followers {
            guard let asked = state.calls[CallID(value: call)] else { continue }
            if asked.isParked { backend.home.parking.withdrew(call, id: id) }
            guard let session = asked.session else { continue }
            for pushed in session.pushes.withdraw(child: name, id: id) {
                state.say(CallID(value: call)) { Pushes.writeCancelled(pushed, into: &$0) }
            }
        }
    }
}
