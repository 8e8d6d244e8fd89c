import System
import Wire

/// Where work for the control thread is left, from any thread.
public protocol ControlQueue: AnyObject, Sendable {
    func post(_ job: @escaping @Sendable (ControlPlane) -> Void)
}

/// The state of the control API: which sandboxes there are, whose they are, and when they end. Confined to
/// one thread; nothing here blocks. What takes time (starting servers, killing processes) is asked of the
/// data plane, whose completions come back through the queue.
public final class ControlPlane {
    let plane: any DataPlane
    let queue: any ControlQueue
    let clock: ControlClock
    public var configuration: ControlConfiguration

    var records: [String: SandboxRecord] = [:]
    /// Ids of each owner's sandboxes in the order of their creation.
    var owned: [String: [String]] = [:]
    /// Creations of each owner that are not answered yet.
    var creations: [String: Int] = [:]
    var creationCount = 0
    /// Sandboxes of each loop.
    var loads: [Int]
    var alarms = AlarmHeap<Alarm>()
    var idempotency = IdempotencyLedger()
    /// The key under which a sandbox's create is remembered, while it is unanswered.
    var idempotencyKeys: [String: IdempotencyLedger.Key] = [:]
    var forgetAlarm: AlarmHeap<Alarm>.ID?
    var lastWait: UInt64 = 0
    var lastPID = 1000
    /// Non-empty while the gateway shuts down: called when the last sandbox is gone.
    var drained: [@Sendable () -> Void] = []
    var isShuttingDown = false

    public init(
        configuration: ControlConfiguration, plane: any DataPlane, queue: any ControlQueue,
        clock: ControlClock = .system
    ) {
        self.configuration = configuration
        self.plane = plane
        self.queue = queue
        self.clock = clock
        loads = Array(repeating: 0, count: max(1, plane.loopCount))
    }

    /// Takes one request; its answer leaves now or later by `DataPlane.answer`, exactly once.
    public func handle(_ request: ControlRequest) {
        do {
            if let id = request.sandboxHeader {
                try handleSandboxPort(request, id: id)
            } else {
                try handleAPI(request)
            }
        } catch {
            plane.answer(request.exchange, error.response)
        }
    }

    private func handleAPI(_ request: ControlRequest) throws(ControlRefusal) {
        guard let route = ControlRoute(path: request.path) else {
            let shown = String(decoding: request.path.utf8.prefix(128), as: UTF8.self)
            throw .notFound("There is nothing at \(shown)")
        }
        if request.method == "OPTIONS" {
            let allowed = route.methods.joined(separator: ", ")
            return answer(
                request, ControlResponse(status: 204, contentType: "", headers: [("Allow", allowed)]))
        }
        guard route.methods.contains(request.method) else {
            throw .wrongMethod(request.method, allowed: route.methods)
        }
        let owner = try owner(of: request)
        switch (route, request.method) {
        case (.sandboxes, "POST"): try create(request, owner)
        case (.sandboxes(let isV2), _): try list(request, owner, isV2: isV2)
        case (.sandbox(let id), "DELETE"): try delete(request, owner, id)
        case (.sandbox(let id), _): try detail(request, owner, id)
        case (.timeout(let id), _): try setTimeout(request, owner, id)
        case (.connect(let id), _): try connect(request, owner, id)
        case (.token(let id), _): try rotateToken(request, owner, id)
        case (.servers(let id), _): try replaceServers(request, owner, id)
        case (.metrics(let id), _):
            _ = try sandbox(id, of: owner)
            answer(request, .json(200, []))
        case (.unsupported(let id, let what), _):
            if let id { _ = try sandbox(id, of: owner) }
            throw .unsupported(what)
        }
    }

    /// The name of the request's API key.
    private func owner(of request: ControlRequest) throws(ControlRefusal) -> String {
        guard let key = request.apiKey, !key.isEmpty else {
            throw ControlRefusal(
                status: 401,
                message: "The API key is missing: send it in the X-API-KEY header (SDKs take it from "
                    + "E2B_API_KEY); the gateway says where its key is kept when it starts")
        }
        guard let owner = configuration.keys.owner(of: key) else {
            throw ControlRefusal(
                status: 401,
                message: "The API key is not valid here: set X-API-KEY (E2B_API_KEY) to a key of this "
                    + "gateway; it says where its key is kept when it starts")
        }
        return owner
    }

    /// The running sandbox `id` of `owner`.
    func sandbox(_ id: String, of owner: String) throws(ControlRefusal) -> SandboxRecord {
        guard let record = records[id], record.owner == owner, record.phase == .running else {
            throw .noSandbox(id)
        }
        return record
    }

    /// Sandboxes there are, those that are ending included.
    public var sandboxCount: Int { records.count }

    func answer(_ request: ControlRequest, _ response: ControlResponse) {
        plane.answer(request.exchange, response)
    }

    // MARK: Time

    /// When `tick` wants to be called next; nil when nothing is due ever.
    public var nextAlarm: Instant? { alarms.earliest }

    /// Does all that is due.
    public func tick() {
        let now = clock.now()
        while let alarm = alarms.popDue(now) {
            switch alarm {
            case .expiry(let id):
                guard let record = records[id] else { continue }
                record.expiryAlarm = nil
                end(record, .expired)
            case .wait(let id, let ordinal): waitIsOver(id, ordinal)
            case .ending(let id): endingTakesLong(id)
            case .forgetKeys:
                forgetAlarm = nil
                forgetKeys(now)
            }
        }
    }

    func forgetKeys(_ now: Instant) {
        idempotency.forget(now: now)
        guard forgetAlarm == nil, let next = idempotency.nextForgotten else { return }
        forgetAlarm = alarms.add(.forgetKeys, due: next)
    }
}
