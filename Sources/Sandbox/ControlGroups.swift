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

    /// What all CPUs of this machine are: more is no limit.
    static let machinePercent = UInt64(clamping: max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)) * 100

    /// True when a server is held to less CPU time than its sandbox is anyway.
    func holdsCPU(below sandbox: GroupLimits) -> Bool {
        cpuPercent < min(sandbox.cpuPercent, Self.machinePercent)
    }
}

/// Control groups of this gateway's sandboxes, below the gateway's own group, so that its own limits hold for them
/// too: `<own>/mcp-gateway-<tag>/<sandbox>/<server>` in every hierarchy, or without the last where nothing holds a
/// server alone.
final class ControlGroups: Sendable {
    let hierarchies: [GroupHierarchy]
    private let sandboxLimits: GroupLimits
    private let serverLimits: GroupLimits
    private let next = Atomic<UInt64>(0)

    /// The controllers in force; empty when processes can be grouped and killed only.
    var controllers: Set<GroupController> { hierarchies.reduce(into: []) { $0.formUnion($1.controllers) } }

    /// Nil when this process may make no group that limits anything: rlimits are what is left then.
    init?(_ hierarchies: [GroupHierarchy], sandbox: GroupLimits, server: GroupLimits) {
        sandboxLimits = sandbox
        serverLimits = server
        self.hierarchies = hierarchies.filter { $0.prepare() }
        if controllers.isEmpty { return nil }
    }

    /// A group of its own for one server. The sandbox's is made with its first.
    func make(sandbox: String) throws(Errno) -> ServerGroup {
        let name = "\(next.add(1, ordering: .relaxed).newValue)"
        var made: [(GroupHierarchy, String)] = []
        var shared: [String] = []
        do {
            for hierarchy in hierarchies {
                let parent = "\(hierarchy.base)/\(sandbox)"
                // A command beside this gateway may have taken an empty base away.
                if !Files.isDirectory(hierarchy.base) { _ = hierarchy.prepare() }
                guard try hierarchy.makeSandbox(parent, sandboxLimits, server: serverLimits) else {
                    shared.append(parent)
                    continue
                }
                made.append((hierarchy, "\(parent)/\(name)"))
                _ = try hierarchy.make("\(parent)/\(name)", serverLimits)
            }
            return try ServerGroup(made, shared: shared, serverLimits)
        } catch {
            for (_, directory) in made { rmdir(directory) }
            throw error
        }
    }

    /// The gateway's own place beside its servers'.
    func enter() { for hierarchy in hierarchies { hierarchy.enter() } }

    /// Kills what is still in the sandbox's groups and removes them.
    func remove(sandbox: String) {
        for hierarchy in hierarchies { remove("\(hierarchy.base)/\(sandbox)", in: hierarchy) }
    }

    private func remove(_ directory: String, in hierarchy: GroupHierarchy) {
        guard let error = hierarchy.remove(directory) else { return }
        Log.error("a control group stays behind", ["reason": "\(error)"])
    }

    /// Groups that a gateway of the same state directory left when it was killed. Returns how many.
    func sweep() -> Int {
        var swept: Set<String> = []
        for hierarchy in hierarchies {
            for sandbox in hierarchy.groups(in: hierarchy.base) {
                remove("\(hierarchy.base)/\(sandbox)", in: hierarchy)
                swept.insert(sandbox)
            }
        }
        return swept.count
    }

    /// The gateway ends: its groups, with what is in them.
    func removeAll() {
        _ = sweep()
        for hierarchy in hierarchies {
            rmdir(hierarchy.base)
            hierarchy.leave()
        }
    }

    /// Groups of a gateway that runs beside this process keep theirs: a directory with others in it stays.
    deinit { for hierarchy in hierarchies { rmdir(hierarchy.base) } }
}

/// The group of one server, in every hierarchy.
final class ServerGroup: Sendable {
    /// Open `cgroup.procs` files; a process enters by writing 0 to each.
    let entries: [Int32]
    private let directories: [(hierarchy: GroupHierarchy, path: String)]
    private let limits: GroupLimits

    /// - Parameter shared: groups of the sandbox that it enters besides its own.
    init(_ directories: [(GroupHierarchy, String)], shared: [String], _ limits: GroupLimits) throws(Errno) {
        self.directories = directories.map { (hierarchy: $0.0, path: $0.1) }
        self.limits = limits
        var entries: [Int32] = []
        for path in directories.map(\.1) + shared {
            let entry = ce_open("\(path)/cgroup.procs", O_WRONLY | O_CLOEXEC, 0)
            if entry < 0 {
                for entry in entries { ce_close(entry) }
                throw Errno(entry, "opening \(path)/cgroup.procs")
            }
            entries.append(entry)
        }
        self.entries = entries
    }

    deinit { for entry in entries { ce_close(entry) } }

    /// Everything in it, wherever it has gone by sessions and forks.
    func kill() {
        for (hierarchy, path) in directories where hierarchy.isUnified {
            _ = GroupFile.write("1", to: "\(path)/cgroup.kill")
        }
    }

    /// The limit that its processes ran into, in words; nil when they hit none.
    var verdict: String? {
        for (hierarchy, path) in directories where hierarchy.controllers.contains(.memory) {
            let events = "\(path)/\(hierarchy.isUnified ? "memory.events" : "memory.oom_control")"
            if GroupFile.count("oom_kill", in: events) > 0 {
                return "out of memory: the limit is \(limits.memoryBytes >> 20) MiB"
            }
        }
        for (hierarchy, path) in directories where hierarchy.controllers.contains(.pids) {
            if GroupFile.count("max", in: "\(path)/pids.events") > 0 {
                return "out of processes: the limit is \(limits.processes) processes and threads"
            }
        }
        return nil
    }

    /// Nothing of it is left. What the kernel still counts as inside is removed with the sandbox.
    func remove() {
        for (_, path) in directories { rmdir(path) }
    }
}
