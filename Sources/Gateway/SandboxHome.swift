import CEpollShim
import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// A sandbox on its home loop: its servers, the merged catalog of what they offer, its sessions and streams.
/// Nothing of it is reachable but by its key and token.
final class SandboxHome: TimerTarget {
    let state: LoopState
    let key: SandboxKey
    let id: String
    private(set) var tokenDigest: [UInt8]
    private var rememberedToken = ByteQueue()
    let sessionKey: [UInt8]
    let owner: String
    private(set) var options: GatewayOptions
    private(set) var backends: [Backend] = []
    private(set) var catalog: ListCatalog
    /// The same as older revisions have it.
    var olderLists = OlderLists()
    var sessions = SessionTable()
    /// Sessions of the transport of 2024-11-05 by their ids.
    var oldSessions: [[UInt8]: OldSession] = [:]
    var streams: [EventStream] = []
    /// Who hears of changes, by name.
    var audiences: [UInt64: Audience] = [:]
    var audienceNames: UInt64 = 0
    /// Those of them that have something to be told.
    var untold: Set<UInt64> = []
    var changesTimer = TimerID.none
    var watches = Watches()
    /// Clients that wait until their servers have said a word on what they subscribe to.
    var subscribings: [Subscribing] = []
    /// Bytes of events that sessions keep for clients that come back.
    var replayBytes = 0
    /// Bytes of long answers that wait for clients to read them.
    let outgoing = Tally()
    /// Seals what clients carry from one request to the next.
    let seal: StateSeal
    var parking: Parking
    /// Tasks that clients follow themselves, and those who wait for a list of theirs.
    let taskSeal: StateSeal
    var relayedTasks = RelayedTasks()
    var taskListings: [UInt64: TaskListing] = [:]
    var taskListingNames: UInt64 = 0
    /// Calls that wait for their legacy clients to answer, by their names in `Rounds`.
    var asking: [UInt64: CallID] = [:]
    /// A client of the older era has been here.
    var hasSessions = false
    var roundNames: UInt64 = 0
    var bridgeTimer = TimerID.none
    var bridgeDue = Instant(nanoseconds: 0)
    var launchContext: LaunchContext
    /// Nil where the sandbox has the host's network.
    let egress: SandboxEgress?
    var opening = NetworkOpening()
    /// The endpoint in the sandbox's own network, when it has one.
    var inside: Listener?
    var insideConnections = 0
    private var whenSettled: [@Sendable ([ServerStatus]) -> Void] = []
    private(set) var isClosing = false

    init(_ specification: SandboxSpecification, key: SandboxKey, state: LoopState) {
        self.state = state
        self.key = key
        id = specification.id
        tokenDigest = specification.tokenDigest
        sessionKey = specification.sessionKey
        seal = StateSeal(key: specification.sessionKey, sandbox: specification.id)
        parking = Parking(seal)
        taskSeal = StateSeal(key: specification.sessionKey, sandbox: specification.id, purpose: "task")
        owner = specification.owner
        options = specification.options
        catalog = ListCatalog(servers: [], options: ListCatalog.Options(implementation: .gateway))
        let network = specification.network
        launchContext = LaunchContext(
            sandboxID: specification.id, environment: specification.environment,
            secrets: CommonVariables.secrets(of: specification.environment),
            cpu: state.shared.cpu(of: state.loop.index), mcpToken: specification.mcpToken,
            mcpURL: network == .host ? specification.mcpURL : "http://localhost:\(Limits.insidePort)/mcp",
            resources: specification.options.resources, network: network)
        egress =
            network == .host
            ? nil
            : SandboxEgress(
                sandbox: id, network: network, named: CommonVariables.hosts(of: specification.environment),
                state: state)
        backends = specification.servers.enumerated().map { Backend(home: self, plan: $1, index: $0) }
        rebuildCatalog()
    }

    /// Starts its servers; called when the loop can find it.
    func open() {
        opening.unstarted = backends
        openNetwork()
    }

    // MARK: Servers

    /// The link of the server with this index whose current process or connection is number `incarnation`.
    func link(_ index: Int, _ incarnation: UInt32) -> ServerLink? {
        (backends + leaving).first { $0.index == index }?.link(incarnation)
    }

    func child(_ index: Int, _ incarnation: UInt32) -> ChildLink? { link(index, incarnation) as? ChildLink }

    /// Servers that were replaced and are not gone yet.
    private var leaving: [Backend] = []

    /// Runs `completion` once every server is ready or has settled in a failure.
    func whenReady(_ completion: @escaping @Sendable ([ServerStatus]) -> Void) {
        whenSettled.append(completion)
        serverSettled()
    }

    func serverSettled() {
        guard !whenSettled.isEmpty, backends.allSatisfy(\.isSettled) else { return }
        let waiting = whenSettled
        whenSettled = []
        let statuses = self.statuses
        for completion in waiting { completion(statuses) }
    }

    var statuses: [ServerStatus] { backends.map(\.status) }

    func serverReady(_ backend: Backend) {
        rebuildCatalog()
        announce([.tools, .prompts, .resources])
        serverSettled()
    }

    /// It is ready again, with what it offered before.
    func serverIsBack() {
        catalog = catalog.with(heads: listOptions)
        serverSettled()
    }

    /// Its tools stay listed: it is on its way back, and calls meanwhile wait or are told.
    func serverLost(_ backend: Backend) {
        catalog = catalog.with(heads: listOptions)
        serverSettled()
    }

    func listsChanged(_ kind: ListKind) {
        rebuildCatalog()
        switch kind {
        case .tools: announce([.tools])
        case .prompts: announce([.prompts])
        case .resources, .templates: announce([.resources])
        }
    }

    private func rebuildCatalog() {
        catalog = ListCatalog(
            servers: backends.map {
                $0.lists.snapshot(name: $0.plan.name, runsTasks: $0.taskOffer(.legacy) != .none)
            }, options: listOptions)
        olderLists.removeAll()
    }

    private var listOptions: ListCatalog.Options {
        ListCatalog.Options(
            implementation: .gateway, prefix: PrefixMode(rawValue: options.prefix.rawValue) ?? .always,
            filter: ToolFilter(
                include: (options.include ?? []).map { NamePattern($0) },
                exclude: options.exclude.map { NamePattern($0) }),
            serverStates: serverStates)
    }

    /// Empty while every server is ready; else the state of each, for `_meta` of the lists.
    private var serverStates: [UInt8] {
        guard !backends.allSatisfy({ $0.phase == .ready || $0.phase == .idle }) else { return [] }
        return JSONValue.array(
            backends.map { .object(["name": .string($0.plan.name), "state": .string($0.stateName)]) }
        ).serialized()
    }

    func replaceToken(_ digest: [UInt8], token: String) {
        tokenDigest = digest
        rememberedToken.removeAll()
        launchContext.mcpToken = token
    }

    /// Whether `token` is the one whose digest matched last: a digest costs 0.3 µs, this comparison a tenth.
    /// In constant time for a given length.
    func remembers(_ token: UnsafeRawBufferPointer) -> Bool {
        guard !token.isEmpty, token.count == rememberedToken.count else { return false }
        return ce_equal(token.baseAddress, rememberedToken.bytes.baseAddress, token.count) == 1
    }

    func remember(_ token: UnsafeRawBufferPointer) {
        rememberedToken.removeAll()
        rememberedToken.append(token)
    }

    /// Servers whose plan is unchanged keep running; the rest stop and start.
    func replace(
        _ plans: [ServerPlan], _ newOptions: GatewayOptions,
        _ completion: @escaping @Sendable ([ServerStatus]) -> Void
    ) {
        options = newOptions
        launchContext.resources = newOptions.resources
        var kept = backends
        var next: [Backend] = []
        var index = ((backends + leaving).map(\.index).max() ?? -1) + 1
        for plan in plans {
            if let same = kept.firstIndex(where: { $0.plan.isSameLaunch(as: plan) }) {
                let backend = kept.remove(at: same)
                backend.adopt(plan)
                next.append(backend)
            } else {
                let backend = Backend(home: self, plan: plan, index: index)
                index += 1
                next.append(backend)
                opening.unstarted.append(backend)
            }
        }
        backends = next
        for old in kept {
            watches.remove(server: old.index)
            retire(old)
        }
        openNetwork()
        rebuildCatalog()
        announce([.tools, .prompts, .resources])
        whenReady(completion)
    }

    private func retire(_ backend: Backend) {
        opening.unstarted.removeAll { $0 === backend }
        leaving.append(backend)
        let (shared, loopIndex, key, index) = (state.shared, state.loop.index, key, backend.index)
        backend.stop {
            shared.post(loopIndex) { $0.homes[key]?.leaving.removeAll { $0.index == index } }
        }
    }

    // MARK: Closing

    /// Stops every server; `done` runs on this loop when no process of the sandbox is left.
    func close(_ done: @escaping @Sendable () -> Void) {
        guard !isClosing else { return done() }
        isClosing = true
        endStreams()
        // What is being opened in its network belongs to it, too.
        opening.unstarted = []
        if opening.isUnderWay { opening.whenOver = done } else { stopAll(done) }
    }

    func stopAll(_ done: @escaping @Sendable () -> Void) {
        if let inside { state.loop.close(inside) }
        egress?.close()
        for connection in state.connections {
            if case .inside(key) = connection.role { connection.close() }
        }
        let remaining = Countdown(backends.count + leaving.count, done)
        for backend in backends + leaving { backend.stop { remaining.step() } }
        remaining.step()
    }

    /// Nothing runs any more, and nobody finds the sandbox: what is in it and refers to it is let go of, since objects
    /// that refer to one another would never be freed.
    func dissolve() {
        backends = []
        leaving = []
        streams = []
        oldSessions = [:]
        audiences = [:]
        subscribings = []
        state.loop.cancel(changesTimer)
        state.loop.cancel(bridgeTimer)
    }

    /// Open streams end gracefully; their clients come back or learn that the sandbox is gone.
    func endStreams() {
        for stream in streams { end(stream) }
        endOldSessions()
    }

    /// Once a second.
    func tick(_ now: Instant) {
        for stream in streams where now > stream.nextComment {
            stream.nextComment = now.advanced(milliseconds: Limits.keepAliveSeconds * 1000)
            state.sendComment(stream.exchange)
        }
        for session in sessions.expire(now) { forget(session) }
        if replayBytes > 0 { replayBytes = sessions.expireEvents(now) }
        tickWatches(now)
        tickOldSessions(now)
        for backend in backends { backend.tick(now) }
        egress?.tick(now)
    }
}

/// Runs `done` when it has been stepped `count` + 1 times. One loop's thread steps it.
final class Countdown: @unchecked Sendable {
    private var left: Int
    private let done: @Sendable () -> Void

    init(_ count: Int, _ done: @escaping @Sendable () -> Void) {
        left = count + 1
        self.done = done
    }

    func step() {
        left -= 1
        if left == 0 { done() }
    }
}
