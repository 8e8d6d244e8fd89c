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
    let state: LoopState
    var phase = Phase.resolving
    /// Counts processes: what an earlier one still says is not taken.
    private(set) var incarnation: UInt32 = 0
    private(set) var child: Child?
    var restarts = 0
    /// In place of a process, for a server that somebody else hosts.
    private(set) var remote: RemoteLink?
    var lastError: String?
    private(set) var lists = ServerLists()
    /// What the running process said of itself; nil until it has answered `initialize`.
    var profile: ChildProfile?
    var stderr = LineRing(lines: Limits.stderrLines, lineBytes: Limits.stderrLineBytes)
    var inFlight = 0
    var heldCalls: [CallID] = []
    var exitsInARow = 0
    var readySince: Instant?
    private var needsOldSDK = false
    private var timer = TimerID.none
    private var stopSequence: StopSequence?
    private var whenStopped: [@Sendable () -> Void] = []
    /// Non-nil exactly while a start is under way on the workshop's threads.
    private var launch: LaunchToken?

    init(home: SandboxHome, plan: ServerPlan, index: Int) {
        self.home = home
        state = home.state
        self.plan = plan
        self.index = index
    }

    /// What serves it from elsewhere; nil for a server with a process of its own.
    private func openRemote() -> Bool {
        guard case .remote(let endpoint) = plan.source, endpoint.needsOAuth == nil else { return false }
        do throws(RemoteURL.Fault) {
            let link = try RemoteLink(endpoint, of: self)
            remote = link
            phase = .starting
            link.start()
        } catch {
            remoteGaveUp("\(error.reason)")
        }
        return true
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
            name: plan.name, key: plan.key, state: stateName, era: eraName, tools: lists.count(.tools),
            pid: child?.pid, restarts: restarts, lastError: lastError.map(redacted),
            stderrTail: stderr.lines.map(redacted))
    }

    /// Secrets of this server's configuration never leave in a message.
    func redacted(_ text: String) -> String { Redactor(plan.secrets).redact(text) }

    // MARK: Starting

    func start() {
        incarnation &+= 1
        if openRemote() { return }
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
        if phase == .stopping || phase == .stopped {
            if case .success(let spawned) = result { Child.discard(spawned) }
            return phase == .stopping ? finishStopping() : ()
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
        ask(.initialize) { id, out in
            SouthLine.initialize(id: id, client: .gateway, into: &out)
        }
    }

    /// Sends one of the gateway's own requests.
    private func ask(_ kind: Call.Kind, _ write: (Int, inout Outbox) -> Void) {
        guard let child, let id = register(kind) else { return }
        write(Int(truncatingIfNeeded: id.value), &child.input.outbox)
        state.loop.flushLater(child.input)
    }

    /// Nil when too many calls are in flight.
    private func register(_ kind: Call.Kind) -> CallID? {
        let now = state.loop.now
        let call = Call(
            kind: kind, isModern: false, mayStream: false, mustStream: false, target: .none, backend: self,
            incarnation: incarnation, session: nil, logLevel: nil, id: ClientBytes(), token: ClientBytes(),
            deadline: now.advanced(milliseconds: Limits.initializeSeconds * 1000), lastSent: now, held: nil)
        guard let id = state.calls.insert(call) else { return nil }
        inFlight += 1
        return id
    }

    /// The answer to one of the gateway's own requests.
    func answered(_ kind: Call.Kind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        switch kind {
        case .initialize: initialized(envelope, line)
        case .list(let list): listed(list, envelope, line)
        case .call, .get, .read, .complete, .rest: return
        }
    }

    private func initialized(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard envelope.kind == .response else {
            let text = String(decoding: line.prefix(300), as: UTF8.self)
            return giveUp("It refused the handshake: \(text)")
        }
        do throws(RPCFailure) {
            profile = try ChildProfile(result: envelope.result.of(line))
        } catch {
            return giveUp(error.message)
        }
        if let child {
            SouthLine.initialized(into: &child.input.outbox)
            state.loop.flushLater(child.input)
        }
        readLists()
    }

    /// Reads every list anew; then the server is ready.
    func readLists() {
        lists.restart()
        refreshNext(after: nil)
    }

    /// Asks for the next list that the server says it has; when all are there, it is ready.
    private func refreshNext(after previous: ListKind?) {
        let start = previous.map { Int($0.rawValue) + 1 } ?? 0
        for kind in ListKind.allCases.dropFirst(start) {
            if profile?.offers.includes(kind) == true {
                lists.beginRefresh(kind)
                return requestList(kind, cursor: nil)
            }
            lists.complete(kind)
        }
        becomeReady()
    }

    private func requestList(_ kind: ListKind, cursor: UnsafeRawBufferPointer?) {
        if let remote {
            if let id = register(.list(kind)) { remote.askList(kind, id, cursor: cursor) }
            return
        }
        ask(.list(kind)) { id, out in SouthLine.list(kind, id: id, cursor: cursor, into: &out) }
    }

    private func listed(_ kind: ListKind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if envelope.kind == .response {
            if case .more(let cursor) = lists.add(kind, result: envelope.result.of(line)) {
                return cursor.withUnsafeBytes { requestList(kind, cursor: $0) }
            }
            lists.complete(kind)
        } else {
            // Many servers that have resources know no templates; every other failure is worth telling.
            if kind != .templates {
                lastError = "\(kind.method.text) failed: \(String(decoding: line.prefix(300), as: UTF8.self))"
            }
            lists.abandon(kind)
        }
        listSettled(kind)
    }

    private func listSettled(_ kind: ListKind) {
        if kind == .tools { remote?.toolsChanged(lists.snapshot(name: plan.name).tools) }
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
    func listChanged(_ kind: ListKind) {
        guard phase == .ready, !lists.isRefreshing(kind) else { return }
        lists.beginRefresh(kind)
        requestList(kind, cursor: nil)
        if kind == .resources, !lists.isRefreshing(.templates) {
            lists.beginRefresh(.templates)
            requestList(.templates, cursor: nil)
        }
    }

    // MARK: Ending

    /// One of the gateway's own requests has had no answer in time. `initialize` has a timer of its own;
    /// a list stays as it was.
    func askTimedOut(_ kind: Call.Kind) { askFailed(kind, "no answer in time") }

    func askFailed(_ kind: Call.Kind, _ reason: String) {
        guard case .list(let list) = kind, child != nil || remote != nil else { return }
        lists.abandon(list)
        // A server that is away has told why, and is asked for everything when it is back.
        guard phase == .starting || phase == .ready else { return }
        lastError = "\(list.method.text) failed: \(reason)"
        listSettled(list)
    }

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
        if let remote {
            remote.stop()
            self.remote = nil
            return finishStopping()
        }
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
