import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// One process of a server at a time, and the conversation with it: its start, the opening in either era, its
/// end. What that means for the server is its backend's to say. Lives on its sandbox's home loop.
final class ChildLink: TimerTarget {
    enum Role: Equatable {
        /// Its lists are the server's, and it serves whoever needs no other.
        case main
        /// Serves clients of the older era beside a modern main.
        case mirror
        /// Works on one call at a time and may ask its client, for which it has been told of these.
        case interactive(slot: Int, ClientCapabilities)
    }

    private enum TimerTag {
        static let deadline: UInt64 = 1
        static let silence: UInt64 = 2
        static let stop: UInt64 = 3
    }

    let backend: Backend
    let role: Role
    /// Neither a mirror nor one that works on a single call.
    let isMain: Bool
    var state: LoopState { backend.state }
    /// Names the process, among all that the server ever had: what an earlier one still says is not taken.
    private(set) var incarnation: UInt32 = 0
    private(set) var child: Child?
    /// The era of the process; said by `handshake`, true once it serves.
    private(set) var era = Era.legacy
    /// What the process said of itself.
    private(set) var profile: ChildProfile?
    private(set) var isServing = false
    /// Requests that it has not answered, the gateway's own among them.
    var inFlight = 0
    /// Requests of the process of which it is not known yet whose they are.
    var doubts = Doubts()
    /// Calls that were called off and have no answer: the process may still be at them. When that was.
    var ghosts: [UInt64: Instant] = [:]
    /// It has asked a client.
    var hasAsked = false
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
    private var stopSequence: StopSequence?
    private var isStopping = false
    /// Non-nil exactly while a start is under way on the workshop's threads.
    private var launch: LaunchToken?

    init(_ role: Role, of backend: Backend) {
        self.role = role
        isMain = role == .main
        self.backend = backend
    }

    /// Nothing of it runs or is being started.
    var isGone: Bool { child == nil && launch == nil }

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
            installed: {
                shared.post(loop) { state in
                    guard let link = state.homes[key]?.link(index, incarnation) else { return }
                    link.backend.linkInstalled(link)
                }
            },
            done: { result in
                shared.post(loop) { state in
                    guard let link = state.homes[key]?.link(index, incarnation) else {
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
            return backend.linkStopped(self)
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
            perform(handshake.started())
        }
    }

    // MARK: Opening

    private func perform(_ step: Handshake.Step) {
        switch step {
        case .wait: return
        case .ask(let question):
            ask(.open(question)) { id, out in
                switch question {
                case .initialize:
                    SouthLine.initialize(id: id, client: .gateway, capabilities: declared, into: &out)
                case .discover:
                    ModernLine.discover(id: id, envelope: ChildLink.own, into: &out)
                    out.append(byte: 10)
                }
            }
        case .initialized(let profile):
            write { SouthLine.initialized(into: &$0) }
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
    }

    /// The envelope of the gateway's own requests, and of clients that can be asked nothing.
    static let own = ModernEnvelope(client: .gateway, capabilities: [])

    /// The answer to a question of the handshake.
    func opened(_ question: Handshake.Question, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        perform(handshake.answered(question, envelope, line))
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
        profile = nil
        let served = isServing
        isServing = false
        doubts.removeAll()
        ghosts = [:]
        hasAsked = false
        state.counters.childExits &+= 1
        state.counters.childrenAlive &-= 1
        ended.close()
        state.loop.cancel(timer)
        state.loop.cancel(silence)
        timer = .none
        if isStopping { return backend.linkStopped(self) }
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
    func stop() {
        guard !isStopping else { return }
        isStopping = true
        state.loop.cancel(timer)
        state.loop.cancel(silence)
        guard child != nil else {
            // A spawn that has begun is waited for: its process must be gone before the end is told.
            if let launch, !launch.cancel() { return }
            launch = nil
            return backend.linkStopped(self)
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
        case TimerTag.stop:
            timer = .none
            perform(stopSequence?.timeout())
        default: return
        }
    }
}
