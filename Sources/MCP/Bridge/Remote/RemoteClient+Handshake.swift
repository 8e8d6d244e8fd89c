import System
import Wire

/// How the era and transport of a remote server are found out: `server/discover`, else `initialize`, else the GET
/// of the old transport. Only what a server says decides; that it cannot be reached says nothing.
extension RemoteClient {
    private static let discoverID = 1
    private static let initializeID = 2

    mutating func discover(_ now: Instant) -> [Action] {
        phase = .discovering
        dialect = .modern
        let envelope = ModernEnvelope(client: identity, capabilities: [])
        var out = ByteCollector()
        ModernLine.discover(id: Self.discoverID, envelope: envelope, into: &out)
        let fields = postFields() + [.init(name: "Mcp-Method", value: Array("server/discover".utf8))]
        return [send(handshake(request(.post, url, fields, out.bytes), .discover, now))]
    }

    mutating func initialize(_ now: Instant) -> [Action] {
        phase = .initializing
        if dialect == .modern { dialect = .legacy }
        sessionID = nil
        var out = ByteCollector()
        SouthLine.initialize(id: Self.initializeID, client: identity, capabilities: capabilities, into: &out)
        out.bytes.removeLast()
        return [send(handshake(request(.post, postURL, postFields(), out.bytes), .initialize, now))]
    }

    mutating func awaitEndpoint(_ now: Instant) -> [Action] {
        phase = .awaitingEndpoint
        dialect = .oldSSE
        let fields = [RemoteRequest.Field(name: "Accept", value: Array("text/event-stream".utf8))]
        return [send(handshake(request(.get, url, fields, []), .endpoint, now))]
    }

    private func handshake(_ request: RemoteRequest, _ purpose: Purpose, _ now: Instant) -> Exchange {
        Exchange(
            request: request, purpose: purpose,
            deadline: now.advanced(milliseconds: BridgeLimits.remoteHandshakeSeconds * 1000))
    }

    /// `event: endpoint` of the old transport: where messages are posted, at the same origin.
    public mutating func endpoint(_ exchange: Int, _ data: UnsafeRawBufferPointer, now: Instant) -> [Action] {
        guard exchanges[exchange]?.purpose == .endpoint, phase == .awaitingEndpoint else { return [] }
        exchanges[exchange]?.deadline = nil
        do {
            postURL = try url.resolving(String(decoding: data, as: UTF8.self))
        } catch {
            return giveUp("its endpoint is refused: \(error.reason)")
        }
        return initialize(now)
    }

    // MARK: Answers

    mutating func discovered(
        _ envelope: Envelope, _ message: UnsafeRawBufferPointer, _ now: Instant
    ) -> [Action] {
        switch DiscoverAnswer(envelope, message) {
        case .modern(let profile): return serve(.modern, profile)
        case .contradicts where !isContradicted:
            isContradicted = true
            return discover(now)
        case .contradicts: return giveUp(DiscoverAnswer.contradiction)
        case .unusable(let reason): return giveUp(reason)
        case .legacy: return notModern(now)
        }
    }

    mutating func notModern(_ now: Instant) -> [Action] {
        if plan == .serve(.modern) {
            return giveUp("it does not speak 2026-07-28, which `era: modern` asks for")
        }
        return initialize(now)
    }

    mutating func initialized(
        _ envelope: Envelope, _ message: UnsafeRawBufferPointer, status: Int, _ now: Instant
    ) -> [Action] {
        guard envelope.kind == .response else {
            if DiscoverAnswer.isModernError(envelope.errorCode), plan != .serve(.legacy), !isProbed {
                isProbed = true
                return discover(now)
            }
            if dialect == .legacy, status == 400 || status == 404 || status == 405 {
                return awaitEndpoint(now)
            }
            return giveUp("it refused initialize: \(RPCFailure.quoted(envelope.error.of(message)))")
        }
        do {
            let profile = try ChildProfile(result: envelope.result.of(message))
            revision = profile.revision
            return serve(dialect, profile)
        } catch {
            return giveUp(error.message)
        }
    }

    private mutating func serve(_ spoken: Dialect, _ profile: ChildProfile) -> [Action] {
        phase = .serving
        dialect = spoken
        isProbed = false
        isContradicted = false
        backoff.reset()
        var actions: [Action] = []
        if spoken != .modern {
            var out = ByteCollector()
            SouthLine.initialized(into: &out)
            out.bytes.removeLast()
            actions.append(
                send(
                    Exchange(request: request(.post, postURL, postFields(), out.bytes), purpose: .initialized)
                ))
        }
        if spoken == .legacy { actions.append(openStream(lastEventID: [])) }
        actions.append(.serves(spoken, profile))
        let held = waiting
        waiting.removeAll()
        for exchange in held { actions.append(resend(exchange)) }
        return actions
    }

    /// The GET stream of a session. A server that has none answers 405.
    mutating func openStream(lastEventID: [UInt8]) -> Action {
        send(Exchange(request: streamRequest(lastEventID), purpose: .stream, lastEventID: lastEventID))
    }

    mutating func streamRequest(_ lastEventID: [UInt8]) -> RemoteRequest {
        var fields = [RemoteRequest.Field(name: "Accept", value: Array("text/event-stream".utf8))]
        if let sessionID { fields.append(.init(name: "Mcp-Session-Id", value: sessionID)) }
        if !lastEventID.isEmpty { fields.append(.init(name: "Last-Event-ID", value: lastEventID)) }
        return request(.get, url, fields + versionField(), [])
    }

    // MARK: Setbacks

    mutating func giveUp(_ reason: String) -> [Action] {
        let actions = dropAll(reason)
        phase = .idle
        return actions + [.gaveUp(reason)]
    }

    /// Tries the handshake again after a pause.
    mutating func pause(_ reason: String, _ now: Instant, _ random: UInt64, atLeastSeconds: Int = 0)
        -> [Action]
    {
        let actions = dropAll(reason)
        phase = .paused
        restartAt = now.advanced(
            milliseconds: backoff.next(random: random, atLeast: atLeastSeconds * 1000))
        return actions + [.down(reason)]
    }

    mutating func needsAuthorization(_ challenge: String?) -> [Action] {
        let actions = dropAll("the server wants authorization")
        phase = .idle
        return actions + [.needsAuthorization(challenge: challenge ?? "")]
    }

    private mutating func dropAll(_ reason: String) -> [Action] {
        var actions = exchanges.keys.sorted().map { Action.close(exchange: $0) }
        var calls = outstanding
        for exchange in exchanges.values.map({ $0 }) + waiting + delayed.map(\.exchange) {
            if case .call(let call) = exchange.purpose { calls.insert(call) }
        }
        actions += calls.sorted().map {
            .failed(call: $0, .serverFailed("the server is not connected: \(reason)"))
        }
        exchanges.removeAll()
        waiting.removeAll()
        delayed.removeAll()
        outstanding.removeAll()
        return actions
    }

    /// The server knows the session no more (404): a new one is made, once for all who notice.
    mutating func sessionLost(_ now: Instant) -> [Action] {
        guard phase == .serving, dialect == .legacy else { return [] }
        var actions: [Action] = []
        for number in exchanges.filter({ $0.value.purpose == .stream }).keys.sorted() {
            exchanges[number] = nil
            actions.append(.close(exchange: number))
        }
        delayed.removeAll { $0.exchange.purpose == .stream }
        hasGap = true
        return actions + initialize(now)
    }
}
