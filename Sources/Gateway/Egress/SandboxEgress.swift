import CEpollShim
import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry

/// What the servers of one sandbox reach of the world, and where: decides on each connection, counts and logs the
/// decision. Lives on the sandbox's home loop.
final class SandboxEgress {
    let state: LoopState
    private let sandbox: String
    private let network: NetworkChoice
    /// Hosts that the variables of all its servers name.
    private let named: [String]
    /// It is the operator who has named them: they may be private.
    private let trustsNamed: Bool
    private var patterns: [HostPattern] = []
    private var addresses = EgressAddresses()
    private var listeners: [InsideAddress: EgressListener] = [:]
    private var relays: [ObjectIdentifier: EgressRelay] = [:]

    init(
        sandbox: String, network: NetworkChoice, named: [String], trustsNamed: Bool = false, state: LoopState
    ) {
        self.sandbox = sandbox
        self.network = network
        self.named = named
        self.trustsNamed = trustsNamed
        self.state = state
    }

    // MARK: What may be reached

    /// The hosts of these servers, the sandbox's own and the operator's, in place of those before; listeners and
    /// connections of hosts that are not among them any more are closed.
    /// - Returns: Listeners that are missing, and what each leads to.
    func adopt(_ plans: [ServerPlan], _ options: GatewayOptions) -> [InsideAddress: HostPort?] {
        guard network != .none else { return [:] }
        patterns = list(plans, options)
        var wanted: [InsideAddress: HostPort?] = [:]
        for target in patterns.compactMap(\.target) {
            if let place = addresses.place(of: target) {
                wanted[place] = target
            } else {
                log(.forbidden, target, "it cannot be shown inside the sandbox")
            }
        }
        if servesProxy { wanted[.proxy] = .some(nil) }
        for (place, listener) in listeners where wanted[place] == nil {
            state.loop.close(listener)
            listeners[place] = nil
        }
        for relay in relays.values {
            if let target = relay.target, !permits(target) { relay.abort() }
        }
        return wanted.filter { listeners[$0.key] == nil }
    }

    private func list(_ plans: [ServerPlan], _ options: GatewayOptions) -> [HostPattern] {
        var texts = named
        for plan in plans where !plan.noNetwork && !plan.options.isOffline && plan.runsHere {
            texts += (plan.allowedHosts ?? []) + plan.configuredHosts
        }
        let all = (texts + options.hosts).compactMap { HostPattern($0) } + state.settings.egressHosts
        var seen: Set<HostPattern> = []
        return Array(all.filter { seen.insert($0).inserted }.prefix(Limits.egressHosts))
    }

    /// Whether there is an HTTP proxy inside: also for lists with more than names.
    var servesProxy: Bool { network == .proxy || patterns.contains { $0.target == nil } }

    /// The lines of its `/etc/hosts`.
    var hosts: [(address: String, name: String)] { addresses.hosts }

    func permits(_ target: HostPort) -> Bool {
        if patterns.contains(where: { $0.matches(target) }) { return true }
        return network == .proxy && Limits.isProxiedPort(target.port)
    }

    /// Why no connection to `address` may be made for `target`; nil when it may. What is not public is reached only
    /// where somebody has named it for this sandbox, and the operator allows it.
    func refusal(_ address: IPAddress, _ target: HostPort, isOwn: Bool) -> String? {
        let reason = AddressGuard.refusal(address)
        if reason == .metadata { return AddressGuard.Reason.metadata.rawValue }
        guard let text = reason?.rawValue ?? (isOwn ? "an address of the gateway's own machine" : nil) else {
            return nil
        }
        let isNamed = patterns.contains { $0.name != .any && $0.matches(target) }
        return isNamed && (trustsNamed || state.settings.privateHosts.allows(target, at: address))
            ? nil : text
    }

    // MARK: Listeners and connections

    /// Serves a listener inside; the descriptor is its own from here on.
    func open(_ place: InsideAddress, _ target: HostPort?, _ descriptor: Int32) {
        let listener = EgressListener(self, target)
        do {
            try state.loop.attach(listener, descriptor: descriptor, as: .listener)
            listeners[place] = listener
        } catch {
            ce_close(descriptor)
            Log.error("no way out of a sandbox", ["sandbox": sandbox, "reason": "\(error)"])
        }
    }

    /// - Parameter target: nil at the proxy, whose clients say it.
    func accept(_ descriptor: Int32, _ target: HostPort?) {
        opened += 1
        guard relays.count < Limits.egressConnections, opened <= Limits.egressOpensPerSecond else {
            note(.limited, target, "it has \(relays.count) connections, and opened \(opened) in a second")
            ce_set_reset_on_close(descriptor)
            ce_close(descriptor)
            return
        }
        let relay = EgressRelay(self, target)
        // First: it may be over before `begin` returns.
        relays[ObjectIdentifier(relay)] = relay
        state.counters.egress.open &+= 1
        if !relay.begin(descriptor) { remove(relay) }
    }

    func remove(_ relay: EgressRelay) {
        guard relays.removeValue(forKey: ObjectIdentifier(relay)) != nil else { return }
        state.counters.egress.open &-= 1
    }

    func close() {
        for listener in listeners.values { state.loop.close(listener) }
        listeners = [:]
        for relay in relays.values { relay.abort() }
        waiting = [:]
    }

    /// Once a second.
    func tick(_ now: Instant) {
        opened = 0
        for relay in relays.values where now > relay.deadline { relay.expire() }
        if unlogged > 0 {
            Log.warning("more egress decisions than are logged", ["sandbox": sandbox, "number": unlogged])
        }
        logged = 0
        unlogged = 0
    }

    /// Connections in this second.
    private var opened = 0

    // MARK: Names

    private var known: [String: (found: Outbound.Addresses, at: Instant)] = [:]
    /// Who waits for which name.
    private var waiting: [String: [EgressRelay]] = [:]

    /// Calls `relay.resolved`, at once where the name was asked for just before.
    func resolve(_ host: String, for relay: EgressRelay) {
        let now = state.loop.now
        if let (found, at) = known[host], now.milliseconds(since: at) < Limits.routeSeconds * 1000 {
            return relay.resolved(.success(found))
        }
        if waiting[host] != nil { return waiting[host, default: []].append(relay) }
        guard waiting.count < Limits.egressResolutions else {
            return relay.resolved(.failure(Outbound.Failure(reason: "too many names are being resolved")))
        }
        waiting[host] = [relay]
        let (shared, index) = (state.shared, state.loop.index)
        let box = Confined(self)
        shared.outbound.addresses(of: host) { result in
            shared.post(index) { _ in box.value.resolved(host, result) }
        }
    }

    private func resolved(_ host: String, _ result: Result<Outbound.Addresses, Outbound.Failure>) {
        if case .success(let found) = result {
            if known.count >= Limits.egressNames { known = [:] }
            known[host] = (found, state.loop.now)
        }
        for relay in waiting.removeValue(forKey: host) ?? [] { relay.resolved(result) }
    }

    // MARK: Decisions

    /// Lines in this second, and those that were too many.
    private var logged = 0
    private var unlogged = 0

    func note(_ verdict: EgressVerdict, _ target: HostPort?, _ reason: String) {
        state.counters.egress.count(verdict)
        log(verdict, target, reason)
    }

    /// A server that is refused again and again must not push the lines of others out of the log.
    private func log(_ verdict: EgressVerdict, _ target: HostPort?, _ reason: String) {
        guard logged < Limits.egressLinesPerSecond else {
            unlogged += 1
            return
        }
        logged += 1
        let fields: Log.Fields = [
            "sandbox": sandbox, "to": target?.description ?? "proxy", "verdict": verdict.label,
            "reason": reason,
        ]
        if verdict == .allowed { Log.info("egress", fields) } else { Log.warning("egress", fields) }
    }
}

extension ServerPlan {
    /// Its process is one of the sandbox's: it is not reached by the gateway somewhere else.
    var runsHere: Bool {
        switch source {
        case .remote, .unavailable: false
        case .pypi, .npm, .command, .repository, .oci: true
        }
    }
}
