import CEpollShim
import Glibc
import Synchronization
import System
import Telemetry

/// What the servers of a sandbox may use together, and each of them alone.
struct GroupLimits: Sendable, Equatable {
    var memoryBytes: UInt64
    var processes: UInt64
    /// Of one CPU; 200 is two CPUs.
    var cpuPercent: UInt64

    init(memoryBytes: UInt64, processes: UInt64, cpuPercent: UInt64) {
        self.memoryBytes = memoryBytes
        self.processes = processes
        self.cpuPercent = cpuPercent
    }

    init(sandbox: ResourceLimits) {
        self.init(
            memoryBytes: sandbox[.sandboxMemory], processes: sandbox[.sandboxProcesses],
            cpuPercent: sandbox[.sandboxCPUs])
    }

    init(server: ResourceLimits) {
        self.init(
            memoryBytes: server[.serverMemory], processes: server[.serverProcesses],
            cpuPercent: server[.serverCPUs])
    }

    /// What all CPUs of this machine are: more is no limit.
    static let machinePercent = UInt64(clamping: max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)) * 100

    /// True when a server is held to less CPU time than its sandbox is anyway.
    func holdsCPU(below sandbox: GroupLimits) -> Bool {
        cpuPercent < min(sandbox.cpuPercent, Self.machinePercent)
    }
}

/// Control groups of this gateway's sandboxes, below the gateway's own group where that may be, so that its own limits
/// hold for them too: `<own>/mcp-gateway-<tag>.<sandbox>/<server>` in every hierarchy, or without the last where
/// nothing holds a server alone.
final class ControlGroups: Sendable {
    let hierarchies: [GroupHierarchy]
    let ledger = LimitLedger()
    private let next = Atomic<UInt64>(0)
    private let yielders = Mutex(Yielders())
    private let killed = Atomic<Int>(0)
    private let isSharing = Atomic<Bool>(false)

    /// The controllers in force; empty when processes can be grouped and killed only.
    var controllers: Set<GroupController> { hierarchies.reduce(into: []) { $0.formUnion($1.controllers) } }

    /// Nil when this process may make no group that limits anything: rlimits are what is left then.
    init?(_ hierarchies: [GroupHierarchy]) {
        self.hierarchies = hierarchies.compactMap { $0.prepared() }
        if controllers.isDisjoint(with: GroupController.limiting) { return nil }
    }

    /// A group of its own for one server. The sandbox's is made with its first, whose `resources` hold for it.
    /// - Parameters:
    ///   - workspace: of the sandbox, when it has a size.
    ///   - container: where its container's group is; an engine has room beside that here.
    func make(
        sandbox: String, _ resources: ResourceLimits, workspace: Workspace? = nil,
        container: ServerGroup.Container? = nil
    ) throws(Errno) -> ServerGroup {
        let resources = resources.consistent
        let sandboxLimits = GroupLimits(sandbox: resources)
        var serverLimits = GroupLimits(server: resources)
        if container != nil {
            serverLimits.memoryBytes += SandboxLimits.engineBytes
            serverLimits.processes += SandboxLimits.engineProcesses
        }
        let name = "\(next.add(1, ordering: .relaxed).newValue)"
        var made: [ServerGroup.Place] = []
        var shared: [ServerGroup.Place] = []
        do {
            for hierarchy in hierarchies {
                let parent = hierarchy.directory(of: sandbox)
                let inner = hierarchy.inner(
                    sandboxLimits, server: serverLimits, hasRoom: container == .below)
                guard try hierarchy.makeSandbox(parent, sandboxLimits, inner: inner) else {
                    shared.append((hierarchy, parent))
                    continue
                }
                made.append((hierarchy, "\(parent)/\(name)"))
                _ = try hierarchy.make("\(parent)/\(name)", serverLimits, inner)
                if container == .below { try hierarchy.makeRoom(in: "\(parent)/\(name)", inner) }
            }
            yielders.withLock { $0.add(sandbox) }
            return try ServerGroup(
                made, shared: shared, resources, workspace: workspace, container: container, ledger)
        } catch {
            for (hierarchy, directory) in made { hierarchy.removeServer(directory) }
            throw error
        }
    }

    /// The gateway's own place beside its servers'.
    func enter() { for hierarchy in hierarchies { hierarchy.enter() } }

    /// Kills what is still in the sandbox's groups and removes them.
    func remove(sandbox: String) {
        yielders.withLock { $0.remove(sandbox) }
        var killed: Set<Int32> = []
        for hierarchy in hierarchies {
            guard let error = hierarchy.remove(hierarchy.directory(of: sandbox), killed: &killed) else {
                continue
            }
            Log.error("a control group stays behind", ["reason": "\(error)"])
        }
        self.killed.add(killed.count, ordering: .relaxed)
    }

    /// Processes that were in groups to be removed.
    var orphans: Int { killed.load(ordering: .relaxed) }

    /// Groups that a gateway of the same state directory left when it was killed. Returns how many.
    func sweep() -> Int {
        var swept: Set<String> = []
        for hierarchy in hierarchies { swept.formUnion(hierarchy.sandboxes) }
        for sandbox in swept { remove(sandbox: sandbox) }
        return swept.count
    }

    /// The gateway ends: its groups, with what is in them.
    func removeAll() {
        _ = sweep()
        for hierarchy in hierarchies { hierarchy.leave() }
    }

    // MARK: CPU time

    /// Sandboxes that get CPU time only when nobody else wants it.
    var yielding: Int { yielders.withLock { $0.yielding } }

    /// True for one caller at a time, who says `endSharing` at its end: looks at very many sandboxes must not pile up.
    func beginSharing() -> Bool { !isSharing.exchange(true, ordering: .acquiringAndReleasing) }
    func endSharing() { isSharing.store(false, ordering: .releasing) }

    /// Has those that use much CPU time leave it to those that use little, whose calls would wait for milliseconds
    /// otherwise; a sandbox that uses less again is as all others. To be done every `SandboxLimits.yieldMilliseconds`.
    func shareCPU(_ now: Instant) {
        guard yielders.withLock({ !$0.isEmpty }), let measured = hierarchies.first(where: \.measuresCPU),
            let shared = hierarchies.first(where: { $0.controllers.contains(.cpu) }),
            let total = measured.usage()
        else { return }
        guard let sandboxes = yielders.withLock({ $0.look(total: total, now) }) else { return }
        var usage: [String: UInt64] = [:]
        for sandbox in sandboxes { usage[sandbox] = measured.usage(of: sandbox) }
        let changes = yielders.withLock { $0.judge(usage, now) }
        for (sandbox, yields) in changes where !shared.yield(sandbox, yields) {
            yielders.withLock { $0.remove(sandbox) }
        }
    }
}
