import Catalog
import MCP
import Reactor
import System
import TLS
import Wire

/// The conversation with a server that somebody else hosts: drives `RemoteClient` with connections, time and the
/// credentials of the sandbox's configuration. Nothing of a client's own reaches the server but its messages.
/// Lives on its sandbox's home loop.
final class RemoteLink: ServerLink, TimerTarget {
    let loop: Loop
    let url: RemoteURL
    var client: RemoteClient
    var isStopped = false
    let headers: [RemoteEndpoint.Header]
    /// Requests that no connection has taken yet.
    var waiting: [RemoteRequest] = []
    var connections: [RemoteConnection] = []
    var route: Outbound.Route?
    var routeKnownAt = Instant(nanoseconds: 0)
    var isResolving = false
    var isDispatching = false
    /// `notifications/initialized`, until it has been answered: servers take nothing else before it. After it the GET
    /// stream, where it matters, and `logging/setLevel`.
    var barriers = Barriers()
    /// Whether an address has passed the guard: a name that later leads elsewhere is an ordinary failure.
    var wasAllowed = false
    let scratch = TLSScratch()
    var ticket: TLSTicket?
    private var timer = TimerID.none
    private var timerDue = Instant(nanoseconds: .max)

    init(
        _ endpoint: RemoteEndpoint, _ plan: EraPlan, _ role: Role, of backend: Backend
    ) throws(RemoteURL.Fault) {
        loop = backend.state.loop
        url = try RemoteURL(endpoint.url)
        headers = endpoint.headers
        var declared = ClientCapabilities()
        if case .session(let abilities) = role { declared = abilities }
        client = RemoteClient(
            url: url, plan: plan, client: .gateway, capabilities: declared,
            isOldTransport: endpoint.transport == .sse)
        super.init(role, of: backend)
    }

    /// Milliseconds for an answer to come: longer than any call may take, which is told when its own time is over.
    var answerMilliseconds: Int {
        if isStopped { return Limits.remoteLingerMilliseconds }
        return state.settings.limits.callSeconds * 1000 + Limits.remoteLingerMilliseconds
    }

    /// The URL as it may be shown: what follows the `?` may be a credential.
    var shownURL: String { String("\(url)".prefix { $0 != "?" }) }

    // MARK: Beginning and end

    func start() { perform(client.start(now: loop.now)) }

    /// Gives the session back; nobody waits for the answer.
    override func stop() {
        // One that was refused has nothing left to end.
        guard !isStopped else { return backend.linkStopped(self) }
        isStopped = true
        hearing.end()
        perform(client.stop())
        for connection in connections {
            if connection.request?.method != .delete { connection.close() }
        }
        schedule()
        backend.linkStopped(self)
    }

    // MARK: Out

    override var waitingBytes: Int { pendingBytes }

    override func send(
        _ id: CallID, _ call: Call, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        target: SouthTarget
    ) {
        state.counters.calls &+= 1
        post(id, call, body, envelope.pointee, target: target)
    }

    override func sendAgain(
        _ id: CallID, _ call: Call, _ request: HeldRequest, _ round: ModernRewriter.Round
    ) {
        request.with { post(id, call, $0, $1.pointee, target: $2, round: round) }
    }

    override func sendOwn(
        _ id: CallID, _ method: MethodName, name: [UInt8]?, isRepeatable: Bool,
        _ write: (Int, inout ByteCollector) -> Void
    ) {
        var out = ByteCollector()
        write(Int(truncatingIfNeeded: id.value), &out)
        perform(
            client.call(id.value, body: out.bytes, method: method, name: name, isRepeatable: isRepeatable))
    }

    override func tell(_ write: (inout ByteCollector) -> Void) {
        var out = ByteCollector()
        write(&out)
        perform(client.notify(out.bytes))
    }

    override func sendCancelled(_ id: CallID, reason: StaticString) {
        var out = ByteCollector()
        SouthLine.cancelled(id: Int(truncatingIfNeeded: id.value), reason: reason.bytes, into: &out)
        out.bytes.removeLast()
        perform(client.cancel(id.value, notice: out.bytes))
    }

    override func sendLevel(_ level: LogLevel) {
        guard let id = register(.level) else { return }
        var out = ByteCollector()
        SouthLine.setLevel(level, id: Int(truncatingIfNeeded: id.value), into: &out)
        out.bytes.removeLast()
        let actions = client.call(id.value, body: out.bytes, method: .setLevel, isRepeatable: true)
        awaitStream()
        if case .request(let request)? = actions.last {
            barriers.add(
                .init(exchange: request.exchange, milliseconds: BridgeLimits.logLevelMilliseconds))
        }
        perform(actions)
    }

    /// What comes on the session's stream is not to be missed.
    private func awaitStream() {
        guard let stream = client.openingStream else { return }
        barriers.add(
            .init(exchange: stream, endsWithHead: true, milliseconds: BridgeLimits.streamMilliseconds))
    }

    override func openListen(_ id: Int, _ write: (inout ByteCollector) -> Void) {
        var out = ByteCollector()
        write(&out)
        perform(client.call(UInt64(id), body: out.bytes, method: .listen, isRepeatable: false))
    }

    override func closeListen(_ id: Int) { perform(client.forget(UInt64(id))) }

    // MARK: What the machine wants

    /// - Parameter actions: of one call of `client`, in its order.
    func perform(_ actions: [RemoteClient.Action]) {
        // First what they mean for the server as a whole: calls that fail must find it in its new state.
        for action in actions { note(action) }
        if let opening = Self.opening(actions) { barriers.add(.init(exchange: opening)) }
        for action in actions { carryOut(action) }
        dispatch()
        schedule()
    }

    /// The exchange that completes a handshake of the older era.
    private static func opening(_ actions: [RemoteClient.Action]) -> Int? {
        var first: Int?
        for action in actions {
            switch action {
            case .request(let request): first = first ?? request.exchange
            case .serves(let dialect, _): return dialect == .modern ? nil : first
            default: continue
            }
        }
        return nil
    }

    private func note(_ action: RemoteClient.Action) {
        guard !isStopped else { return }
        switch action {
        case .down, .gaveUp, .needsAuthorization: hearing.end()
        default: return
        }
        switch action {
        case .down(let reason): backend.remoteDown(self, reason)
        case .gaveUp(let reason): backend.remoteGaveUp(self, reason)
        case .needsAuthorization(let challenge): backend.remoteNeedsAuthorization(self, shownURL, challenge)
        default: return
        }
    }

    private func carryOut(_ action: RemoteClient.Action) {
        switch action {
        case .request(let request): waiting.append(request)
        case .close(let exchange): drop(exchange)
        case .serves(let dialect, let profile):
            era = dialect == .modern ? .modern : .legacy
            // They were of another session.
            earlyStatuses = []
            guard !isStopped else { return }
            if profile.offers.contains(.tasks) { awaitStream() }
            backend.remoteServes(self, profile)
        case .failed(let call, let failure): fail(CallID(value: call), failure.message)
        case .mirrorAgain(let call):
            backend.listChanged(.tools)
            fail(
                CallID(value: call),
                "the server has changed this tool; its list is being read again, try once more")
        case .gap: if !isStopped { backend.mayHaveChanged() }
        case .needsAuthorization, .down, .gaveUp: return
        }
    }

    func drop(_ exchange: Int) {
        barriers.passed(exchange)
        waiting.removeAll { $0.exchange == exchange }
        connections.first { $0.request?.exchange == exchange }?.close()
    }

    // MARK: Time

    /// Sees to it that the next deadline, of the machine or of a connection, is noticed.
    func schedule() {
        var due = connections.map(\.deadline).min() ?? Instant(nanoseconds: .max)
        if let tick = client.nextTick { due = min(due, tick) }
        guard due != timerDue else { return }
        cancelTimer()
        guard due.nanoseconds < .max else { return }
        timerDue = due
        timer = loop.schedule(
            afterMilliseconds: max(due.milliseconds(since: loop.now), 0) + 1, self, tag: 0)
    }

    func cancelTimer() {
        loop.cancel(timer)
        timer = .none
        timerDue = Instant(nanoseconds: .max)
    }

    /// `tag` is 0, or the exchange that has held up others for long enough.
    func timerFired(_ tag: UInt64) {
        if tag > 0 {
            barriers.passed(Int(truncatingIfNeeded: tag))
            return dispatch()
        }
        timer = .none
        timerDue = Instant(nanoseconds: .max)
        for connection in connections where loop.now >= connection.deadline { connection.expire() }
        perform(client.tick(now: loop.now, random: Self.random()))
    }
}
