import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// One server of a sandbox: keeps its process going and its lists, decides which of its processes serves whom.
/// Lives on its sandbox's home loop.
final class Backend: TimerTarget {
    enum Phase: Equatable {
        /// Its package is being installed.
        case resolving
        /// The process runs but has not yet said what it is and given its lists.
        case starting
        case ready
        /// Has no process, as nobody needed it; the next call starts one.
        case idle
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
        static let mirror: UInt64 = 2
    }

    let home: SandboxHome
    private(set) var plan: ServerPlan
    /// Position among the sandbox's servers.
    let index: Int
    let state: LoopState
    var phase = Phase.resolving {
        didSet { if phase != oldValue { phaseSince = WallClock.unixMilliseconds() } }
    }
    private(set) var phaseSince = WallClock.unixMilliseconds()
    var rest = Rest()
    /// Nil once the server has stopped.
    private(set) var main: ServerLink?
    /// Non-nil while clients of the older era have a process of their own.
    private(set) var mirror: ServerLink?
    /// Processes that may ask, by their slot in `leases`.
    var interactive: [Int: ChildLink] = [:]
    /// Such processes whose slot another one has taken, until they are gone.
    var retiring: [ChildLink] = []
    var leases: Leases
    /// At a remote server of the older era, by what their clients can be asked.
    var sessions: [ClientCapabilities.RawValue: DeclaredSession] = [:]
    /// It has refused to open a second one.
    var hasNoSessions = false
    let isRemote: Bool
    private var processes: UInt32 = 0
    var restarts = 0
    var lastError: String?
    /// Of its processes that have ended.
    var pastHits = LimitHits()
    private(set) var lists = ServerLists()
    var stderr = LineRing(lines: Limits.stderrLines, lineBytes: Limits.stderrLineBytes)
    var heldCalls: [CallID] = []
    var backChannelCalls: [BackChannelCall] = []
    /// What of it has asked its client, by `Call.subject`.
    var askers: Set<Int> = []
    /// Which arguments of its tools go into headers (2026-07-28).
    private(set) var mirrors = MirrorTable()
    /// Tools that can be called as tasks, by the server's names (2025-11-25).
    private(set) var taskTools: [String: TaskSupport] = [:]
    /// What its main link said when it served last.
    private var lastOffers: (era: Era, offers: ChildProfile.Offers)?
    /// URIs that clients watch, as the server has them.
    var watched: Set<String> = []
    /// Made for version 1 of the Python SDK, as its first start has shown.
    private(set) var needsOldSDK = false
    /// Its lists have been read to their ends.
    private var hasLists = false
    var exitsInARow = 0
    var readySince: Instant?
    /// It died when it was asked for its era: it is opened the older way.
    private var isLegacyByDeath = false
    /// The era of its last process that served.
    var knownEra: Era?
    /// What a mirror was tried for and could not do.
    private var hasNoMirror = false
    /// Non-nil while a connection for clients of the older era is opened for the first time: since when.
    var mirrorOpening: Instant?
    private var mirrorBackoff = Backoff(lastMilliseconds: Limits.restartMillisecondsMax)
    private var timer = TimerID.none
    var mirrorTimer = TimerID.none
    private var whenStopped: [@Sendable () -> Void] = []
    let launchKey: String

    init(home: SandboxHome, plan: ServerPlan, index: Int) {
        self.home = home
        state = home.state
        self.plan = plan
        self.index = index
        launchKey = LaunchIdentity.key(of: plan, owner: home.owner)
        let choice = Leases.Interactivity(rawValue: plan.options.interactive.rawValue) ?? .auto
        isRemote = if case .remote = plan.source { true } else { false }
        // A sandbox has files of its own: a client's roots mean nothing there unless the caller says so.
        leases = Leases(
            choice, hasAsked: home.state.shared.hasAsked(launchKey), asksRoots: choice == .always)
        main = ChildLink(.main, of: self)
    }

    /// Ready, or in a state that only time or the operator changes.
    var isSettled: Bool {
        switch phase {
        case .ready, .idle, .crashLoop, .failed, .needsAuth, .stopped: true
        case .resolving, .starting, .backoff, .stopping: false
        }
    }

    var stateName: String {
        switch phase {
        case .resolving: "resolving"
        case .starting, .backoff: "starting"
        case .ready: "ready"
        case .idle: "idle"
        case .crashLoop: "crash_loop"
        case .failed: "failed"
        case .needsAuth: "needs_auth"
        case .stopping, .stopped: "stopped"
        }
    }

    /// `mirror` while a process of each era serves.
    private var eraName: String {
        if mirror?.isServing == true { return "mirror" }
        return knownEra.map { "\($0.text)" } ?? "unknown"
    }

    var status: ServerStatus {
        ServerStatus(
            name: plan.name, key: plan.key, state: stateName, sinceMilliseconds: phaseSince, era: eraName,
            tools: lists.count(.tools),
            pid: main?.pid, restarts: restarts, lastError: lastError.map(redacted),
            stderrTail: stderr.lines.map(redacted),
            limitHits: links.reduce(pastHits) { $0 + $1.limitHits })
    }

    /// Secrets of this server's configuration never leave in a message.
    func redacted(_ text: String) -> String {
        Redactor(plan.secrets + home.launchContext.secrets).redact(text)
    }

    // MARK: Links

    var links: [ServerLink] {
        var links: [ServerLink] = retiring
        for link in interactive.values { links.append(link) }
        for session in sessions.values { links.append(session.link) }
        if let mirror { links.append(mirror) }
        if let main { links.append(main) }
        return links
    }

    /// Once a second.
    func tick(_ now: Instant) {
        let links = links
        for link in links { link.tick(now) }
        if plan.idleSeconds > 0 { considerRest(links, now) }
        makeRoom()
        if let mirrorOpening, now.milliseconds(since: mirrorOpening) > Limits.mirrorMilliseconds {
            mirrorAwaited()
        }
    }

    /// A plan that changes nothing of how it is started.
    func adopt(_ plan: ServerPlan) { self.plan = plan }

    func nextIncarnation() -> UInt32 {
        processes &+= 1
        return processes
    }

    /// The link whose current process or connection is number `incarnation`.
    func link(_ incarnation: UInt32) -> ServerLink? { links.first { $0.incarnation == incarnation } }

    /// Which process serves clients of an era.
    func link(servingModern isModern: Bool) -> ServerLink? {
        if !isModern, let mirror, mirror.isServing { return mirror }
        return main
    }

    // MARK: Starting

    func start() {
        rest.isWaking = false
        if openRemote() { return }
        phase = .resolving
        (main as? ChildLink)?.start(eraPlan)
    }

    /// False for a server with a process of its own.
    private func openRemote() -> Bool {
        guard case .remote(let endpoint) = plan.source, endpoint.needsOAuth == nil else { return false }
        do throws(RemoteURL.Fault) {
            let link = try RemoteLink(endpoint, eraPlan, .main, of: self)
            link.incarnation = nextIncarnation()
            main = link
            phase = .starting
            link.start()
        } catch {
            settle(.failed, "\(error.reason)")
        }
        return true
    }

    private var eraPlan: EraPlan {
        let choice = EraChoice(rawValue: plan.options.era.rawValue) ?? .auto
        if isLegacyByDeath, choice != .modern { return .serve(.legacy) }
        switch EraPlan(choice, verdict: state.shared.verdict(launchKey)) {
        case .probe: return .probe
        case .serve(let era): return .serve(era)
        // A mirror follows when the first one serves.
        case .both: return .serve(.modern)
        }
    }

    func learned(_ verdict: EraVerdict) { state.shared.learn(verdict, launchKey) }

    /// What was believed of its era may be the reason: the next start asks anew.
    func handshakeFailed(_ link: ChildLink) {
        guard link === main else {
            if link === mirror { hasNoMirror = true }
            return
        }
        state.shared.forget(launchKey)
        isLegacyByDeath = false
    }

    func diedOfQuestion() { isLegacyByDeath = true }

    /// Shown where its own last words will be.
    func linkInstalls(_ link: ChildLink, _ line: String) {
        guard link === main, phase == .resolving else { return }
        Array("\(line)\n".utf8).withUnsafeBytes { wroteToStderr($0) }
    }

    func linkInstalled(_ link: ChildLink) {
        if link === main, phase == .resolving { phase = .starting }
    }

    func linkFailed(_ link: ChildLink, _ failure: LaunchFailure) {
        if case .interactive(let slot, _) = link.role {
            return interactiveGone(link, slot, failure.message)
        }
        guard link === main else { return mirrorGone() }
        lastError = failure.message
        phase = failure.needsAuth ? .needsAuth : .failed
        Log.warning(
            "server did not start",
            ["sandbox": home.id, "server": plan.name, "reason": redacted(failure.message)])
        releaseHeldCalls()
        home.serverSettled()
    }

    /// A process has been opened.
    func linkServes(_ link: ChildLink) {
        link.demandLogs()
        if case .interactive = link.role { return interactiveServes(link) }
        link.hearing.begin(link)
        guard link === main else {
            link.settled()
            mirrorBackoff.reset()
            learned(.dual)
            becomeReady()
            return backChannelOpened()
        }
        knownEra = link.era
        if phase == .resolving { phase = .starting }
        startMirror()
        readLists()
    }

    /// What clients of `era` can run at it as tasks; what it said last, while it is away.
    func taskOffer(_ era: Era) -> TaskOffer {
        guard let (spoken, offers) = lastOffers, spoken == era, offers.contains(.tasks) else { return .none }
        return .running(isCancellable: offers.contains(.taskCancellation))
    }

    /// Reads every list anew; then the server is ready.
    func readLists() {
        lastOffers = main?.profile.map { (main?.era ?? .legacy, $0.offers) }
        hasLists = false
        lists.restart()
        refreshNext(after: nil)
    }

    /// Asks for the next list that the server says it has; when all are there, it is ready.
    private func refreshNext(after previous: ListKind?) {
        let start = previous.map { Int($0.rawValue) + 1 } ?? 0
        for kind in ListKind.allCases.dropFirst(start) {
            if main?.profile?.offers.includes(kind) == true {
                lists.beginRefresh(kind)
                main?.askList(kind, cursor: nil)
                return
            }
            lists.complete(kind)
        }
        (main as? ChildLink)?.settled()
        hasLists = true
        becomeReady()
    }

    /// The answer to one of the gateway's own requests.
    func answered(
        _ link: ServerLink, _ kind: Call.Kind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) {
        switch kind {
        case .open(let question): (link as? ChildLink)?.opened(question, envelope, line)
        case .list(let list): if link === main { listed(list, envelope, line) }
        case .task(let question, let call): link.taskAnswered(question, of: call, envelope, line)
        case .taskLook(let look): home.looked(look, envelope, line)
        case .call, .get, .read, .complete, .rest, .level, .watch, .ofTask: return
        }
    }

    private func listed(_ kind: ListKind, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if envelope.kind == .response {
            let mirrors = main is RemoteLink && main?.era == .modern
            if case .more(let cursor) = lists.add(kind, result: envelope.result.of(line), mirrors: mirrors) {
                cursor.withUnsafeBytes { main?.askList(kind, cursor: $0) }
                return
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
        if kind == .tools {
            taskTools = lists[.tools]?.taskTools ?? [:]
            mirrors = lists[.tools].map { MirrorTable($0) } ?? MirrorTable()
        }
        if phase == .ready { return home.listsChanged(kind) }
        refreshNext(after: kind)
    }

    /// When its lists are there, and its mirror if it is to have one.
    private func becomeReady() {
        guard phase == .starting, hasLists, main?.isServing == true else { return }
        // Nobody waits for a process that is wanted only as of late, or for a connection that may never come.
        if plan.options.era == .mirror, let mirror = mirror as? ChildLink, !mirror.isServing, !hasNoMirror {
            return
        }
        phase = .ready
        readySince = state.loop.now
        if rest.ended(state.loop.now, lists) { home.serverIsBack() } else { home.serverReady(self) }
        dispatchHeldCalls()
    }

    /// `notifications/…/list_changed` from any of its processes. What has changed for one of them mostly has for all;
    /// the lists are those of the main one.
    func listChanged(_ kind: ListKind) {
        guard let main, phase == .ready, !lists.isRefreshing(kind) else { return }
        lists.beginRefresh(kind)
        main.askList(kind, cursor: nil)
        if kind == .resources, !lists.isRefreshing(.templates) {
            lists.beginRefresh(.templates)
            main.askList(.templates, cursor: nil)
        }
    }

    // MARK: The mirror

    /// One that speaks both eras gets a second connection for clients of the older one, in which it may do other
    /// things. A second process is not free: it is for `era: mirror`, and for a server that asks in the older era's way.
    func startMirror() {
        let isWanted =
            plan.options.era == .mirror
            || plan.options.era == .auto && (isRemote && home.hasSessions || leases.isInteractive)
        guard isWanted, main?.era == .modern, mirror == nil, !hasNoMirror else { return }
        if case .remote(let endpoint) = plan.source {
            guard let link = try? RemoteLink(endpoint, .serve(.legacy), .mirror, of: self) else { return }
            link.incarnation = nextIncarnation()
            mirror = link
            mirrorOpening = state.loop.now
            return link.start()
        }
        let link = ChildLink(.mirror, of: self)
        mirror = link
        link.start(.serve(.legacy))
    }

    /// A remote server's connection for clients of the older era has failed; until it is back, they are served as
    /// by any other modern server. It tries again by itself, but not for ever.
    func mirrorDown(_ link: ServerLink, isFinal: Bool) {
        link.isServing = false
        mirrorAwaited()
        _ = mirrorBackoff.next(random: 0)
        guard isFinal || mirrorBackoff.attempts >= Limits.mirrorAttempts else { return }
        hasNoMirror = true
        link.stop()
        backChannelRefused()
    }

    func mirrorServes(_ link: ServerLink, _ profile: ChildProfile) {
        link.profile = profile
        link.isServing = true
        link.hearing.begin(link)
        mirrorBackoff.reset()
        mirrorOpening = nil
        backChannelOpened()
    }

    /// It comes back, unless it has said that it cannot or has tried often enough.
    private func mirrorGone() {
        if mirrorBackoff.attempts >= Limits.mirrorAttempts { hasNoMirror = true }
        if hasNoMirror {
            mirror = nil
            backChannelRefused()
        } else {
            mirrorTimer = state.loop.schedule(
                afterMilliseconds: mirrorBackoff.next(random: UInt64(processes)), self,
                tag: TimerTag.mirror)
        }
        becomeReady()
    }

    // MARK: Ending

    /// One of the gateway's own requests has had no answer in time. The opening has a timer of its own; a list
    /// stays as it was.
    func askTimedOut(_ kind: Call.Kind) { askFailed(kind, "no answer in time") }

    func askFailed(_ kind: Call.Kind, _ reason: String) {
        if case .task(let question, let call) = kind {
            if let south = state.calls[call] { link(south.incarnation)?.taskFailed(question, of: call) }
            return
        }
        if case .taskLook(let look) = kind { return home.lookFailed(look) }
        guard case .list(let list) = kind, main?.isServing == true else { return }
        lists.abandon(list)
        // A server that is away has told why, and is asked for everything when it is back.
        guard phase == .starting || phase == .ready else { return }
        lastError = "\(list.method.text) failed: \(reason)"
        listSettled(list)
    }

    /// Servers made for version 1 of the Python SDK, without an upper bound on it, die at their first import.
    /// True when it starts again for that reason.
    func needsOlderSDK(_ link: ChildLink) -> Bool {
        guard !needsOldSDK, link === main, case .pypi = plan.source,
            stderr.lines.contains(where: { Launch.namesOldSDK($0) })
        else { return false }
        needsOldSDK = true
        failCalls(of: link, "restarts with an older SDK")
        start()
        return true
    }

    /// A process has ended, unasked.
    func linkEnded(_ link: ChildLink, _ how: String) {
        if case .interactive(let slot, _) = link.role { return interactiveGone(link, slot, how) }
        guard link === main else { return mirrorGone() }
        let served = readySince.map { state.loop.now.milliseconds(since: $0) } ?? 0
        exitsInARow = served >= Limits.steadySeconds * 1000 ? 1 : exitsInARow + 1
        readySince = nil
        lastError = how
        Log.warning(
            "server exited", ["sandbox": home.id, "server": plan.name, "how": how, "in a row": exitsInARow])
        phase = exitsInARow >= Limits.crashLoopExits ? .crashLoop : .backoff
        if phase == .crashLoop { releaseHeldCalls() }
        let shift = min(exitsInARow - 1, 12)
        let delay = min(Limits.restartMilliseconds << shift, Limits.restartMillisecondsMax)
        timer = state.loop.schedule(afterMilliseconds: delay, self, tag: TimerTag.restart)
        home.serverLost(self)
    }

    /// Ends its processes; `done` runs when nothing of them is left.
    func stop(_ done: @escaping @Sendable () -> Void) {
        if phase == .stopped { return done() }
        whenStopped.append(done)
        guard phase != .stopping else { return }
        phase = .stopping
        rest.isWaking = false
        state.loop.cancel(timer)
        state.loop.cancel(mirrorTimer)
        failAllCalls("the sandbox is being stopped")
        for link in links { link.stop() }
    }

    func linkStopped(_ link: ServerLink) {
        if case .interactive(let slot, _) = link.role, interactive[slot] === link { interactive[slot] = nil }
        retiring.removeAll { $0 === link }
        if case .session(let abilities) = link.role, sessions[abilities.rawValue]?.link === link {
            sessions[abilities.rawValue] = nil
        }
        if link === mirror { mirror = nil }
        if link === main { main = nil }
        guard phase == .stopping, links.isEmpty else { return linkRested() }
        phase = .stopped
        let waiting = whenStopped
        whenStopped = []
        for done in waiting { done() }
    }

    func timerFired(_ tag: UInt64) {
        switch tag {
        case TimerTag.restart:
            timer = .none
            restarts += 1
            start()
        case TimerTag.mirror:
            mirrorTimer = .none
            (mirror as? ChildLink)?.start(.serve(.legacy))
        default: return
        }
    }
}
