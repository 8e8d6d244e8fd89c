import CEpollShim
import Glibc
import System

/// What the kernel limits or measures for a group of processes.
enum GroupController: String, Sendable, CaseIterable {
    case memory
    case pids
    case cpu
    /// Measures CPU time (version 1; `cpu` of version 2 does as well).
    case cpuacct

    static let limiting: [GroupController] = [.memory, .pids, .cpu]
}

/// One mounted tree of control groups: the unified one (cgroup v2), or one of a version 1 controller.
struct GroupHierarchy: Sendable {
    let isUnified: Bool
    /// The gateway's own group.
    let own: String
    /// The highest group of the tree that is seen here.
    let top: String
    /// Tells apart the gateways of one group.
    let tag: String
    /// Of those that are wanted, the ones that hold what is in the sandboxes' groups. Before it is prepared, all that
    /// may.
    var controllers: Set<GroupController>
    /// Where the sandboxes' groups are; the own group, or one that has it inside.
    private(set) var place: String

    init(isUnified: Bool, own: String, top: String, tag: String, controllers: Set<GroupController>) {
        self.isUnified = isUnified
        self.own = own
        self.top = top
        self.tag = tag
        self.controllers = controllers
        place = own
    }

    /// How the names of this gateway's groups begin. Each is beside what else runs on the host, and none inside
    /// another: one that leaves its CPU time to others leaves it to all of them.
    private var prefix: String { "mcp-gateway-\(tag)." }

    /// The group of a sandbox.
    func directory(of sandbox: String) -> String { "\(place)/\(prefix)\(sandbox)" }

    /// The sandboxes that have one, those of an earlier gateway with the same tag among them. No sandbox is named as
    /// the gateway's own place.
    var sandboxes: [String] {
        groups(in: place).filter { $0.hasPrefix(prefix) }.map { String($0.dropFirst(prefix.count)) }
            .filter { $0 != "gateway" }
    }

    /// The gateway's own place beside its groups where it must have one.
    private var leaf: String { "\(own)/\(prefix)gateway" }

    /// With a place that works; nil when this process may make no group.
    ///
    /// A group of version 2 with processes of its own gives no controllers to groups below it. So a gateway that is
    /// alone in its group moves one down; one that is not, as in a login session, takes the nearest group above that
    /// gives some away. Where there is none, groups are good for killing what is in them.
    func prepared() -> GroupHierarchy? {
        guard isUnified else { return tried() == nil ? nil : self }
        for directory in [own] + above {
            if let made = prepared(at: directory) { return made }
        }
        var bare = self
        bare.controllers = []
        return bare.tried() == nil ? nil : bare
    }

    private func prepared(at directory: String) -> GroupHierarchy? {
        let given = Self.controllers(of: directory)
        guard !given.isEmpty, directory != own || vacate() else { return nil }
        var candidate = self
        candidate.place = directory
        delegate(directory, given)
        candidate.controllers = candidate.tried() ?? []
        if !candidate.controllers.isEmpty { return candidate }
        candidate.controllers = given
        if directory == own { candidate.leave() }
        return nil
    }

    /// The controllers of a group that is made here, and removed again; nil when none can be made. One of another type
    /// than `domain` is part of a group whose processes share their limits.
    private func tried() -> Set<GroupController>? {
        // Of this process: a doctor may look at the same time.
        let trial = directory(of: "trial\(getpid())")
        guard mkdir(trial, 0o755) == 0 || errno == EEXIST else { return nil }
        defer { rmdir(trial) }
        guard access("\(trial)/cgroup.procs", W_OK) == 0 else { return nil }
        let type = GroupFile.text("\(trial)/cgroup.type").filter { !$0.isWhitespace }
        return type.isEmpty || type == "domain" ? Self.controllers(of: trial) : []
    }

    /// Moves the gateway one down where it is alone in its group. False when the group keeps processes, and so may
    /// give nothing away; the root of all, which has no type, may always.
    private func vacate() -> Bool {
        guard Files.exists("\(own)/cgroup.type") else { return true }
        let members = GroupFile.text("\(own)/cgroup.procs").split(separator: "\n")
        if members.isEmpty { return true }
        guard members.count == 1, members.first == "\(getpid())", mkdir(leaf, 0o755) == 0 || errno == EEXIST
        else { return false }
        if GroupFile.write("0", to: "\(leaf)/cgroup.procs") { return true }
        rmdir(leaf)
        return false
    }

    /// The groups around the gateway's own, the nearest first.
    private var above: [String] {
        var found: [String] = []
        var at = own
        while at != top, at.hasPrefix(top + "/") {
            at = HostPaths.parent(of: at)
            found.append(at)
        }
        return found
    }

    private static func controllers(of directory: String) -> Set<GroupController> {
        let names = GroupFile.text("\(directory)/cgroup.controllers").split { $0.isWhitespace }
        return Set(names.compactMap { GroupController(rawValue: String($0)) })
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

    /// Lets the groups below `directory` have limits. CPU time cannot be given away while a real-time process runs;
    /// the rest can.
    private func delegate(_ directory: String, _ controllers: Set<GroupController>) {
        guard isUnified else { return }
        for wanted in [controllers, controllers.subtracting([.cpu])] where !wanted.isEmpty {
            let names = wanted.map { "+\($0.rawValue)" }.sorted().joined(separator: " ")
            if GroupFile.write(names, to: "\(directory)/cgroup.subtree_control") { return }
        }
    }

    /// What the servers of a sandbox are told apart by.
    /// - Parameter hasRoom: for the group of a container, which gets all its limits from its engine.
    func inner(_ limits: GroupLimits, server: GroupLimits, hasRoom: Bool = false) -> Set<GroupController> {
        if isUnified, hasRoom { return controllers }
        // Each level costs the scheduler at every switch between servers: 5 % of a call, measured.
        return controllers.subtracting(server.holdsCPU(below: limits) ? [.cpuacct] : [.cpu, .cpuacct])
    }

    /// Makes the group of a sandbox, if it is not there, and says whether its servers have groups in it.
    func makeSandbox(
        _ directory: String, _ limits: GroupLimits, inner: Set<GroupController>
    ) throws(Errno) -> Bool {
        _ = try make(directory, limits, controllers)
        delegate(directory, inner)
        return isUnified || !inner.isEmpty
    }

    /// True when it was made now.
    func make(
        _ directory: String, _ limits: GroupLimits, _ controllers: Set<GroupController>
    ) throws(Errno) -> Bool {
        if mkdir(directory, 0o755) != 0 {
            if errno == EEXIST { return false }
            throw Errno(errno, "making the control group \(directory)")
        }
        for (file, value, isNeeded) in settings(limits, controllers) {
            guard GroupFile.write(value, to: "\(directory)/\(file)") || !isNeeded else {
                let error = errno
                rmdir(directory)
                throw Errno(error, "setting \(file) of the control group \(directory)")
            }
        }
        return true
    }

    /// Has a server's group hold the groups of an engine and of its container, which cannot be where processes are
    /// (version 2).
    func makeRoom(in directory: String, _ controllers: Set<GroupController>) throws(Errno) {
        guard isUnified else { return }
        delegate(directory, controllers)
        guard mkdir(Self.engine(directory), 0o755) == 0 else {
            throw Errno(errno, "making the control group \(Self.engine(directory))")
        }
    }

    /// The group of the engine itself.
    static func engine(_ directory: String) -> String { "\(directory)/engine" }

    /// How a program that looks for groups where they are mounted names one.
    func name(of directory: String) -> String { String(directory.dropFirst(top.count)) }

    /// As far as nothing is in it.
    func removeServer(_ directory: String) {
        for path in tree(directory) { rmdir(path) }
    }

    /// Files and values; those of swap exist on some kernels only.
    func settings(
        _ limits: GroupLimits, _ controllers: Set<GroupController>
    ) -> [(file: String, value: String, isNeeded: Bool)] {
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

    /// CPU time, in microseconds, that a sandbox has used, or everything in its place; nil where nothing tells.
    func usage(of sandbox: String? = nil) -> UInt64? {
        let directory = sandbox.map { self.directory(of: $0) } ?? place
        if isUnified { return UInt64(exactly: GroupFile.count("usage_usec", in: "\(directory)/cpu.stat")) }
        let nanoseconds = UInt64(GroupFile.text("\(directory)/cpuacct.usage").filter(\.isNumber))
        return nanoseconds.map { $0 / 1_000 }
    }

    var measuresCPU: Bool { controllers.contains(isUnified ? .cpu : .cpuacct) }

    /// Whether a sandbox gets CPU time only when nobody else wants it (sched(7), SCHED_IDLE). False where the kernel
    /// has no such groups (before Linux 5.15).
    func yield(_ sandbox: String, _ yields: Bool) -> Bool {
        GroupFile.write(yields ? "1" : "0", to: "\(directory(of: sandbox))/cpu.idle")
    }

    func groups(in directory: String) -> [String] {
        ((try? Files.list(directory)) ?? []).filter { Files.isDirectory("\(directory)/\($0)") }
    }

    /// A group and those in it, each after what is in it.
    private func tree(_ directory: String) -> [String] {
        var found = [directory]
        var next = 0
        while next < found.count, found.count < SandboxLimits.groupsOfSandbox {
            let directory = found[next]
            found += groups(in: directory).map { "\(directory)/\($0)" }
            next += 1
        }
        return found.reversed()
    }

    /// Kills what is in a sandbox's groups and removes them. Waits for the kernel, for a moment.
    /// - Parameter killed: gets who was still there.
    /// - Returns: the kernel's reason when the groups stay.
    func remove(_ directory: String, killed: inout Set<Int32>) -> Errno? {
        guard Files.isDirectory(directory) else { return nil }
        var reason: Int32 = 0
        for _ in 0..<SandboxLimits.groupRemovals {
            // A sandbox's own group has processes where its servers have none apart.
            for path in tree(directory) {
                if rmdir(path) == 0 { continue }
                for line in GroupFile.text("\(path)/cgroup.procs").split(separator: "\n") {
                    guard let pid = Int32(line), pid > 1, pid != getpid() else { continue }
                    if ce_kill(pid, SIGKILL) == 0 { killed.insert(pid) }
                }
            }
            // Those that were born meanwhile.
            _ = GroupFile.write("1", to: "\(directory)/cgroup.kill")
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
