import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// One process of a server at a time, and the conversation with it: its start, the opening in either era, its
/// end. What that means for the server is its backend's to say. Lives on its sandbox's home loop.
final class ChildLink: ServerLink, TimerTarget {
    private enum TimerTag {
        static let deadline: UInt64 = 1
        static let silence: UInt64 = 2
        static let stop: UInt64 = 3
        static let slot: UInt64 = 4
    }

    private(set) var child: Child?
    /// What the lines of one read had in them that nobody asked for.
    var unasked = (messages: 0, bytes: 0)
    /// Of an interactive process that is starting: the call that it is started for.
    var waiting: CallID?
    private var handshake = Handshake(.probe)
    /// The era in which the next process is to be opened when this one is gone, as its handshake wants it.
    private var replacement: Era?
    /// Why it was ended from here.
    private var fault: String?
    /// Ends the opening when it takes too long; later, the steps of its stop.
    private var timer = TimerID.none
    private var silence = TimerID.none
    private var slot = TimerID.none
    private var stopSequence: StopSequence?
    private var isStopping = false
    /// It stops for as long as nobody needs it.
    private var isResting = false
    /// Non-nil exactly while a start is under way on the workshop's threads.
    private var launch: LaunchToken?

    override var pid: Int32? { child?.pid }
    override var limitHits: LimitHits { child?.limitHits ?? LimitHits() }

    // MARK: Starting

    func start(_ plan: EraPlan) {
        incarnation = backend.nextIncarnation()
        handshake = Handshake(plan)
        era = plan == .serve(.modern) ? .modern : .legacy
        replacement = nil
        fault = nil
        let (incarnation, shared, loop) = (incarnation, state.shared, state.loop.index)
        let (key, index) = (backend.home.key, backend.index)
        let token = LaunchToken()
        launch = token
        Launch.begin(
            plan: backend.plan, sandbox: backend.home.launchContext, withOldSDK: backend.needsOldSDK,
            shared: shared, token: token,
            progress: { line in
                shared.post(loop) { state in
                    guard let link = state.homes[key]?.child(index, incarnation) else { return }
                    link.backend.linkInstalls(link, line)
                }
            },
            installed: {
                shared.post(loop) { state in
                    guard let link = state.homes[key]?.child(index, incarnation) else { return }
                    link.backend.linkInstalled(link)
                }
            },
            done: { result in
                shared.post(loop) { state in
                    guard let link = state.homes[key]?.child(index, incarnation) else {
                        if case .success(let spawned) = result { Child.discard(spawned) }
                        return
                    }
                    link.launched(result)
                }
            })
    }

    private func launched(_ result: Result<SpawnedChild, LaunchFailure>) {
        launch = nil
        if isStopping {
            if case .success(let spawned) = result { Child.discard(spawned) }
            return hasStopped()
        }
        switch result {
        case .failure(let failure): backend.linkFailed(self, failure)
        case .success(let spawned):
            do {
                child = try Child(spawned, link: self, state: state)
            } catch {
                Child.discard(spawned)
                return backend.linkEnded(self, "watching its process: \(error)")
            }
            state.counters.childStarts &+= 1
            state.counters.childrenAlive &+= 1
            state.loop.cancel(timer)
            timer = state.loop.schedule(
                afterMilliseconds: Limits.initializeSeconds * 1000, self, tag: TimerTag.deadline)
            silence = state.loop.schedule(
                afterMilliseconds: BridgeLimits.probeMilliseconds, self, tag: TimerTag.silence)
            slot = state.loop.schedule(
                afterMilliseconds: Limits.startSlotMilliseconds, self, tag: TimerTag.slot)
            perform(handshake.started())
        }
    }

    // MARK: Opening

    private func perform(_ step: Handshake.Step) {
        switch step {
        case .wait: return
        case .ask(let question):
            guard let id = register(.open(question)) else { return giveUp("too many calls are in flight") }
            sendOwn(id, question == .discover ? .discover : .initialize, isRepeatable: false) { id, out in
                switch question {
                case .initialize:
                    SouthLine.initialize(id: id, client: .gateway, capabilities: declared, into: &out)
                    out.bytes.removeLast()
                case .discover: ModernLine.discover(id: id, envelope: Self.own, into: &out)
                }
            }
        case .initialized(let profile):
            tell {
                SouthLine.initialized(into: &$0)
                $0.bytes.removeLast()
            }
            serve(.legacy, profile)
        case .discovered(let profile): serve(.modern, profile)
        case .replace(let era):
            replacement = era
            child?.kill()
        case .fail(let reason):
            backend.handshakeFailed(self)
            giveUp(reason)
        }
    }

    /// What the process is told that its client can be asked.
    private var declared: ClientCapabilities {
        if case .interactive(_, let capabilities) = role { return capabilities }
        return []
    }

    private func serve(_ era: Era, _ profile: ChildProfile) {
        state.loop.cancel(silence)
        self.era = era
        self.profile = profile
        isServing = true
        if let verdict = handshake.verdict { backend.learned(verdict) }
        backend.linkServes(self)
    }

    /// The opening is over, whatever of it the backend waited for.
    func settled() {
        state.loop.cancel(timer)
        timer = .none
        letOthersStart()
    }

    private func letOthersStart() {
        state.loop.cancel(slot)
        slot = .none
        child?.started()
    }

    /// The answer to a question of the handshake.
    func opened(_ question: Handshake.Question, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        perform(handshake.answered(question, envelope, line))
    }

    // MARK: Down: lines of its input, which leave at the end of the turn, with what else goes there

    override var waitingBytes: Int { child?.input.outbox.count ?? 0 }

    override func send(
        _ id: CallID, _ call: Call, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        target: SouthTarget
    ) {
        guard let child else { return }
        inFlight += 1
        wasUsed = true
        state.counters.calls &+= 1
        let (number, method) = (Int(truncatingIfNeeded: id.value), call.kind.method)
        if era == .legacy {
            if let level = call.logLevel { wantLogs(level) }
            RequestRewriter.write(
                body, envelope, method: method, id: number, target: target, dropsEnvelope: call.isModern,
                adding: call.task?.stage == .asked ? TaskDriver.request : "", into: &child.input.outbox)
        } else if call.isModern {
            ModernRewriter.relay(
                body, envelope.pointee, method: method, id: number, target: target,
                declaresTasks: call.task?.isDeclared == true,
                dropsLogLevel: call.logLevel != nil && !admitsLogs(id, call), into: &child.input.outbox)
            child.input.outbox.append(byte: 10)
        } else {
            ModernRewriter.envelope(
                body, envelope.pointee, method: method, id: number, target: target,
                adding: opening(of: call, id), into: &child.input.outbox)
            child.input.outbox.append(byte: 10)
        }
        state.loop.flushLater(child.input)
    }

    private func opening(of call: Call, _ id: CallID) -> ModernEnvelope {
        if call.task?.stage == .declared { return taskEnvelope(of: call) }
        guard let session = call.session else { return Self.own }
        if session.logLevel == nil || admitsLogs(id, call) { return session.envelope }
        return session.quietEnvelope
    }

    override func sendAgain(
        _ id: CallID, _ call: Call, _ request: HeldRequest, _ round: ModernRewriter.Round
    ) {
        inFlight += 1
        wasUsed = true
        request.with { body, envelope, target in
            tell {
                ModernRewriter.envelope(
                    body, envelope.pointee, method: call.kind.method, id: Int(truncatingIfNeeded: id.value),
                    target: target, adding: opening(of: call, id), round: round, into: &$0)
            }
        }
    }

    override func sendOwn(
        _ id: CallID, _ method: MethodName, name: [UInt8]?, isRepeatable: Bool,
        _ write: (Int, inout ByteCollector) -> Void
    ) {
        tell { write(Int(truncatingIfNeeded: id.value), &$0) }
    }

    override func tell(_ write: (inout ByteCollector) -> Void) {
        guard let child else { return }
        guard waitingBytes <= Limits.childInputBytesMax else {
            return giveUp("It does not read its input: \(waitingBytes) bytes wait there.")
        }
        var out = ByteCollector()
        write(&out)
        child.input.outbox.append(out.bytes)
        child.input.outbox.append(byte: 10)
        state.loop.flushLater(child.input)
    }

    override func sendCancelled(_ id: CallID, reason: StaticString) {
        tell {
            SouthLine.cancelled(id: Int(truncatingIfNeeded: id.value), reason: reason.bytes, into: &$0)
            $0.bytes.removeLast()
        }
    }

    override func openListen(_ id: Int, _ write: (inout ByteCollector) -> Void) { tell(write) }

    override func closeListen(_ id: Int) {
        tell {
            SouthLine.cancelled(id: id, into: &$0)
            $0.bytes.removeLast()
        }
    }

    // MARK: Ending

    func giveUp(_ reason: String) {
        fault = reason
        child?.kill()
    }

    /// Its process has ended, with everything that it started.
    func childExited(_ exit: ChildExitStatus) {
        guard let ended = child else { return }
        child = nil
        backend.pastHits = backend.pastHits + ended.limitHits
        // What it can do, it can do when it is back from its rest.
        if !isResting { profile = nil }
        let served = isServing
        isServing = false
        hearing.end()
        backend.home.relayedTasks.ended(server: backend.index, process: incarnation)
        forgetCalls()
        earlyStatuses = []
        hasAsked = false
        namesTasks = false
        state.counters.childExits &+= 1
        state.counters.childrenAlive &-= 1
        ended.close()
        state.loop.cancel(timer)
        state.loop.cancel(silence)
        state.loop.cancel(slot)
        timer = .none
        if isStopping { return hasStopped() }
        if !served, backend.needsOlderSDK(self) { return }
        if !served, replacement == nil, case .replace(let era)? = handshake.exited() {
            replacement = era
            backend.diedOfQuestion()
        }
        let how = fault ?? exit.description
        backend.failCalls(of: self, how)
        if let era = replacement { return start(.serve(era)) }
        backend.linkEnded(self, how)
    }

    /// Ends the process: its input closes, then TERM, then KILL of the whole tree. The backend is told when
    /// nothing of it is left.
    override func stop() {
        isResting = false
        end()
    }

    /// The same for as long as nobody needs it: it may be started again when the backend has been told.
    func rest() {
        guard !isStopping else { return }
        isResting = true
        end()
    }

    private func hasStopped() {
        guard isResting else { return backend.linkStopped(self) }
        isResting = false
        isStopping = false
        stopSequence = nil
        backend.linkRested()
    }

    private func end() {
        guard !isStopping else { return }
        isStopping = true
        hearing.end()
        state.loop.cancel(timer)
        state.loop.cancel(silence)
        guard child != nil else {
            // A spawn that has begun is waited for: its process must be gone before the end is told.
            if let launch, !launch.cancel() { return }
            launch = nil
            return hasStopped()
        }
        stopSequence = StopSequence(graceMilliseconds: Limits.stopGraceMilliseconds)
        perform(stopSequence?.begin())
    }

    private func perform(_ action: StopSequence.Action?) {
        guard let child, let action else { return }
        switch action {
        case .closeInput: child.closeInput()
        case .terminate: child.terminate()
        case .kill: child.kill()
        case .none: return
        }
        timer = state.loop.schedule(
            afterMilliseconds: Limits.stopGraceMilliseconds, self, tag: TimerTag.stop)
    }

    func timerFired(_ tag: UInt64) {
        switch tag {
        case TimerTag.deadline:
            timer = .none
            giveUp("It did not answer its first requests within \(Limits.initializeSeconds) s.")
        case TimerTag.silence:
            if child != nil, !isServing { perform(handshake.silent()) }
        case TimerTag.slot: letOthersStart()
        case TimerTag.stop:
            timer = .none
            perform(stopSequence?.timeout())
        default: return
        }
    }
}
