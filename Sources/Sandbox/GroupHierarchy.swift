import CEpollShim
import Glibc
import System

/// What the kernel limits for a group of processes.
enum GroupController: String, Sendable, CaseIterable {
    case memory
    case pids
    case cpu
}

/// One mounted tree of control groups: the unified one (cgroup v2), or one of a version 1 controller.
struct GroupHierarchy: Sendable {
    let isUnified: Bool
    /// The gateway's own group.
    let own: String
    /// Directory of this gateway's groups.
    let base: String
    var controllers: Set<GroupController>

    /// The gateway's own place beside `base` where it must have one.
    private var leaf: String { "\(base).gateway" }

    /// Makes the base and gives it the controllers. False when this process may not.
    func prepare() -> Bool {
        if isUnified, !controllers.isEmpty { enableControllers() }
        guard mkdir(base, 0o755) == 0 || errno == EEXIST else { return false }
        delegate(base, controllers)
        return access("\(base)/cgroup.procs", W_OK) == 0
    }

    /// Gives the gateway a group of its own beside its servers' where CPU time is shared out. Left outside of every
    /// group, Linux counts it to its login session (sched(7), autogroup), whose share it has with all else in there:
    /// its turns are cut short, and a call cost 2.2 times as much CPU, measured on Linux 6.18.
    func enter() {
        guard !isUnified, controllers.contains(.cpu), mkdir(leaf, 0o755) == 0 || errno == EEXIST else {
            return
        }
        _ = GroupFile.write("0", to: "\(leaf)/cgroup.procs")
    }

    /// Back to where the gateway was when it started.
    func leave() {
        guard Files.isDirectory(leaf) else { return }
        // Processes cannot come back to a unified group that gives controllers away.
        let names = controllers.map { "-\($0.rawValue)" }.sorted().joined(separator: " ")
        if isUnified { _ = GroupFile.write(names, to: "\(own)/cgroup.subtree_control") }
        _ = GroupFile.write("0", to: "\(own)/cgroup.procs")
        rmdir(leaf)
    }

    /// A group with processes of its own gives no controllers to groups below it (cgroup v2, no internal
    /// processes): a gateway that is alone in its group moves one down.
    private func enableControllers() {
        guard !delegate(own, controllers) else { return }
        let members = GroupFile.text("\(own)/cgroup.procs").split(separator: "\n")
        guard members.count == 1, members.first == "\(getpid())" else { return }
        guard mkdir(leaf, 0o755) == 0 || errno == EEXIST, GroupFile.write("0", to: "\(leaf)/cgroup.procs")
        else { return }
        if !delegate(own, controllers) { _ = GroupFile.write("0", to: "\(own)/cgroup.procs") }
    }

    /// Lets the groups below `directory` have limits.
    @discardableResult
    private func delegate(_ directory: String, _ controllers: Set<GroupController>) -> Bool {
        guard isUnified, !controllers.isEmpty else { return true }
        let names = controllers.map { "+\($0.rawValue)" }.sorted().joined(separator: " ")
        return GroupFile.write(names, to: "\(directory)/cgroup.subtree_control")
    }

    /// Makes the group of a sandbox, if it is not there, and says what its servers are told apart by.
    func makeSandbox(_ directory: String, _ limits: GroupLimits, server: GroupLimits) throws(Errno) -> Bool {
        var inner = controllers
        // Each level costs the scheduler at every switch between servers: 5 % of a call, measured.
        if !server.holdsCPU(below: limits) { inner.remove(.cpu) }
        if try make(directory, limits) { delegate(directory, inner) }
        return isUnified || !inner.isEmpty
    }

    /// True when it was made now.
    func make(_ directory: String, _ limits: GroupLimits) throws(Errno) -> Bool {
        if mkdir(directory, 0o755) != 0 {
            if errno == EEXIST { return false }
            throw Errno(errno, "making the control group \(directory)")
        }
        for (file, value, isNeeded) in settings(limits) {
            guard GroupFile.write(value, to: "\(directory)/\(file)") || !isNeeded else {
                let error = errno
                rmdir(directory)
                throw Errno(error, "setting \(file) of the control group \(directory)")
            }
        }
        return true
    }

    /// Files and values; those of swap exist on some kernels only.
    private func settings(_ limits: GroupLimits) -> [(file: String, value: String, isNeeded: Bool)] {
        /// Microseconds in which a group may use its share of CPU time: the kernel's own default.
        let period: UInt64 = 100_000
        let (quota, isBeyond) = max(limits.cpuPercent, 1).multipliedReportingOverflow(by: period / 100)
        var list: [(String, String, Bool)] = []
        if controllers.contains(.pids) { list.append(("pids.max", "\(limits.processes)", true)) }
        if controllers.contains(.memory) {
            let bytes = "\(limits.memoryBytes)"
            list +=
                isUnified
                ? [
                    ("memory.max", bytes, true), ("memory.swap.max", "0", false),
                    ("memory.oom.group", "1", false),
                ]
                : [
                    ("memory.limit_in_bytes", bytes, true), ("memory.memsw.limit_in_bytes", bytes, false),
                ]
        }
        if controllers.contains(.cpu), limits.cpuPercent < GroupLimits.machinePercent, !isBeyond {
            list +=
                isUnified
                ? [("cpu.max", "\(quota) \(period)", true)]
                : [("cpu.cfs_period_us", "\(period)", true), ("cpu.cfs_quota_us", "\(quota)", true)]
        }
        return list
    }

    func groups(in directory: String) -> [String] {
        ((try? Files.list(directory)) ?? []).filter { Files.isDirectory("\(directory)/\($0)") }
    }

    /// Kills what is in a sandbox's groups and removes them. Waits for the kernel, for a moment.
    /// - Returns: the kernel's reason when the groups stay.
    func remove(_ directory: String) -> Errno? {
        guard Files.isDirectory(directory) else { return nil }
        var reason: Int32 = 0
        for _ in 0..<SandboxLimits.groupRemovals {
            _ = GroupFile.write("1", to: "\(directory)/cgroup.kill")
            // A sandbox's own group has processes where its servers have none apart.
            for path in groups(in: directory).map({ "\(directory)/\($0)" }) + [directory] {
                if rmdir(path) == 0 { continue }
                for line in GroupFile.text("\(path)/cgroup.procs").split(separator: "\n") {
                    if let pid = Int32(line), pid > 1, pid != getpid() { _ = ce_kill(pid, SIGKILL) }
                }
            }
            if !Files.isDirectory(directory) { return nil }
            reason = rmdir(directory) == 0 ? 0 : errno
            if reason == 0 { return nil }
            _ = poll(nil, 0, Int32(SandboxLimits.groupRemovalMilliseconds))
        }
        return Errno(reason, "removing the control group \(directory)")
    }
}

/// Files of a control group: one write sets, one read tells.
enum GroupFile {
    /// False, with `errno`, when the kernel refuses.
    static func write(_ text: String, to path: String) -> Bool {
        let file = open(path, O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return false }
        let bytes = Array(text.utf8)
        let written = Glibc.write(file, bytes, bytes.count)
        let error = errno
        close(file)
        errno = error
        return written == bytes.count
    }

    static func text(_ path: String) -> String {
        guard let bytes = try? Files.read(path, limit: SandboxLimits.smallFileBytes) else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The number after `key` at the start of a line; 0 when there is none.
    static func count(_ key: String, in path: String) -> Int {
        for line in text(path).split(separator: "\n") {
            let words = line.split(separator: " ")
            if words.count == 2, words[0] == key { return Int(words[1]) ?? 0 }
        }
        return 0
    }
}
