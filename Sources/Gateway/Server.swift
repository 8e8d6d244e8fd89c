import CEpollShim
import Catalog
import Glibc
import MCP
import Reactor
import Sandbox
import Synchronization
import System
import TLS
import Telemetry

/// The whole gateway: loops, control thread, listeners and signals.
public enum GatewayServer {
    /// Reads the configuration and the catalog anew; what it throws is words for the operator.
    public typealias Reload = () throws -> (GatewayConfiguration, ServerCatalog)

    /// Serves until SIGTERM or SIGINT. Returns the exit code: 0 after a drain.
    /// - Throws: what kept it from starting, in words for the operator.
    public static func run(
        _ configuration: GatewayConfiguration, catalog: ServerCatalog, reload: Reload
    ) throws -> Int32 {
        let signals = blockSignals()
        let backend = try configuration.poller.backend(loops: loopCount(configuration))
        let sockets = try Listeners.open(configuration)
        let workshop = try Launch.workshop(configuration)
        let loops = startLoops(configuration, backend)
        let certificates = try certificates(configuration)
        let shared = Shared(
            workshop: workshop, certificates: certificates, mailboxes: loops.map(\.mailbox),
            cpus: loops.map(\.cpu))
        let control = Control(plane: Plane(shared: shared))
        try control.start(controlConfiguration(configuration, catalog, workshop))
        shared.adopt(control)
        try attach(sockets, shared, Settings(configuration), loops)
        Log.info(
            "serving",
            [
                "listen": configuration.listen.map(\.description).joined(separator: " "),
                "loops": loops.count, "poller": backend.rawValue,
                "isolation": workshop.isolation.rawValue,
            ])
        waitForSignal(signals, shared) { apply(reload, shared) }
        drain(signals, shared)
        control.stop()
        for loop in loops { loop.mailbox.post { $0.stop() } }
        for loop in loops { LoopThread.join(loop.mailbox) }
        workshop.close()
        Log.flush()
        return 0
    }

    private static func certificates(_ configuration: GatewayConfiguration) throws -> ServerCertificates? {
        guard !configuration.certificates.isEmpty else { return nil }
        let certificates = try ServerCertificates(configuration.certificates.map(\.files))
        warn(certificates)
        return certificates
    }

    private static func warn(_ certificates: ServerCertificates) {
        for warning in certificates.warnings() { Log.warning(warning) }
    }

    /// What a reload changes: certificates, keys, catalog, limits, names and origins. Listeners, loops, the state directory
    /// and isolation stay as they were at the start.
    private static func apply(_ reload: Reload, _ shared: Shared) {
        do {
            let (configuration, catalog) = try reload()
            let settings = Settings(configuration)
            for loop in 0..<shared.loopCount { shared.post(loop) { $0.adopt(settings) } }
            if let certificates = shared.certificates, !configuration.certificates.isEmpty {
                try certificates.reload(configuration.certificates.map(\.files))
                warn(certificates)
            }
            let control = controlConfiguration(configuration, catalog, shared.workshop)
            shared.control?.post { $0.configuration = control }
            Log.info("reloaded", [:])
        } catch {
            Log.error("not reloaded: the configuration in force stays", ["reason": "\(error)"])
        }
    }

    private static func controlConfiguration(
        _ configuration: GatewayConfiguration, _ catalog: ServerCatalog, _ workshop: Workshop
    ) -> ControlConfiguration {
        var keys = APIKeys()
        for key in configuration.apiKeys { keys.add(name: key.name, key: key.key) }
        var policy = PlanPolicy()
        policy.isIsolated = workshop.isolation != .none
        policy.allowsCustomServers = configuration.allowsCustomServers ?? policy.isIsolated
        policy.resources = configuration.resources
        policy.network = workshop.network
        policy.networkObstacle = workshop.networkObstacle
        policy.idle = configuration.idle
        policy.keepWarm = configuration.keepWarm
        let plans = policy
        var control = ControlConfiguration(
            keys: keys, publicURL: configuration.effectivePublicURL, domain: configuration.effectiveDomain
        ) { mcp in
            catalog.check(mcp, policy: plans).map { CheckedServers(plans: $0.plans, options: $0.options) }
        }
        control.network = policy.network.standard
        control.networkObstacle = policy.networkObstacle
        control.limits.sandboxes = configuration.limits.sandboxes
        control.limits.sandboxesPerKey = configuration.limits.sandboxesPerKey
        control.limits.timeoutSeconds = configuration.limits.timeoutSeconds
        return control
    }

    private struct RunningLoop {
        var mailbox: Mailbox
        var cpu: Int?
    }

    private static func loopCount(_ configuration: GatewayConfiguration) -> Int {
        configuration.workers > 0 ? configuration.workers : max(CPUSet.allowed.count, 1)
    }

    /// A loop for each core that we may use; each is pinned to its core when it has one of its own.
    private static func startLoops(
        _ configuration: GatewayConfiguration, _ backend: Loop.Backend
    ) -> [RunningLoop] {
        let cores = CPUSet.allowed
        let count = loopCount(configuration)
        return (0..<count).map { index in
            let cpu = count <= cores.count ? cores[index] : nil
            let mailbox = LoopThread.start(index: index, cpu: cpu, backend: backend) { _ in }
            return RunningLoop(mailbox: mailbox, cpu: cpu)
        }
    }

    private static func attach(
        _ sockets: Listeners, _ shared: Shared, _ settings: Settings, _ loops: [RunningLoop]
    ) throws {
        for (index, loop) in loops.enumerated() {
            let clients = try sockets.clients(forLoop: index)
            let admin = index == 0 ? sockets.admin : []
            loop.mailbox.post { loop in
                let state = LoopState(loop: loop, shared: shared, settings: settings)
                loop.context = state
                do {
                    for socket in clients { try state.listen(socket, .clients) }
                    for socket in admin { try state.listen(socket, .admin) }
                } catch {
                    Log.error("cannot watch a listening socket", ["reason": "\(error)"])
                }
                if index == 0 { state.openForInstalls() }
            }
        }
    }

    // MARK: Signals

    /// Before any thread starts, so that all of them inherit the mask and only `waitForSignal` sees one.
    private static func blockSignals() -> sigset_t {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
        signal(SIGPIPE, SIG_IGN)
        return set
    }

    private static func waitForSignal(_ signals: sigset_t, _ shared: Shared, _ reload: () -> Void) {
        var signals = signals
        while true {
            var number: Int32 = 0
            guard sigwait(&signals, &number) == 0 else { continue }
            guard number == SIGHUP else {
                return Log.info("draining", ["signal": number == SIGINT ? "SIGINT" : "SIGTERM"])
            }
            reload()
        }
    }

    /// Calls in flight get `Limits.drainSeconds` to end; then every server is stopped. A second signal ends
    /// the wait.
    private static func drain(_ signals: sigset_t, _ shared: Shared) {
        for loop in 0..<shared.loopCount { shared.post(loop) { $0.drain() } }
        waitUntilNone(signals, seconds: Limits.drainSeconds, shared) { $0.calls.count }
        for loop in 0..<shared.loopCount { shared.post(loop) { $0.closeHomes() } }
        waitUntilNone(signals, seconds: Limits.drainSeconds, shared) { $0.homes.count }
    }

    /// Asks the loops until what `count` counts is gone.
    private static func waitUntilNone(
        _ signals: sigset_t, seconds: Int, _ shared: Shared, _ count: @escaping @Sendable (LoopState) -> Int
    ) {
        var signals = signals
        let deadline = Instant.now().advanced(milliseconds: seconds * 1000)
        while Instant.now() < deadline {
            let tally = Tally(shared.loopCount)
            for loop in 0..<shared.loopCount { shared.post(loop) { tally.report(count($0)) } }
            var pause = timespec(tv_sec: 0, tv_nsec: 20_000_000)
            if sigtimedwait(&signals, nil, &pause) > 0 { return }
            if tally.isZero { return }
        }
    }
}

/// Sums what the loops report.
private final class Tally: Sendable {
    private let missing: Atomic<Int>
    private let sum = Atomic<Int>(0)

    init(_ loops: Int) { missing = Atomic(loops) }

    func report(_ count: Int) {
        sum.add(count, ordering: .relaxed)
        missing.subtract(1, ordering: .releasing)
    }

    /// True when every loop has reported nothing left.
    var isZero: Bool { missing.load(ordering: .acquiring) == 0 && sum.load(ordering: .relaxed) == 0 }
}

/// The listening sockets, opened before anything starts so that a port that is taken is the first thing said.
private struct Listeners {
    private var first: [(host: String, port: Int, socket: Int32)]
    private(set) var admin: [Int32]

    static func open(_ configuration: GatewayConfiguration) throws -> Listeners {
        let first = try configuration.listen.map { address in
            // Listeners that share a port would let a second gateway take half of the first one's clients.
            let probe = try listen(host: address.host, port: address.port, backlog: 1, reusePort: false)
            Descriptor(owning: probe).close()
            return (
                address.host, address.port,
                try listen(host: address.host, port: address.port, backlog: 4096, reusePort: true)
            )
        }
        var admin: [Int32] = []
        if let address = configuration.adminListen {
            admin = [try listen(host: address.host, port: address.port, backlog: 64, reusePort: false)]
        }
        return Listeners(first: first, admin: admin)
    }

    /// Each loop has its own socket at the same address (SO_REUSEPORT): the kernel spreads connections.
    func clients(forLoop index: Int) throws -> [Int32] {
        try first.map { entry in
            index == 0
                ? entry.socket
                : try listen(host: entry.host, port: entry.port, backlog: 4096, reusePort: true)
        }
    }
}
