import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// One server of a sandbox: starts its process, speaks `initialize` with it, keeps its lists, forwards calls,
/// and starts it again when it dies. Lives on its sandbox's home loop.
final class Backend: TimerTarget {
    enum Phase: Equatable {
        /// Its package is being installed.
        case resolving
        /// The process runs but has not yet answered `initialize` and given its lists.
        case starting
        case ready
        /// Waits for its next start after an exit.
        case backoff
        /// The same, after `Limits.crashLoopExits` exits in a row.
        case crashLoop
        /// Will not start: what it needs is not here. `lastError` says what.
        case failed
        case needsAuth
        case stopping
        case stopped
    }

    enum TimerTag {
        static let restart: UInt64 = 1
        static let handshake: UInt64 = 2
        static let stop: UInt64 = 3
    }

    let home: SandboxHome
    let plan: ServerPlan
    /// Position among the sandbox's servers.
    let index: Int
    var state: LoopState { home.state }
    private(set) var phase = Phase.resolving
    /// Counts processes: what an earlier one still says is not taken.
    private(set) var incarnation: UInt32 = 0
    private(set) var child: Child?
    private(set) var restarts = 0
    private(set) var lastError: String?
    private(set) var lists = ServerLists()
    private(set) var capabilities = ServerCapabilities()
    private(set) var stderr = LineRing(lines: Limits.stderrLines, lineBytes: Limits.stderrLineBytes)
    var inFlight = 0
    var heldCalls: [CallID] = []
    private var exitsInARow = 0
    private var readySince: Instant?
    private var needsOldSDK = false
    private var timer = TimerID.none
    private var stopSequence: StopSequence?
    private var whenStopped: [@Sendable () -> Void] = []
    /// Non-nil exactly while a start is under way on the workshop's threads.
    private var launch: LaunchToken?

    init(home: SandboxHome, plan: ServerPlan, index: Int) {
        self.home = home
        self.plan = plan
        self.index = index
    }

    /// Ready, or in a state that only time or the operator changes.
    var isSettled: Bool {
        switch phase {
        case .ready, .crashLoop, .failed, .needsAuth, .stopped: true
        case .resolving, .starting, .backoff, .stopping: false
        }
    }

    var stateName: String {
        switch phase {
        case .resolving: "resolving"
        case .starting, .backoff: "starting"
        case .ready: "ready"
        case .crashLoop: "crash_loop"
        case .failed: "failed"
        case .needsAuth: "needs_auth"
        case .stopping, .stopped: "stopped"
        }
    }

    var status: ServerStatus {
        ServerStatus(
            name: plan.name, key: plan.key, state: stateName, era: "legacy", tools: lists.tools.count,
            pid: child?.pid, restarts: restarts, lastError: lastError.map(redacted),
            stderrTail: stderr.lines.map(redacted))
    }

    /// Secrets of this server's configuration never leave in a message.
    func redacted(_ text: String) -> String { Redactor(plan.secrets).redact(text) }

    // MARK: Starting

    func start() {
        incarnation &+= 1
        phase = .resolving
        let incarnation = incarnation
        let shared = state.shared
        let loopIndex = state.loop.index
        let key = home.key
        let index = index
        let token = LaunchToken()
        launch = token
        Launch.begin(
            plan: plan, sandbox: home.launchContext, withOldSDK: needsOldSDK, shared: shared, token: token,
            installed: {
                shared.post(loopIndex) { $0.homes[key]?.backend(index, incarnation)?.installed() }
            },
            done: { result in
                shared.post(loopIndex) { state in
                    guard let backend = state.homes[key]?.backend(index, incarnation) else {
                        if case .success(let spawned) = result { Child.discard(spawned) }
                        return
                    }
                    backend.launched(result)
                }
            })
    }

    private func installed() {
        if phase == .resolving { phase = .starting }
    }

    private func launched(_ result: Result<SpawnedChild, LaunchFailure>) {
        launch = nil
        if phase == .stopping {
            if case .success(let spawned) = result { Child.discard(spawned) }
            return finishStopping()
        }
        switch result {
        case .failure(let failure):
            lastError = failure.message
            phase = failure.needsAuth ? .needsAuth : .failed
            Log.warning(
                "server did not start",
                ["sandbox": home.id, "server": plan.name, "reason": redacted(failure.message)])
            releaseHeldCalls()
            home.serverSettled()
        case .success(let spawned):
            phase = .starting
            do {
                child = try Child(spawned, backend: self, state: state)
                state.counters.childStarts &+= 1
                state.counters.childrenAlive &+= 1
                handshake()
            } catch {
                Child.discard(spawned)
                exited(describe: "watching its process: \(error)")
            }
        }
    }

    /// MCP 2025-11-25, Lifecycle: `initialize`, then `notifications/initialized`, then its lists.
    private func handshake() {
        state.loop.cancel(timer)
        timer = state.loop.schedule(
            afterMilliseconds: Limits.initializeSeconds * 1000, self, tag: TimerTag.handshake)
        ask(.initialize) { id, out in SouthMessages.initialize(id: id, into: &out) }
    }

    /// Sends one of the gateway's own requests.
    private func ask(_ kind: Call.Kind, _ write: (UInt64, inout Outbox) -> Void) {
        guard let child else { return }
        let now = state.loop.now
        let call = Call(
            kind: kind, isModern: false, mayStream: false, mustStream: false, target: .none, backend: self,
            incarnation: incarnation, session: nil, id: ClientBytes(), token: ClientBytes(), started: now,
            deadline: now.advanced(milliseconds: Limits.initializeSeconds * 1000), lastSent: now, held: nil)
        guard let id = state.calls.insert(call) else { return }
        inFlight += 1
        write(id.value, &child.input.outbox)
        state.loop.flushLater(child.input)
    }

    /// The answer to one of the gateway's own requests.
    func answered(_ kind: Call.Kind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        switch kind {
        case .initialize: initialized(envelope, line)
        case .tools, .prompts, .resources, .templates: listed(kind, envelope, line)
        case .call, .get, .read, .complete, .rest: return
        }
    }

    private func initialized(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard envelope.kind == .response, let found = ServerCapabilities(initializeResult: envelope.result.of(line))
        else {
            let text = String(decoding: line.prefix(300), as: UTF8.self)
            return giveUp("It refused the handshake: \(text)")
        }
        capabilities = found
        if let child {
            SouthMessages.initialized(into: &child.input.outbox)
            state.loop.flushLater(child.input)
        }
        lists.restart()
        refreshNext(after: nil)
    }

    /// Asks for the next list that the server says it has; when all are there, it is ready.
    private func refreshNext(after previous: Call.Kind?) {
        let order: [(Call.Kind, Bool)] = [
            (.tools, capabilities.tools), (.prompts, capabilities.prompts),
            (.resources, capabilities.resources), (.templates, capabilities.resources),
        ]
        let start = previous.flatMap { kind in order.firstIndex { $0.0 == kind } }.map { $0 + 1 } ?? 0
        for (kind, isOffered) in order[start...] {
            if isOffered { return requestList(kind, cursor: nil) }
            lists.complete(kind)
        }
        becomeReady()
    }

    private func requestList(_ kind: Call.Kind, cursor: UnsafeRawBufferPointer?) {
        ask(kind) { id, out in SouthMessages.list(kind.method, id: id, cursor: cursor, into: &out) }
    }

    private func listed(_ kind: Call.Kind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if envelope.kind == .response {
            let step = lists.add(kind, result: envelope.result.of(line))
            if case .more(let cursor) = step {
                return cursor.withUnsafeBytes { requestList(kind, cursor: $0) }
            }
            if case .malformed(let reason) = step {
                lastError = "\(kind.method.text): \(reason)"
            }
        } else if !(kind == .templates) {
            // A list that fails is empty; the others still serve (templates are often missing).
            lastError = "\(kind.method.text) failed: \(String(decoding: line.prefix(300), as: UTF8.self))"
        }
        lists.complete(kind)
        if phase == .ready { return home.listsChanged(kind) }
        refreshNext(after: kind)
    }

    private func becomeReady() {
        state.loop.cancel(timer)
        timer = .none
        phase = .ready
        readySince = state.loop.now
        home.serverReady(self)
        dispatchHeldCalls()
    }

    /// `notifications/…/list_changed` from the child.
    func listChanged(_ kind: Call.Kind) {
        guard phase == .ready, !lists.isRefreshing(kind) else { return }
        lists.beginRefresh(kind)
        requestList(kind, cursor: nil)
        if kind == .resources, !lists.isRefreshing(.templates) {
            lists.beginRefresh(.templates)
            requestList(.templates, cursor: nil)
        }
    }

    // MARK: Ending

    private func giveUp(_ reason: String) {
        lastError = reason
        child?.kill()
    }

    /// Its process has ended, with everything that it started.
    func childExited(_ exit: ChildExitStatus) {
        guard let ended = child else { return }
        child = nil
        state.counters.childExits &+= 1
        state.counters.childrenAlive &-= 1
        ended.close()
        if phase == .stopping { return finishStopping() }
        if needsOlderSDK() {
            needsOldSDK = true
            failCalls("restarts with an older SDK")
            return start()
        }
        exited(describe: exit.description)
    }

    /// Servers made for version 1 of the Python SDK, without an upper bound on it, die at their first import.
    private func needsOlderSDK() -> Bool {
        guard !needsOldSDK, phase == .starting, case .pypi = plan.source else { return false }
        return stderr.lines.contains { Launch.namesOldSDK($0) }
    }

    private func exited(describe what: String) {
        let served = readySince.map { state.loop.now.milliseconds(since: $0) } ?? 0
        exitsInARow = served >= Limits.steadySeconds * 1000 ? 1 : exitsInARow + 1
        readySince = nil
        lastError = what
        state.loop.cancel(timer)
        Log.warning(
            "server exited", ["sandbox": home.id, "server": plan.name, "how": what, "in a row": exitsInARow])
        phase = exitsInARow >= Limits.crashLoopExits ? .crashLoop : .backoff
        failCalls(what)
        if phase == .crashLoop { releaseHeldCalls() }
        let shift = min(exitsInARow - 1, 12)
        let delay = min(Limits.restartMilliseconds << shift, Limits.restartMillisecondsMax)
        timer = state.loop.schedule(afterMilliseconds: delay, self, tag: TimerTag.restart)
        home.serverLost(self)
    }

    /// Every call in flight is told at once what happened.
    private func failCalls(_ what: String) {
        let own = incarnation
        for id in state.calls.ids(where: { $0.backend === self && $0.incarnation == own && $0.held == nil }) {
            guard let call = state.calls.remove(id) else { continue }
            inFlight -= 1
            state.reply(call, failure: unavailable("The server \(plan.name) ended during the call: \(what)."))
        }
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

    /// Ends the process: its input closes, then TERM, then KILL of the whole tree. `done` runs when nothing
    /// of it is left.
    func stop(_ done: @escaping @Sendable () -> Void) {
        if phase == .stopped { return done() }
        whenStopped.append(done)
        guard phase != .stopping else { return }
        phase = .stopping
        state.loop.cancel(timer)
        timer = .none
        failCalls("the sandbox is being stopped")
        releaseHeldCalls()
        guard child != nil else {
            // A spawn that has begun is waited for: its process must be gone before `done`.
            if let launch, !launch.cancel() { return }
            return finishStopping()
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

    private func finishStopping() {
        phase = .stopped
        state.loop.cancel(timer)
        timer = .none
        let waiting = whenStopped
        whenStopped = []
        for done in waiting { done() }
    }

    func timerFired(_ tag: UInt64) {
        timer = .none
        switch tag {
        case TimerTag.restart:
            restarts += 1
            start()
        case TimerTag.handshake:
            giveUp("It did not answer initialize and its lists within \(Limits.initializeSeconds) s.")
        case TimerTag.stop:
            perform(stopSequence?.timeout())
        default: return
        }
    }
}
