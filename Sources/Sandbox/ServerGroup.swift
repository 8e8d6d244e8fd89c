import CEpollShim
import Glibc
import Synchronization
import System

/// The group of one server, in every hierarchy.
final class ServerGroup: Sendable {
    typealias Place = (hierarchy: GroupHierarchy, path: String)

    /// Open `cgroup.procs` files; a process enters by writing 0 to each.
    let entries: [Int32]
    private let own: [Place]
    /// Groups of the whole sandbox that it is in where it has none of its own.
    private let shared: [Place]
    private let limits: ResourceLimits
    /// Of its sandbox, when that has a size.
    private let workspace: Workspace?
    private let ledger: LimitLedger
    private let known = Mutex(LimitHits())

    init(
        _ own: [Place], shared: [Place], _ limits: ResourceLimits, workspace: Workspace?,
        _ ledger: LimitLedger
    ) throws(Errno) {
        self.own = own
        self.shared = shared
        self.limits = limits
        self.workspace = workspace
        self.ledger = ledger
        var entries: [Int32] = []
        for (_, path) in own + shared {
            let entry = ce_open("\(path)/cgroup.procs", O_WRONLY | O_CLOEXEC, 0)
            if entry < 0 {
                for entry in entries { ce_close(entry) }
                throw Errno(entry, "opening \(path)/cgroup.procs")
            }
            entries.append(entry)
        }
        self.entries = entries
        ledger.add(self)
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

    /// Its end has told what no file tells.
    func note(_ limit: ResourceLimit) { known.withLock { $0[limit] += 1 } }

    private func look() -> LimitHits {
        var hits = LimitHits()
        if workspace?.isFull == true { hits[.sandboxDisk] = 1 }
        for (hierarchy, path) in own {
            if hierarchy.controllers.contains(.memory) {
                let file = hierarchy.isUnified ? "memory.events" : "memory.oom_control"
                hits[memoryLimit(hierarchy, path)] = count("oom_kill", "\(path)/\(file)")
            }
            if hierarchy.controllers.contains(.pids) {
                hits[.serverProcesses] = count("max", "\(path)/pids.events")
            }
            if hierarchy.controllers.contains(.cpu) {
                hits[.serverCPUs] = count("nr_throttled", "\(path)/cpu.stat")
            }
        }
        for (hierarchy, path) in shared where hierarchy.controllers.contains(.cpu) {
            hits[.sandboxCPUs] = count("nr_throttled", "\(path)/cpu.stat")
        }
        return hits
    }

    /// Whose limit makes the kernel kill in here: a server that never met its own dies of its sandbox's.
    private func memoryLimit(_ hierarchy: GroupHierarchy, _ path: String) -> ResourceLimit {
        if hierarchy.isUnified {
            return GroupFile.count("max", in: "\(path)/memory.events.local") > 0
                ? .serverMemory : .sandboxMemory
        }
        // Not memory.failcnt, which stays 0 on Linux 6.18.
        let peak = UInt64(GroupFile.text("\(path)/memory.max_usage_in_bytes").filter(\.isNumber)) ?? 0
        let isNear = peak &+ SandboxLimits.memorySlackBytes >= limits[.serverMemory]
        return isNear ? .serverMemory : .sandboxMemory
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
        return nil
    }

    private static func mebibytes(_ bytes: UInt64) -> String { "\(bytes >> 20) MiB" }

    /// Nothing of it is left. What the kernel still counts as inside is removed with the sandbox.
    func remove() {
        ledger.retire(self, hits)
        for (_, path) in own { rmdir(path) }
    }
}
