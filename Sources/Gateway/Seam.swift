import Catalog
import System

/// Names one exchange (a request and its answer) of one connection of one loop. It may travel between
/// threads; an answer to an exchange that has ended is dropped.
public struct ExchangeID: Sendable, Hashable {
    public var loop: UInt16
    /// Slot and generation of the connection in its loop's table.
    public var slot: UInt32
    public var generation: UInt32
    /// HTTP/1.1: the ordinal of the request on its connection. HTTP/2: the stream.
    public var stream: UInt32

    public init(loop: UInt16, slot: UInt32, generation: UInt32, stream: UInt32) {
        self.loop = loop
        self.slot = slot
        self.generation = generation
        self.stream = stream
    }
}

/// A request for the control thread, copied out of the loop's buffers.
public struct ControlRequest: Sendable {
    public var exchange: ExchangeID
    public var method: String
    /// Without the query, still percent-encoded.
    public var path: String
    public var query: String
    public var apiKey: String?
    public var accessToken: String?
    public var authorization: String?
    /// `E2b-Sandbox-Id` or, for `PORT-ID.domain` hosts, the id in the host name.
    public var sandboxHeader: String?
    /// `E2b-Sandbox-Port` or the port in the host name.
    public var portHeader: String?
    public var host: String
    public var contentType: String
    public var idempotencyKey: String?
    public var body: [UInt8]
    public var arrived: Instant

    public init(
        exchange: ExchangeID, method: String, path: String, query: String = "", apiKey: String? = nil,
        accessToken: String? = nil, authorization: String? = nil, sandboxHeader: String? = nil,
        portHeader: String? = nil, host: String = "", contentType: String = "", idempotencyKey: String? = nil,
        body: [UInt8] = [], arrived: Instant
    ) {
        self.exchange = exchange
        self.method = method
        self.path = path
        self.query = query
        self.apiKey = apiKey
        self.accessToken = accessToken
        self.authorization = authorization
        self.sandboxHeader = sandboxHeader
        self.portHeader = portHeader
        self.host = host
        self.contentType = contentType
        self.idempotencyKey = idempotencyKey
        self.body = body
        self.arrived = arrived
    }
}

/// An answer of the control thread: a whole body.
public struct ControlResponse: Sendable {
    public var status: Int
    /// Empty: no `Content-Type` (204).
    public var contentType: String
    public var headers: [(String, String)]
    public var body: [UInt8]

    public init(
        status: Int, contentType: String = "application/json", headers: [(String, String)] = [],
        body: [UInt8] = []
    ) {
        self.status = status
        self.contentType = contentType
        self.headers = headers
        self.body = body
    }
}

/// What the control thread asks of the loops. Completions run on a loop's thread.
public protocol DataPlane: Sendable {
    var loopCount: Int { get }
    func answer(_ exchange: ExchangeID, _ response: ControlResponse)
    /// `ready` is called once, when every server is ready or has settled in a failure.
    func open(_ specification: SandboxSpecification, ready: @escaping @Sendable ([ServerStatus]) -> Void)
    /// `done` is called when every process of the sandbox is gone.
    func close(_ id: String, home: Int, done: @escaping @Sendable () -> Void)
    func replaceToken(_ id: String, home: Int, digest: [UInt8], token: String)
    func replaceServers(
        _ id: String, home: Int, _ servers: [ServerPlan], _ options: GatewayOptions,
        ready: @escaping @Sendable ([ServerStatus]) -> Void)
    /// Nil when the loop does not know the sandbox.
    func status(_ id: String, home: Int, _ completion: @escaping @Sendable ([ServerStatus]?) -> Void)
}

/// All that a loop needs to host a sandbox.
public struct SandboxSpecification: Sendable {
    public var id: String
    public var home: Int
    /// SHA-256 of the MCP token, 32 bytes.
    public var tokenDigest: [UInt8]
    /// Seals session ids of this sandbox: 32 random bytes.
    public var sessionKey: [UInt8]
    public var servers: [ServerPlan]
    public var options: GatewayOptions
    public var environment: [(String, String)]
    /// Name of the API key that owns it.
    public var owner: String
    /// For the sandbox's own processes, besides the digest: where its endpoint is on this host, and the token.
    public var mcpToken: String
    public var mcpURL: String
    /// What its servers reach.
    public var network: NetworkChoice

    public init(
        id: String, home: Int, tokenDigest: [UInt8], sessionKey: [UInt8], servers: [ServerPlan],
        options: GatewayOptions, environment: [(String, String)], owner: String, mcpToken: String = "",
        mcpURL: String = "", network: NetworkChoice = .host
    ) {
        self.id = id
        self.home = home
        self.tokenDigest = tokenDigest
        self.sessionKey = sessionKey
        self.servers = servers
        self.options = options
        self.environment = environment
        self.owner = owner
        self.mcpToken = mcpToken
        self.mcpURL = mcpURL
        self.network = network
    }
}

/// One server of a sandbox as the control API shows it.
public struct ServerStatus: Sendable {
    public var name: String
    public var key: String
    /// resolving, starting, ready, idle, needs_auth, crash_loop, failed or stopped.
    public var state: String
    /// When that began, in Unix milliseconds.
    public var sinceMilliseconds: Int
    public var era: String
    public var tools: Int
    public var pid: Int32?
    public var restarts: Int
    public var lastError: String?
    public var stderrTail: [String]
    /// How often it met its limits, in all its processes.
    public var limitHits: LimitHits

    public init(
        name: String, key: String, state: String, sinceMilliseconds: Int = 0, era: String, tools: Int,
        pid: Int32?, restarts: Int,
        lastError: String?, stderrTail: [String], limitHits: LimitHits = LimitHits()
    ) {
        self.name = name
        self.key = key
        self.state = state
        self.sinceMilliseconds = sinceMilliseconds
        self.era = era
        self.tools = tools
        self.pid = pid
        self.restarts = restarts
        self.lastError = lastError
        self.stderrTail = stderrTail
        self.limitHits = limitHits
    }
}
