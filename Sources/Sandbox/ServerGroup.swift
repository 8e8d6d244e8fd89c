import CEpollShim
import Glibc
import Synchronization
import System

/// The group of one server, in every hierarchy.
final class ServerGroup: Sendable {
    typealias Place = (hierarchy: GroupHierarchy, path: String)

    /// Where an engine puts a container with the server's limits.
    enum Container: Sendable {
        /// In groups below, which are gone before anybody can look at them.
        case below
        /// In groups of its daemon's, which tells nobody what happens there.
        case elsewhere
    }

    /// Open `cgroup.procs` files; a process enters by writing 0 to each.
    let entries: [Int32]
    private let own: [Place]
    /// Groups of the whole sandbox that it is in where it has none of its own.
    private let shared: [Place]
    private let limits: ResourceLimits
    /// Of its sandbox, when that has a size.
    private let workspace: Workspace?
    /// Nil for what is in this group itself.
    private let container: Container?
    private let ledger: LimitLedger
    private let known = Mutex(LimitHits())

    init(
        _ own: [Place], shared: [Place], _ limits: ResourceLimits, workspace: Workspace?,
        container: Container?,
        _ ledger: LimitLedger
    ) throws(Errno) {
        self.own = own
        self.shared = shared
        self.limits = limits
        self.workspace = workspace
        self.container = container
        self.ledger = ledger
        var entries: [Int32] = []
        for (hierarchy, path) in own + shared {
            let isParent = hierarchy.isUnified && container == .below
            let file = "\(isParent ? GroupHierarchy.engine(path) : path)/cgroup.procs"
            let entry = ce_open(file, O_WRONLY | O_CLOEXEC, 0)
            if entry < 0 {
                for entry in entries { ce_close(entry) }
                throw Errno(entry, "opening \(file)")
            }
            entries.append(entry)
        }
        self.entries = entries
        ledger.add(self)
    }

    /// The group that its engine shall make a container's in, as engines name it; nil where that is for the engine to
    /// find, which is below its own with version 1.
    var containers: String? {
        guard container == .below, let (hierarchy, path) = own.last, hierarchy.isUnified,
            !hierarchy.controllers.isEmpty
        else { return nil }
        return hierarchy.name(of: path)
    }

    deinit { for entry in entries { ce_close(entry) } }

    /// Everything in it, wherever it has gone by sessions and forks.
    func kill() {
        for (hierarchy, path) in own where hierarchy.isUnified {
            _ = GroupFile.write("1", to: "\(path)/cgroup.kill")
        }
    }

    // MARK: What it ran into

    /// How often its processes met their limits until now. After its removal, until then.
    var hits: LimitHits {
        let now = look()
        return known.withLock { known in
            known = known.atLeast(now)
            return known
        }
    }

    /// Its end tells what no file tells.
    /// - Parameter signal: that it died of, when that was not sent from here; 0 for none.
    func note(signal: Int32) {
        if signal == SIGXFSZ { add(.serverFileSize) }
        guard container == .below, signal == SIGKILL else { return }
        for (hierarchy, path) in own where hierarchy.controllers.contains(.memory) && !hierarchy.isUnified {
            // What the kernel kills in a group below it counts there, not here.
            if count("oom_kill", "\(path)/memory.oom_control") == 0, isNearMemory(path) { add(.serverMemory) }
        }
    }

    /// The server has said so itself.
    func add(_ limit: ResourceLimit) { known.withLock { $0[limit] += 1 } }

    private func look() -> LimitHits {
        var hits = LimitHits()
        if workspace?.isFull == true { hits[.sandboxDisk] = 1 }
        if hasAllFilesOpen { hits[.serverOpenFiles] = 1 }
        for (hierarchy, path) in own {
            let below = container == .below ? hierarchy.groups(in: path).map { "\(path)/\($0)" } : []
            if hierarchy.controllers.contains(.memory) {
                let file = hierarchy.isUnified ? "memory.events" : "memory.oom_control"
                hits[memoryLimit(hierarchy, path)] = count("oom_kill", "\(path)/\(file)")
            }
            if hierarchy.controllers.contains(.pids) {
                for path in [path] + below {
                    hits[processesLimit(path)] += count("max", "\(path)/pids.events")
                }
                if hierarchy.isUnified {
                    hits[.sandboxProcesses] += count("max", "\(path)/../pids.events.local")
                }
            }
            if hierarchy.controllers.contains(.cpu) {
                for path in [path] + below { hits[.serverCPUs] += count("nr_throttled", "\(path)/cpu.stat") }
            }
        }
        for (hierarchy, path) in shared where hierarchy.controllers.contains(.cpu) {
            hits[.sandboxCPUs] = count("nr_throttled", "\(path)/cpu.stat")
        }
        return hits
    }

    /// A process that could open no file more. Nothing counts those that could not: it is what can be seen.
    private var hasAllFilesOpen: Bool {
        guard let (hierarchy, path) = own.first ?? shared.first else { return false }
        let groups = [path] + (container == .below ? hierarchy.groups(in: path).map { "\(path)/\($0)" } : [])
        let pids = groups.flatMap { GroupFile.text("\($0)/cgroup.procs").split(separator: "\n") }
        return pids.prefix(SandboxLimits.processesLookedAt).contains {
            ProcessTable.openFiles(of: $0) >= limits[.serverOpenFiles]
        }
    }

    /// Which limit refuses forks in a group that was once as large as its own, or never was. Older kernels do not tell.
    private func processesLimit(_ path: String) -> ResourceLimit {
        guard let peak = UInt64(GroupFile.text("\(path)/pids.peak").filter(\.isNumber)),
            let most = UInt64(GroupFile.text("\(path)/pids.max").filter(\.isNumber))
        else { return .serverProcesses }
        return peak >= most ? .serverProcesses : .sandboxProcesses
    }

    /// Whose limit makes the kernel kill in here: a server that never met its own dies of its sandbox's.
    private func memoryLimit(_ hierarchy: GroupHierarchy, _ path: String) -> ResourceLimit {
        if hierarchy.isUnified {
            // What happens in a group below counts in the other file.
            let file = container == .below ? "memory.events" : "memory.events.local"
            return GroupFile.count("max", in: "\(path)/\(file)") > 0
                ? .serverMemory : .sandboxMemory
        }
        return isNearMemory(path) ? .serverMemory : .sandboxMemory
    }

    private func isNearMemory(_ path: String) -> Bool {
        // Not memory.failcnt, which stays 0 on Linux 6.18.
        let peak = UInt64(GroupFile.text("\(path)/memory.max_usage_in_bytes").filter(\.isNumber)) ?? 0
        return peak &+ SandboxLimits.memorySlackBytes >= limits[.serverMemory]
    }

    private func count(_ key: String, _ file: String) -> UInt64 {
        UInt64(clamping: GroupFile.count(key, in: file))
    }

    /// The limit that may have ended it, in words; nil when it met none of that kind.
    /// - Parameter signal: that it was killed by; 0 for none.
    func verdict(_ hits: LimitHits, signal: Int32) -> String? {
        if signal == SIGXFSZ {
            return "a file became too large: the limit is \(Self.mebibytes(limits[.serverFileSize]))"
        }
        if hits[.serverMemory] > 0 {
            return "out of memory: the limit is \(Self.mebibytes(limits[.serverMemory]))"
        }
        if hits[.sandboxMemory] > 0 {
            return "out of memory: the limit of its sandbox is \(Self.mebibytes(limits[.sandboxMemory]))"
        }
        if hits[.serverProcesses] > 0 {
            return "out of processes: the limit is \(limits[.serverProcesses]) processes and threads"
        }
        if hits[.sandboxProcesses] > 0 {
            return
                "out of processes: the limit of its sandbox is \(limits[.sandboxProcesses]) processes and threads"
        }
        if container == .elsewhere, signal == SIGKILL {
            return "out of memory, most likely: the limit is \(Self.mebibytes(limits[.serverMemory]))"
        }
        if hits[.serverOpenFiles] > 0 {
            return "out of descriptors: the limit is \(limits[.serverOpenFiles]) open files of a process"
        }
        return nil
    }

    private static func mebibytes(_ bytes: UInt64) -> String { "\(bytes >> 20) MiB" }

    /// Nothing of it is left. What the kernel still counts as inside is removed with the sandbox.
    func remove() {
        ledger.retire(self, hits)
        for (hierarchy, path) in own { hierarchy.removeServer(path) }
    }
}
