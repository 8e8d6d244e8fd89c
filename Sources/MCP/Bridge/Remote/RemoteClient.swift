import System
import Wire

/// The gateway's side of a conversation with a remote server: Streamable HTTP of both eras, and the two-endpoint
/// transport of 2024-11-05. Sans-I/O: it says which requests to make and what to make of the answers; sockets,
/// TLS, name resolution and credentials are the driver's.
///
/// Each request is an exchange with a number. A response's messages are handed to `message`, which consumes the
/// machine's own and gives the rest back with the call they belong to.
public struct RemoteClient: Sendable {
    public enum Dialect: Sendable { case modern, legacy, oldSSE }

    public enum Action: Sendable, Equatable {
        case request(RemoteRequest)
        /// Give the exchange up: its connection is of no further use.
        case close(exchange: Int)
        /// The server serves, also after a lost session: lists are read and resources watched anew.
        case serves(Dialect, ChildProfile)
        /// Nothing more comes for this call.
        case failed(call: UInt64, RPCFailure)
        /// The server says that headers do not mirror the arguments (-32020): read its tools again, compute the
        /// headers anew and make the call once more.
        case mirrorAgain(call: UInt64)
        /// It answers 401 or 403; the challenge is its `WWW-Authenticate`.
        case needsAuthorization(challenge: String)
        /// It cannot be reached; it is tried again.
        case down(String)
        /// It never will be what is configured.
        case gaveUp(String)
        /// Notifications may have been missed: everything may have changed.
        case gap
    }

    /// How the body of a response is to be read.
    public enum BodyUse: Sendable, Equatable {
        /// One message.
        case json
        /// A message in each event.
        case events
        /// To its end, for nothing.
        case ignore
    }

    enum Phase: Sendable, Equatable {
        case idle, discovering, initializing, awaitingEndpoint, serving, paused, ended
    }

    enum Purpose: Sendable, Equatable {
        case discover, initialize, initialized
        /// GET for unsolicited messages.
        case stream
        /// GET of the old transport, which carries all messages.
        case endpoint
        case call(UInt64)
        case notice, delete
    }

    struct Exchange: Sendable {
        var request: RemoteRequest
        var purpose: Purpose
        /// The request may be sent again: it changes nothing at the server.
        var isRepeatable = false
        var attempts = 1
        var redirects = 0
        var resumptions = 0
        var lastEventID: [UInt8] = []
        var status = 0
        /// Its response to our request has come.
        var hasAnswer = false
        /// Of the handshake only.
        var deadline: Instant?
    }

    struct Delayed: Sendable {
        var due: Instant
        var exchange: Exchange
    }

    let url: RemoteURL
    let plan: EraPlan
    let identity: Implementation
    let capabilities: ClientCapabilities
    let isOldTransport: Bool

    var phase = Phase.idle
    var dialect = Dialect.legacy
    var revision = Revision.newestHandshake
    var sessionID: [UInt8]?
    /// Where messages are posted: another URL than `url` in the old transport only.
    var postURL: RemoteURL
    var exchanges: [Int: Exchange] = [:]
    var delayed: [Delayed] = []
    /// Calls that a lost session holds up.
    var waiting: [Exchange] = []
    /// Calls whose answer comes on the one stream of the old transport.
    var outstanding: Set<UInt64> = []
    var numbers = 0
    var backoff = Backoff()
    var streamBackoff = Backoff()
    var restartAt: Instant?
    /// The server's `retry:`.
    var retryMilliseconds = 0
    /// A GET stream was open and is no more.
    var hasGap = false
    var isProbed = false
    /// It has refused the revision that it says it speaks, and is asked once more.
    var isContradicted = false

    /// - Parameters:
    ///   - capabilities: declared in `initialize`; empty for servers that must not ask.
    ///   - isOldTransport: the catalog says so; else it is found out.
    public init(
        url: RemoteURL, plan: EraPlan, client: Implementation, capabilities: ClientCapabilities = [],
        isOldTransport: Bool = false
    ) {
        self.url = url
        self.plan = plan
        self.capabilities = capabilities
        self.isOldTransport = isOldTransport
        identity = client
        postURL = url
    }

    public var isServing: Bool { phase == .serving }
    /// What has been learned; nil until it serves.
    public var verdict: EraVerdict? { phase == .serving ? (dialect == .modern ? .modern : .legacy) : nil }

    /// The GET stream of the session, while it is not known whether the server has one.
    public var openingStream: Int? {
        exchanges.first { $0.value.purpose == .stream && $0.value.status == 0 }?.key
    }

    public var nextTick: Instant? {
        var times = delayed.map(\.due) + exchanges.values.compactMap(\.deadline)
        if let restartAt { times.append(restartAt) }
        return times.min()
    }

    // MARK: The driver's wishes

    public mutating func start(now: Instant) -> [Action] {
        guard phase == .idle || phase == .paused else { return [] }
        restartAt = nil
        sessionID = nil
        postURL = url
        if isOldTransport { return awaitEndpoint(now) }
        return plan == .serve(.legacy) ? initialize(now) : discover(now)
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - call: the driver's name of it.
    ///   - name: of a modern request: the decoded target for `Mcp-Name`.
    ///   - mirrored: of a modern request: `Mcp-Param-…` fields.
    ///   - isRepeatable: it may be sent twice, as lists, reads and prompts may.
    public mutating func call(
        _ call: UInt64, body: [UInt8], method: MethodName, name: [UInt8]? = nil,
        mirrored: [RemoteRequest.Field] = [], isRepeatable: Bool
    ) -> [Action] {
        guard phase == .serving || phase == .initializing else {
            return [.failed(call: call, .serverFailed("the server is not connected"))]
        }
        var fields = postFields()
        if dialect == .modern {
            fields.append(.init(name: "Mcp-Method", value: Array("\(method.text)".utf8)))
            if let name { fields.append(.init(name: "Mcp-Name", value: HeaderValue.encoded(name))) }
            fields += mirrored
        }
        let exchange = Exchange(
            request: request(.post, postURL, fields, body), purpose: .call(call), isRepeatable: isRepeatable)
        guard phase == .serving else {
            waiting.append(exchange)
            return []
        }
        if dialect == .oldSSE { outstanding.insert(call) }
        return [send(exchange)]
    }

    /// Sends a notification, or a response to a request of the server's. `body` is one message.
    public mutating func notify(_ body: [UInt8]) -> [Action] {
        guard phase == .serving else { return [] }
        return [send(Exchange(request: request(.post, postURL, postFields(), body), purpose: .notice))]
    }

    /// The call is wanted no more. `notice` is its `notifications/cancelled`: a modern server is told by the close
    /// of the stream alone.
    public mutating func cancel(_ call: UInt64, notice: [UInt8]) -> [Action] {
        var actions: [Action] = []
        if dialect != .modern { actions += notify(notice) }
        actions += forget(call)
        return actions
    }

    /// The call has been answered where the machine does not see it, or is of no interest any more.
    public mutating func forget(_ call: UInt64) -> [Action] {
        outstanding.remove(call)
        waiting.removeAll { $0.purpose == .call(call) }
        delayed.removeAll { $0.exchange.purpose == .call(call) }
        let numbers = exchanges.filter { $0.value.purpose == .call(call) }.keys.sorted()
        for number in numbers { exchanges[number] = nil }
        return numbers.map { .close(exchange: $0) }
    }

    /// Ends the conversation: a session is given back.
    public mutating func stop() -> [Action] {
        guard phase != .ended else { return [] }
        var actions = exchanges.keys.sorted().map { Action.close(exchange: $0) }
        exchanges.removeAll()
        delayed.removeAll()
        waiting.removeAll()
        outstanding.removeAll()
        restartAt = nil
        if dialect == .legacy, let sessionID {
            phase = .serving
            var fields = [RemoteRequest.Field(name: "Mcp-Session-Id", value: sessionID)]
            fields += versionField()
            actions.append(send(Exchange(request: request(.delete, url, fields, []), purpose: .delete)))
        }
        phase = .ended
        return actions
    }

    public mutating func tick(now: Instant, random: UInt64) -> [Action] {
        var actions: [Action] = []
        let late = exchanges.filter { $0.value.deadline.map { now >= $0 } ?? false }.keys.sorted()
        for number in late {
            actions.append(.close(exchange: number))
            actions += ended(number, failure: "it did not answer in time", now: now, random: random)
        }
        if let due = restartAt, now >= due { actions += start(now: now) }
        let due = delayed.filter { now >= $0.due }
        delayed.removeAll { now >= $0.due }
        for entry in due { actions.append(resend(entry.exchange)) }
        return actions
    }

    // MARK: Requests

    mutating func request(
        _ method: RemoteRequest.Method, _ url: RemoteURL, _ fields: [RemoteRequest.Field], _ body: [UInt8]
    ) -> RemoteRequest {
        RemoteRequest(exchange: 0, method: method, url: url, fields: fields, body: body)
    }

    mutating func send(_ exchange: Exchange) -> Action {
        numbers += 1
        var exchange = exchange
        exchange.request.exchange = numbers
        exchanges[numbers] = exchange
        return .request(exchange.request)
    }

    /// The same again, with what is true now: the session may be another one.
    mutating func resend(_ exchange: Exchange) -> Action {
        var exchange = exchange
        exchange.hasAnswer = false
        exchange.request.fields.removeAll { $0.name == "Mcp-Session-Id" }
        if let sessionID, dialect == .legacy {
            exchange.request.fields.append(.init(name: "Mcp-Session-Id", value: sessionID))
        }
        return send(exchange)
    }

    func postFields() -> [RemoteRequest.Field] {
        var fields: [RemoteRequest.Field] = [
            .init(name: "Content-Type", value: Array("application/json".utf8)),
            .init(name: "Accept", value: Array("application/json, text/event-stream".utf8)),
        ]
        if dialect == .legacy, let sessionID {
            fields.append(.init(name: "Mcp-Session-Id", value: sessionID))
        }
        return fields + versionField()
    }

    func versionField() -> [RemoteRequest.Field] {
        // 2025-06-18 introduced the header; older servers know none, and need none.
        guard dialect == .modern || (dialect == .legacy && phase == .serving && revision >= .v2025_06_18)
        else {
            return []
        }
        let version = dialect == .modern ? Revision.newest : revision
        return [.init(name: "MCP-Protocol-Version", value: Array("\(version.text)".utf8))]
    }
}
