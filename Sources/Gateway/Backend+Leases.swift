import MCP
import Reactor
import System
import Wire

/// What follows when a server could not ask the client of a call.
enum MissedClient {
    case nothing
    /// The call is made again: the answer is not its last word.
    case madeAgain
    /// What the client is told in place of an answer that would blame it.
    case refused(RPCFailure)
}

/// Processes that may ask their clients: each works on one call at a time, so that what it asks is that call's.
extension Backend {
    /// Finds a process for a call that waits with its request.
    func place(_ id: CallID, _ declared: ClientCapabilities, _ way: Way) {
        if isRemote { return placeInSession(id, declared) }
        if way == .afterTrial, let call = state.calls[id] {
            return trials.wait(id.value, for: call.subject, now: state.loop.now)
        }
        // Whoever comes here has been found in need of one.
        go(id, leases.place(id.value, declared: declared, besideOthers: true, now: state.loop.now))
    }

    private func go(_ id: CallID, _ placement: Leases.Placement) {
        switch placement {
        case .plain:
            if let link = link(servingModern: false) { sendHeld(id, on: link) }
        case .lease(let child):
            guard let link = interactive[child] else { return lost(id) }
            if link.isServing { sendHeld(id, on: link) } else { link.waiting = id }
        case .start(let child, let capabilities): startInteractive(child, capabilities, for: id)
        case .wait:
            wait(id, seconds: BridgeLimits.leaseMilliseconds / 1000)
            makeRoom()
        case .refuse:
            guard let call = state.calls.remove(id) else { return }
            if call.isOnTrial { trialLeft(call) }
            state.reply(call, failure: tooBusy(BridgeLimits.leaseQueueMax))
        }
    }

    /// A call whose process vanished between two steps.
    private func lost(_ id: CallID) {
        guard let call = state.calls.remove(id) else { return }
        callEnded(id, call)
        state.reply(call, failure: unavailable("The server \(plan.name) lost the process for this call."))
    }

    private func wait(_ id: CallID, seconds: Int) {
        guard let call = state.calls[id] else { return }
        call.deadline = state.loop.now.advanced(milliseconds: seconds * 1000)
    }

    private func startInteractive(_ child: Int, _ capabilities: ClientCapabilities, for id: CallID) {
        if let old = interactive[child] {
            retiring.append(old)
            old.stop()
        }
        let link = ChildLink(.interactive(slot: child, capabilities), of: self)
        link.waiting = id
        interactive[child] = link
        wait(id, seconds: Limits.initializeSeconds)
        link.start(.serve(.legacy))
    }

    func interactiveServes(_ link: ChildLink) {
        link.settled()
        link.hearing.begin(link)
        guard let id = link.waiting else { return }
        link.waiting = nil
        sendHeld(id, on: link)
    }

    /// The call that had it has been told; the one that waited for its start has not.
    func interactiveGone(_ link: ChildLink, _ slot: Int, _ how: String) {
        retiring.removeAll { $0 === link }
        guard interactive[slot] === link else { return }
        interactive[slot] = nil
        if let id = link.waiting, let call = state.calls.remove(id) {
            if call.isOnTrial { trialLeft(call) }
            state.reply(
                call, failure: unavailable("A process of the server \(plan.name) did not start: \(how)."))
        }
        if let next = leases.ended(slot) { go(CallID(value: next.call), next.placement) }
    }

    /// Calls wait for processes, and those that hold them may wait for clients that never come back.
    func makeRoom() {
        guard leases.waiterCount > 0 else { return }
        let holders = leases.holders
        let leaving = holders.count { !state.calls.contains(CallID(value: $0)) }
        var wanted = leases.waiterCount - leaving
        while wanted > 0, home.giveUpForsaken(of: holders) { wanted -= 1 }
    }

    /// A call is over; its process is free for the next one.
    func releaseLease(_ id: CallID) {
        guard !leases.isUnused, let next = leases.release(id.value) else { return }
        go(CallID(value: next.call), next.placement)
    }

    /// It wanted to ask and could not: from now on it gets processes that may.
    func learnAsking() {
        guard !leases.hasAsked else { return }
        leases.learn()
        state.shared.noteAsking(launchKey)
        // They need not know more.
        freeAll()
    }

    /// Tools of some SDKs fail with a sentence when their client has not declared what they need, or when they ask
    /// in the older era's way during a request of the newer.
    func watchForMissedClient(
        _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer, of era: Era
    ) -> MissedClient {
        guard !leases.hasAsked || era == .modern, era == .legacy || !call.isModern else { return .nothing }
        let declared = declared(call)
        guard !leases.wanted(declared).isEmpty else { return .nothing }
        // A remote server has been told what the call's client has.
        if era == .legacy, leases.learns, main is ChildLink,
            leases.isDemanded(by: envelope, line, of: declared)
        {
            learnAsking()
            return .refused(
                .serverFailed(
                    "the server \(plan.name) has refused the call, as its process had not been told what the client can "
                        + "do; from now on it is: make the call again"))
        }
        return watchForWords(call, envelope, line, of: era) ? .madeAgain : .nothing
    }

    private func watchForWords(
        _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer, of era: Era
    ) -> Bool {
        guard call.kind == .call, isError(envelope, line) else { return false }
        let said = envelope.kind == .failure ? envelope.error.of(line) : envelope.result.of(line)
        switch era {
        case .legacy:
            if Leases.missesClient(said) { learnAsking() }
            return false
        case .modern: return Leases.missesBackChannel(said) && openBackChannel(for: call, line)
        }
    }

    /// What a tool says when it fails is short.
    func isError(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) -> Bool {
        let said = envelope.result.of(line)
        return envelope.kind == .failure || said.count < 4096 && said.holds(#""isError":true"#)
    }
}

extension UnsafeRawBufferPointer {
    /// An exact search, for short texts.
    fileprivate func holds(_ text: StaticString) -> Bool {
        let wanted = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        var at = 0
        while at + wanted.count <= count {
            if self[at] == wanted[0], self[at..<(at + wanted.count)].elementsEqual(wanted) { return true }
            at += 1
        }
        return false
    }
}
