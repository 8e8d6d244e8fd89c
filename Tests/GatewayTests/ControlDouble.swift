import Catalog
import Synchronization
import System
import Testing
import Wire

@testable import Gateway

/// A data plane that does nothing but remember what it was asked, and completes when the test says so.
final class RecordingPlane: DataPlane {
    struct State {
        var answers: [ExchangeID: [ControlResponse]] = [:]
        var opened: [(specification: SandboxSpecification, ready: @Sendable ([ServerStatus]) -> Void)] = []
        var closed: [(id: String, done: @Sendable () -> Void)] = []
        var tokens: [(id: String, home: Int, digest: [UInt8])] = []
        var replaced: [(id: String, plans: [ServerPlan], ready: @Sendable ([ServerStatus]) -> Void)] = []
        var statuses: [ServerStatus]? = []
    }

    let loopCount: Int
    private let state = Mutex(State())

    init(loopCount: Int = 2) { self.loopCount = loopCount }

    var opened: [SandboxSpecification] { state.withLock { $0.opened.map(\.specification) } }
    var closed: [String] { state.withLock { $0.closed.map(\.id) } }
    var tokens: [(id: String, home: Int, digest: [UInt8])] { state.withLock { $0.tokens } }
    var replacedCount: Int { state.withLock { $0.replaced.count } }

    func answers(_ exchange: ExchangeID) -> [ControlResponse] {
        state.withLock { $0.answers[exchange] ?? [] }
    }

    func show(_ statuses: [ServerStatus]?) { state.withLock { $0.statuses = statuses } }

    /// Every server of the `index`th opened sandbox is ready.
    func ready(_ index: Int) { state.withLock { $0.opened[index].ready }([]) }

    /// Every server of the `index`th replaced set is ready.
    func replacedReady(_ index: Int) { state.withLock { $0.replaced[index].ready }([]) }

    /// Every process of the `index`th closed sandbox is gone.
    func gone(_ index: Int) { state.withLock { $0.closed[index].done }() }

    // MARK: DataPlane

    func answer(_ exchange: ExchangeID, _ response: ControlResponse) {
        state.withLock { $0.answers[exchange, default: []].append(response) }
    }

    func open(_ specification: SandboxSpecification, ready: @escaping @Sendable ([ServerStatus]) -> Void) {
        state.withLock { $0.opened.append((specification, ready)) }
    }

    func close(_ id: String, home: Int, done: @escaping @Sendable () -> Void) {
        state.withLock { $0.closed.append((id, done)) }
    }

    func replaceToken(_ id: String, home: Int, digest: [UInt8], token: String) {
        state.withLock { $0.tokens.append((id, home, digest)) }
    }

    func replaceServers(
        _ id: String, home: Int, _ servers: [ServerPlan], _ options: GatewayOptions,
        ready: @escaping @Sendable ([ServerStatus]) -> Void
    ) {
        state.withLock { $0.replaced.append((id, servers, ready)) }
    }

    func status(_ id: String, home: Int, _ completion: @escaping @Sendable ([ServerStatus]?) -> Void) {
        completion(state.withLock { $0.statuses })
    }
}

/// Jobs that the test runs itself.
final class ManualQueue: ControlQueue {
    private let jobs = Mutex<[@Sendable (ControlPlane) -> Void]>([])

    func post(_ job: @escaping @Sendable (ControlPlane) -> Void) { jobs.withLock { $0.append(job) } }

    func run(_ control: ControlPlane) {
        while let job = jobs.withLock({ $0.isEmpty ? nil : $0.removeFirst() }) { job(control) }
    }
}

/// A clock that stands still until it is stepped. It begins at 2026-01-02T03:04:05Z.
final class SteppedClock: Sendable {
    private let milliseconds = Mutex(0)

    func step(milliseconds more: Int) { milliseconds.withLock { $0 += more } }

    var control: ControlClock {
        ControlClock(
            now: {
                Instant(nanoseconds: 1_000_000_000).advanced(milliseconds: self.milliseconds.withLock { $0 })
            },
            unixMilliseconds: { 1_767_323_045_000 + self.milliseconds.withLock { $0 } })
    }
}

/// What the gateway was told of beginnings and ends.
final class EventLog: Sendable {
    private let log = Mutex<[ControlEvent]>([])
    func append(_ event: ControlEvent) { log.withLock { $0.append(event) } }
    var events: [ControlEvent] { log.withLock { $0 } }
}

/// The control state with doubles around it, and short words for what tests do with it.
final class ControlDesk {
    let clock = SteppedClock()
    let plane: RecordingPlane
    let queue = ManualQueue()
    let log = EventLog()
    let control: ControlPlane
    private var lastStream: UInt32 = 0

    static let alice = "e2b_a11ce000"
    static let bob = "e2b_b0b00000"

    init(loopCount: Int = 2, _ adjust: (inout ControlConfiguration) -> Void = { _ in }) {
        plane = RecordingPlane(loopCount: loopCount)
        var configuration = Self.configuration
        configuration.observe = { [log] in log.append($0) }
        adjust(&configuration)
        control = ControlPlane(
            configuration: configuration, plane: plane, queue: queue, clock: clock.control)
    }

    static var configuration: ControlConfiguration {
        var keys = APIKeys()
        keys.add(name: "alice", key: alice)
        keys.add(name: "bob", key: bob)
        return ControlConfiguration(
            keys: keys, publicURL: "http://127.0.0.1:8080", domain: "e2b.localhost:8080", check: check)
    }

    /// Knows the servers `time` and `git`; a server with a member `bad` has a mistake in it.
    private static let check: ControlConfiguration.Check = { mcp in
        var mistakes: [ConfigurationError] = []
        var options = GatewayOptions()
        for member in mcp.objectValue ?? JSONObject() {
            if member.name == "$gateway" {
                options.network = member.value["network"]?.stringValue.flatMap { NetworkChoice(rawValue: $0) }
            } else if !["time", "git"].contains(member.name) {
                mistakes.append(
                    ConfigurationError(
                        server: member.name, property: nil, message: "\(member.name): unknown server"))
            } else if member.value["bad"] != nil {
                mistakes.append(
                    ConfigurationError(
                        server: member.name, property: "bad", message: "\(member.name).bad: unknown property")
                )
            }
        }
        if !mistakes.isEmpty { return .failure(ConfigurationErrors(mistakes)) }
        return .success(CheckedServers(plans: [], options: options))
    }

    // MARK: Requests

    @discardableResult
    func send(_ request: ControlRequest) -> ExchangeID {
        lastStream += 1
        var request = request
        request.exchange = ExchangeID(loop: 0, slot: 1, generation: 1, stream: lastStream)
        control.handle(request)
        queue.run(control)
        return request.exchange
    }

    @discardableResult
    func send(
        _ method: String, _ path: String, query: String = "", key: String? = ControlDesk.alice,
        idempotencyKey: String? = nil, _ body: String = ""
    ) -> ExchangeID {
        send(
            ControlRequest(
                exchange: ExchangeID(loop: 0, slot: 0, generation: 0, stream: 0), method: method, path: path,
                query: query, apiKey: key, idempotencyKey: idempotencyKey, body: Array(body.utf8),
                arrived: clock.control.now()))
    }

    /// A request to port 49983 of a sandbox, as the SDK addresses it.
    @discardableResult
    func sendEnvd(
        _ method: String, _ path: String, sandbox: String, port: String? = "49983", query: String = "",
        token: String?, contentType: String = "", _ body: [UInt8] = []
    ) -> ExchangeID {
        send(
            ControlRequest(
                exchange: ExchangeID(loop: 0, slot: 0, generation: 0, stream: 0), method: method, path: path,
                query: query, accessToken: token, sandboxHeader: sandbox, portHeader: port,
                contentType: contentType, body: body, arrived: clock.control.now()))
    }

    /// The answer, which must be the only one so far.
    func answer(_ exchange: ExchangeID) throws -> ControlResponse {
        let answers = plane.answers(exchange)
        try #require(answers.count == 1, "an exchange is answered once, and this one has been")
        return answers[0]
    }

    func isAnswered(_ exchange: ExchangeID) -> Bool { !plane.answers(exchange).isEmpty }

    func call(
        _ method: String, _ path: String, query: String = "", key: String? = ControlDesk.alice,
        idempotencyKey: String? = nil, _ body: String = ""
    ) throws -> ControlResponse {
        try answer(send(method, path, query: query, key: key, idempotencyKey: idempotencyKey, body))
    }

    // MARK: Time and completions

    func step(seconds: Int) {
        clock.step(milliseconds: seconds * 1000)
        control.tick()
        queue.run(control)
    }

    func ready(_ index: Int) {
        plane.ready(index)
        queue.run(control)
    }

    func replacedReady(_ index: Int) {
        plane.replacedReady(index)
        queue.run(control)
    }

    func gone(_ index: Int) {
        plane.gone(index)
        queue.run(control)
    }

    /// A sandbox whose servers are ready, as its create showed it.
    func sandbox(_ body: String = "{}", key: String = ControlDesk.alice) throws -> JSONValue {
        let exchange = send("POST", "/v2/sandboxes", key: key, body)
        ready(plane.opened.count - 1)
        let response = try answer(exchange)
        try #require(response.status == 201)
        return try response.value
    }
}

extension ControlResponse {
    var value: JSONValue { get throws { try JSONValue.parse(body) } }

    func header(_ name: String) -> String? { headers.first { $0.0 == name }?.1 }

    /// Checks the form of every refusal and hands its message over.
    func message(status expected: Int) throws -> String {
        #expect(status == expected)
        #expect(contentType == "application/json")
        let value = try value
        #expect(value["code"] == .integer(expected))
        return try #require(value["message"]?.stringValue)
    }
}

extension JSONValue {
    /// The string member `name`.
    func text(_ name: String) throws -> String { try #require(self[name]?.stringValue) }
    var id: String { get throws { try text("sandboxID") } }
}
