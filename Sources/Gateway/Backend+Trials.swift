import MCP
import Wire

/// Calls that wait until it is known whether what they call asks its client.
extension Backend {
    /// Whether the call must wait for another one's trial; it is one itself when there is none.
    func awaitsTrial(_ call: Call) -> Bool {
        guard leases.learns, call.subject != 0, !call.isOnTrial else { return false }
        if askers.contains(call.subject) {
            call.isOnTrial = true
            trials.begin(call.subject, now: state.loop.now)
            return false
        }
        switch trials.admit(call.subject, now: state.loop.now) {
        case .known: return false
        case .first:
            call.isOnTrial = true
            return false
        case .wait: return true
        }
    }

    /// It has been answered. An error teaches nothing: it may have come before the call was at what it would have
    /// asked.
    func trialAnswered(_ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if isError(envelope, line) { return trialLeft(call) }
        if !askers.contains(call.subject) { state.shared.noteTried(launchKey, call.subject) }
        trialEnded(call)
    }

    private func trialEnded(_ call: Call) {
        call.isOnTrial = false
        tryNext(trials.ended(call.subject, now: state.loop.now))
    }

    /// It has been called off, or its process is gone.
    func trialLeft(_ call: Call) {
        call.isOnTrial = false
        tryNext(trials.abandoned(call.subject, now: state.loop.now))
    }

    /// The server has asked during `call`: the next one of its kind shall not be mixed up with others.
    /// - Parameter occupies: nobody else is to be asked from the process that serves everybody.
    func noteAsker(_ call: Call, occupies: Bool) {
        if call.subject != 0 { addAsker(call.subject) }
        if call.isOnTrial { trialEnded(call) }
        if occupies { freeAll() }
    }

    /// A call that was called off may still ask, in the process that serves everybody.
    func haunted(_ isHaunted: Bool) { tryNext(trials.hold(isHaunted, now: state.loop.now)) }

    /// Whoever waits gets a process of its own.
    func freeAll() {
        if trials.count > 0 { tryNext(trials.removeAll()) }
    }

    /// The server asks, and it may be for what is on trial: whoever waits for that does so no longer.
    func trialMayAsk(occupies: Bool) {
        for subject in trials.subjects {
            addAsker(subject)
            tryNext(trials.ended(subject, now: state.loop.now))
        }
        if occupies { freeAll() }
    }

    private func addAsker(_ subject: Int) {
        guard askers.count < BridgeLimits.askersMax, askers.insert(subject).inserted else { return }
        state.shared.forgetTried(launchKey, subject)
    }

    /// It has been called and did not ask.
    func asksNothing(_ subject: Int) -> Bool { trials.hasTried(subject) && !askers.contains(subject) }

    func tryNext(_ calls: [Trials.Freed]) {
        for freed in calls {
            let id = CallID(value: freed.call)
            guard let call = state.calls[id] else { continue }
            call.isOnTrial = freed.trial != nil
            if phase == .ready, main?.isServing == true { dispatch(id) } else { heldCalls.append(id) }
        }
    }
}
