import MCP

/// Calls that wait until it is known whether what they call asks its client.
extension Backend {
    /// Whether the call must wait for another one's trial; it is one itself when there is none.
    func awaitsTrial(_ call: Call) -> Bool {
        guard leases.learns, call.subject != 0, !call.isOnTrial, !askers.contains(call.subject) else {
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

    /// It has been answered, or has asked.
    func trialEnded(_ call: Call) {
        call.isOnTrial = false
        tryNext(trials.ended(call.subject))
    }

    /// It has been called off.
    func trialLeft(_ call: Call) {
        call.isOnTrial = false
        tryNext(trials.abandoned(call.subject))
    }

    /// The server has asked during `call`: the next one of its kind shall not be mixed up with others.
    func noteAsker(_ call: Call) {
        guard call.subject != 0 else { return }
        if askers.count < BridgeLimits.askersMax { askers.insert(call.subject) }
        if call.isOnTrial { trialEnded(call) }
    }

    /// The server asks, and it may be for what is on trial: whoever waits for that does so no longer.
    func trialMayAsk() {
        guard let subject = trials.subject, askers.count < BridgeLimits.askersMax else { return }
        askers.insert(subject)
        tryNext(trials.ended(subject))
    }

    func tryNext(_ calls: [UInt64]) {
        for call in calls {
            let id = CallID(value: call)
            guard state.calls[id] != nil else { continue }
            if phase == .ready, main?.isServing == true { dispatch(id) } else { heldCalls.append(id) }
        }
    }
}
