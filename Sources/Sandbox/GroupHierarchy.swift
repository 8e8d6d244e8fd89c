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

    /// Makes the base and gives it the controllers. False when this process may not.
    func prepare() -> Bool {
        if isUnified, !controllers.isEmpty { enableControllers() }
        guard mkdir(base, 0o755) == 0 || errno == EEXIST else { return false }
        delegate(base)
        return access("\(base)/cgroup.procs", W_OK) == 0
    }

    /// A group with processes of its own gives no controllers to groups below it (cgroup v2, no internal
    /// processes): a gateway that is alone in its group moves one down.
    private func enableControllers() {
        guard !delegates(own) else { return }
        let members = GroupFile.text("\(own)/cgroup.procs").split(separator: "\n")
        guard members.count == 1, members.first == "\(getpid())" else { return }
        let leaf = "\(base).gateway"
        guard mkdir(leaf, 0o755) == 0 || errno == EEXIST, GroupFile.write("0", to: "\(leaf)/cgroup.procs")
        else { return }
        if !delegates(own) { _ = GroupFile.write("0", to: "\(own)/cgroup.procs") }
    }

    /// Lets the groups below `directory` have limits.
    func delegate(_ directory: String) { if isUnified, !controllers.isEmpty { _ = delegates(directory) } }

    private func delegates(_ directory: String) -> Bool {
        let names = controllers.map { "+\($0.rawValue)" }.sorted().joined(separator: " ")
        return GroupFile.write(names, to: "\(directory)/cgroup.subtree_control")
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
        let quota = max(limits.cpuPercent, 1) * period / 100
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
        if controllers.contains(.cpu) {
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
    func remove(_ directory: String) {
        guard Files.isDirectory(directory) else { return }
        for _ in 0..<SandboxLimits.groupRemovals {
            _ = GroupFile.write("1", to: "\(directory)/cgroup.kill")
            for group in groups(in: directory) {
                let path = "\(directory)/\(group)"
                if rmdir(path) == 0 { continue }
                for line in GroupFile.text("\(path)/cgroup.procs").split(separator: "\n") {
                    if let pid = Int32(line), pid > 1, pid != getpid() { _ = ce_kill(pid, SIGKILL) }
                }
            }
            if rmdir(directory) == 0 || errno == ENOENT { return }
            _ = poll(nil, 0, Int32(SandboxLimits.groupRemovalMilliseconds))
        }
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
