import MCP
import Reactor
import System
import Wire

/// Calls of modern clients at servers that ask while they work: each is parked while its client finds the answer,
/// and goes on when the client comes back. The south half of such a call stays in the table under its id; each
/// exchange of the client that waits for it is a call of its own there, which no server knows.
extension SandboxHome {
    /// The server asks the client of `call`.
    func park(_ id: CallID, _ call: Call, _ ask: Ask, _ askID: UnsafeRawBufferPointer) {
        let actions = parking.asked(
            ask, id: askID, call: id.value, digest: call.bridged?.digest ?? .none,
            capabilities: call.bridged?.capabilities ?? [], consumer: id.value, now: state.loop.now)
        if parking.isParked(id.value) { call.isParked = true }
        perform(actions, of: id)
        scheduleBridge()
    }

    /// The server has answered a parked call, which has left the table.
    func parkedAnswered(
        _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer
    ) {
        let isError = envelope.pointee.kind == .failure
        guard let actions = parking.answered(id.value, line: line, isError: isError) else {
            return state.reply(call, envelope, line, server: .legacy)
        }
        perform(actions, of: id, answered: call)
        scheduleBridge()
    }

    /// A progress notification for a parked call goes to whoever waits for it now.
    func parkedProgress(_ id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard parking.progressed(id.value, line: line), let consumer = parking.consumer(of: id.value) else {
            return
        }
        state.sendProgress(CallID(value: consumer), envelope, line)
    }

    /// The exchange that waits for a parked call is closed, or has waited too long: its revision says that this
    /// cancels.
    func parkedLeft(_ id: CallID, _ call: Call) {
        let south = call.isParked ? id : call.bridged?.south ?? .none
        if !call.isParked { _ = state.calls.remove(id) }
        perform(parking.disconnected(south.value, consumer: id.value), of: south)
        scheduleBridge()
    }

    /// Its process is gone. What the exchange that waits for it is told.
    func parkedLost(_ id: CallID, _ call: Call, _ failure: CallFailure) {
        let consumer = parking.consumer(of: id.value)
        _ = parking.childEnded(id.value)
        guard let consumer else { return }
        let waiting = consumer == id.value ? call : state.calls.remove(CallID(value: consumer))
        if let waiting { state.reply(waiting, failure: failure) }
    }

    /// Others wait for the process of one of these calls: the one whose client has stayed away longest is given up,
    /// if that is long enough. False when there is none.
    @discardableResult
    func giveUpForsaken(of calls: some Sequence<UInt64>) -> Bool {
        guard let call = parking.mostForsaken(of: calls, now: state.loop.now) else { return false }
        perform(parking.giveUp(call), of: CallID(value: call))
        return true
    }

    /// Nobody comes back to a gateway that closes.
    func endUnattended() {
        for outcome in parking.endUnattended() { perform(outcome.actions, of: CallID(value: outcome.call)) }
    }

    private func perform(_ actions: [ParkedCall.Action], of south: CallID, answered: Call? = nil) {
        for action in actions {
            switch action {
            case .tell(let line): tell(south, line)
            case .ask(let consumer, let result):
                letGo(consumer, of: south, answered) { state.reply($0, result: result) }
            case .fail(let consumer, let failure):
                letGo(consumer, of: south, answered) { state.reply($0, failure) }
            case .deliver(let consumer, let line):
                letGo(consumer, of: south, answered) { deliver(line, to: $0) }
            case .progress(let consumer, let line): sendProgress(line, to: CallID(value: consumer))
            case .cancel:
                if let call = state.calls[south] {
                    call.backend.sendCancelled(south, call, reason: "\"the client did not come back\"")
                }
            case .end:
                if let call = state.calls.remove(south) { call.backend.callEnded(south, call) }
            }
        }
    }

    private func tell(_ south: CallID, _ line: [UInt8]) {
        guard let call = state.calls[south] else { return }
        call.backend.link(call.incarnation)?.answer(south) { $0.bytes += line.dropLast() }
    }

    /// The exchange `consumer` is answered by `answer`. When it is the first one, its south half stays.
    private func letGo(
        _ consumer: UInt64, of south: CallID, _ answered: Call?, _ answer: (Call) -> Void
    ) {
        guard consumer == south.value else {
            if let call = state.calls.remove(CallID(value: consumer)) { answer(call) }
            return
        }
        guard let call = answered ?? state.calls[south] else { return }
        answer(call)
        call.leaveClient()
    }

    private func deliver(_ line: [UInt8], to call: Call) {
        line.withUnsafeBytes { line in
            guard var envelope = try? Envelope.scan(line) else { return }
            state.reply(call, &envelope, line, server: .legacy)
        }
    }

    private func sendProgress(_ line: [UInt8], to id: CallID) {
        line.withUnsafeBytes { line in
            guard let envelope = try? Envelope.scan(line) else { return }
            state.sendProgress(id, envelope, line)
        }
    }

    // MARK: The client comes back

    /// What a request that carries a state is.
    enum Carried {
        /// One as any: the state is its server's own.
        case foreign
        /// It goes on with a parked call.
        case parked(RequestState)
        /// The call is made again, after the client has opened a URL; how often it has been sent to.
        case again(UInt32)
        case declined
        case refuse(RPCFailure)
    }

    func carried(_ request: NorthRequest, _ kind: Call.Kind, _ backend: Backend) -> Carried {
        let text = request.envelope.requestState.of(request.body)
        guard RequestState.isOurs(text) else { return .foreign }
        guard
            let state = RequestState(opening: text, seal, nowUnixSeconds: Int64(WallClock.unixSeconds()))
        else {
            // A server of 2026-07-28 may give what looks like one of ours.
            return backend.link(servingModern: true)?.era == .modern ? .foreign : .refuse(.staleState)
        }
        switch state.kind {
        case .parked: return .parked(state)
        case .again:
            let digest = RequestDigest(request.envelope, request.body, method: kind.method)
            guard state.digest == digest else { return .refuse(.staleState) }
            let responses = request.envelope.inputResponses.of(request.body)
            return URLRequired.verdict(responses) == .declined ? .declined : .again(state.round)
        case .wrapped: return .refuse(.staleState)
        }
    }

    /// `waiting` is the client's new exchange.
    func rejoin(_ waiting: Call, _ request: NorthRequest, _ carried: RequestState) {
        let digest = RequestDigest(request.envelope, request.body, method: waiting.kind.method)
        let declared = ClientCapabilities(
            object: request.envelope.metaClientCapabilities.of(request.body))
        let bridged = BridgedCall(capabilities: declared.intersection(.relayable), digest: digest)
        waiting.bridged = bridged
        let wantsProgress = !waiting.token.isEmpty
        guard let id = state.calls.insert(waiting) else {
            return fail(request, .http(429, "Too many calls."))
        }
        let outcome = parking.retried(
            carried, digest: digest, responses: request.envelope.inputResponses.of(request.body),
            consumer: id.value, wantsProgress: wantsProgress, now: state.loop.now,
            unixSeconds: WallClock.unixSeconds())
        bridged.south = CallID(value: outcome.call)
        state.note(request.inbound.exchange, call: id, cancelsOnLeave: true)
        perform(outcome.actions, of: bridged.south)
        scheduleBridge()
    }

    // MARK: Time

    /// One timer for whatever of the bridge is due next.
    func scheduleBridge() {
        guard let due = parking.nextTick else { return }
        if bridgeTimer != .none {
            guard due < bridgeDue else { return }
            state.loop.cancel(bridgeTimer)
        }
        bridgeDue = due
        let pause = max(0, due.milliseconds(since: state.loop.now)) + 1
        bridgeTimer = state.loop.schedule(afterMilliseconds: pause, self, tag: TimerTag.bridge)
    }

    func timerFired(_ tag: UInt64) {
        if tag == TimerTag.changes { return tellChanges() }
        bridgeTimer = .none
        for outcome in parking.tick(now: state.loop.now, unixSeconds: WallClock.unixSeconds()) {
            perform(outcome.actions, of: CallID(value: outcome.call))
        }
        scheduleBridge()
    }
}
