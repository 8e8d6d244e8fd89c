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
    var main: ServerLink?
    /// Non-nil while clients of the older era have a process of their own.
    var mirror: ServerLink?
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
    var processes: UInt32 = 0
    var restarts = 0
    var lastError: String?
    /// Of its processes that have ended.
    var pastHits = LimitHits()
    var lists = ServerLists()
    var stderr = LineRing(lines: Limits.stderrLines, lineBytes: Limits.stderrLineBytes)
    var heldCalls: [CallID] = []
    var backChannelCalls: [BackChannelCall] = []
    /// What of it has asked its client, by `Call.subject`.
    var askers: Set<Int> = []
    var trials: Trials
    /// Which arguments of its tools go into headers (2026-07-28).
    var mirrors = MirrorTable()
    /// Tools that can be called as tasks, by the server's names (2025-11-25).
    var taskTools: [String: TaskSupport] = [:]
    /// What its main link said when it served last.
    var lastOffers: (era: Era, offers: ChildProfile.Offers)?
    /// URIs that clients watch, as the server has them.
    var watched: Set<String> = []
    /// Made for version 1 of the Python SDK, as its first start has shown.
    var needsOldSDK = false
    /// Its lists have been read to their ends.
    var hasLists = false
    var exitsInARow = 0
    var readySince: Instant?
    /// It died when it was asked for its era: it is opened the older way.
    private var isLegacyByDeath = false
    /// The era of its last process that served.
    var knownEra: Era?
    /// What a mirror was tried for and could not do.
    var hasNoMirror = false
    /// Non-nil while a connection for clients of the older era is opened for the first time: since when.
    var mirrorOpening: Instant?
    var mirrorBackoff = Backoff(lastMilliseconds: Limits.restartMillisecondsMax)
    var timer = TimerID.none
    var mirrorTimer = TimerID.none
    var whenStopped: [@Sendable () -> Void] = []
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
        trials = Trials(tried: home.state.shared.tried(launchKey))
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
        tryNext(trials.expire(now: now))
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
}
