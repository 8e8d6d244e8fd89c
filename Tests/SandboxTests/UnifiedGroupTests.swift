import Glibc
import System
import Testing

@testable import Sandbox

/// Directories with the files of cgroup v2. No kernel fills new ones, so what is made in them must be there before.
private final class Tree {
    let top = Scene.newDirectory()
    let limits = GroupLimits(memoryBytes: 64 << 20, processes: 40, cpuPercent: 50)

    deinit { try? Files.removeTree(top) }

    /// A group, by its path below the top.
    func group(_ path: String, controllers: String, processes: String = "", _ more: [String: String] = [:])
        throws
    {
        try Files.makeDirectories("\(top)\(path)", mode: 0o755)
        let files = [
            "cgroup.controllers": controllers, "cgroup.procs": processes, "cgroup.subtree_control": "",
        ]
        for (name, text) in files.merging(more, uniquingKeysWith: { $1 }) {
            try Files.writeAtomically(Array("\(text)\n".utf8), to: "\(top)\(path)/\(name)", mode: 0o644)
        }
    }

    func hierarchy(_ own: String) -> GroupHierarchy {
        let mounts = "31 30 0:27 / \(top) rw,nosuid - cgroup2 cgroup2 rw"
        let found = GroupMounts.hierarchies(mounts: mounts, own: "0::\(own)\n", tag: "t") {
            GroupFile.text("\($0)/cgroup.controllers")
        }
        return found[0]
    }

    func text(_ path: String) -> String { GroupFile.text("\(top)\(path)") }
}

@Suite("Control groups of version 2")
struct UnifiedGroupTests {
    @Test("groups are in the gateway's own where that gives controllers away")
    func ownGroup() throws {
        let tree = Tree()
        try tree.group("/unit", controllers: "cpu io memory pids")
        try tree.group("/unit/mcp-gateway-t.trial\(getpid())", controllers: "cpu memory pids")
        let prepared = try #require(tree.hierarchy("/unit").prepared())
        #expect(prepared.directory(of: "s") == "\(tree.top)/unit/mcp-gateway-t.s")
        #expect(prepared.controllers == [.cpu, .memory, .pids])
        #expect(tree.text("/unit/cgroup.subtree_control").hasPrefix("+cpu +memory +pids"))
    }

    @Test("in a login session they are in the nearest group above that gives controllers away")
    func session() throws {
        let tree = Tree()
        try tree.group("/user.slice", controllers: "cpu memory pids")
        try tree.group("/user.slice/mcp-gateway-t.trial\(getpid())", controllers: "memory pids")
        // With a shell beside the gateway: what is made in there has no controllers.
        try tree.group(
            "/user.slice/session", controllers: "cpu memory pids", processes: "1\n\(getpid())",
            ["cgroup.type": "domain"])
        try tree.group("/user.slice/session/mcp-gateway-t.trial\(getpid())", controllers: "")
        let prepared = try #require(tree.hierarchy("/user.slice/session").prepared())
        #expect(prepared.directory(of: "s") == "\(tree.top)/user.slice/mcp-gateway-t.s")
        #expect(prepared.controllers == [.memory, .pids])
        #expect(prepared.own == "\(tree.top)/user.slice/session")
    }

    @Test("a group that shares its limits with other processes is none")
    func threaded() throws {
        let tree = Tree()
        try tree.group("", controllers: "pids")
        try tree.group("/mcp-gateway-t.trial\(getpid())", controllers: "pids")
        try tree.group("/a", controllers: "pids")
        try tree.group(
            "/a/mcp-gateway-t.trial\(getpid())", controllers: "pids", ["cgroup.type": "domain invalid"])
        #expect(tree.hierarchy("/a").prepared()?.place == tree.top)
    }

    @Test("where none gives any away, processes can be killed together and nothing else")
    func none() throws {
        let tree = Tree()
        try tree.group("", controllers: "")
        try tree.group("/a", controllers: "")
        try tree.group("/a/mcp-gateway-t.trial\(getpid())", controllers: "")
        let prepared = try #require(tree.hierarchy("/a").prepared())
        #expect(prepared.controllers.isEmpty && prepared.place == "\(tree.top)/a")
        #expect(ControlGroups([tree.hierarchy("/a")]) == nil)
    }

    @Test("no group outside of the mount is touched")
    func mount() throws {
        let tree = Tree()
        try tree.group("/inside", controllers: "cpu memory pids")
        let mounts = "31 30 0:27 /a/b \(tree.top)/inside rw,nosuid - cgroup2 cgroup2 rw"
        let found = GroupMounts.hierarchies(mounts: mounts, own: "0::/a/b\n", tag: "t") {
            GroupFile.text("\($0)/cgroup.controllers")
        }
        #expect(found.first?.prepared() == nil)
        #expect(!Files.exists("\(tree.top)/mcp-gateway-t.trial\(getpid())"))
    }

    @Test("limits are written in the words of version 2")
    func settings() throws {
        let tree = Tree()
        try tree.group("/unit", controllers: "cpu memory pids")
        let hierarchy = tree.hierarchy("/unit")
        let all = hierarchy.settings(tree.limits, [.cpu, .memory, .pids])
        let needed = Dictionary(uniqueKeysWithValues: all.filter(\.isNeeded).map { ($0.file, $0.value) })
        #expect(needed == ["pids.max": "40", "memory.max": "67108864", "cpu.max": "50000 100000"])
        #expect(all.contains { $0.file == "memory.swap.max" && $0.value == "0" && !$0.isNeeded })
        #expect(hierarchy.settings(tree.limits, [.pids]).map(\.file) == ["pids.max"])
    }

    @Test(
        "a server whose CPU time its sandbox holds anyway gets no limit of its own, for which it has no controller"
    )
    func sharedCPU() throws {
        let tree = Tree()
        try tree.group("/unit", controllers: "cpu memory pids")
        var hierarchy = tree.hierarchy("/unit")
        hierarchy.controllers = [.cpu, .memory, .pids]
        let inner = hierarchy.inner(tree.limits, server: tree.limits)
        #expect(inner == [.memory, .pids])
        #expect(!hierarchy.settings(tree.limits, inner).contains { $0.file == "cpu.max" })
    }

    @Test("what a server ran into is told by its events")
    func hits() throws {
        let tree = Tree()
        try tree.group("/unit", controllers: "cpu memory pids")
        try tree.group(
            "/unit/s/1", controllers: "cpu memory pids",
            [
                "memory.events": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1",
                "memory.events.local": "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2",
                "pids.events": "max 7", "cpu.stat": "usage_usec 10\nnr_periods 9\nnr_throttled 4",
                "cgroup.kill": "",
            ])
        var hierarchy = tree.hierarchy("/unit")
        hierarchy.controllers = [.cpu, .memory, .pids]
        let path = "\(tree.top)/unit/s/1"
        let group = try ServerGroup(
            [(hierarchy, path)], shared: [], ResourceLimits(), workspace: nil, container: nil,
            LimitLedger())
        #expect(group.hits[.serverMemory] == 2 && group.hits[.serverProcesses] == 7)
        #expect(group.hits[.serverCPUs] == 4 && group.hits[.sandboxMemory] == 0)
        group.kill()
        #expect(tree.text("/unit/s/1/cgroup.kill").hasPrefix("1"))
        // Killed for its sandbox's memory: it never met its own.
        try Files.writeAtomically(
            Array("max 0\noom_kill 2\n".utf8), to: "\(path)/memory.events.local", mode: 0o644)
        let other = try ServerGroup(
            [(hierarchy, path)], shared: [], ResourceLimits(), workspace: nil, container: nil,
            LimitLedger())
        #expect(other.hits[.sandboxMemory] == 2 && other.hits[.serverMemory] == 0)
    }

    @Test("a container has a group beside its engine's, and what it met is told when its own is gone")
    func containers() throws {
        let tree = Tree()
        try tree.group(
            "/unit/s/1", controllers: "cpu memory pids",
            [
                "memory.events": "max 12\noom_kill 2", "memory.events.local": "max 0\noom_kill 0",
                "cgroup.subtree_control": "",
            ])
        var hierarchy = tree.hierarchy("/unit")
        hierarchy.controllers = [.cpu, .memory, .pids]
        let path = "\(tree.top)/unit/s/1"
        #expect(hierarchy.inner(tree.limits, server: tree.limits, hasRoom: true) == [.cpu, .memory, .pids])
        try hierarchy.makeRoom(in: path, [.memory, .pids])
        #expect(tree.text("/unit/s/1/cgroup.subtree_control").hasPrefix("+memory +pids"))
        // The kernel would have filled it.
        try tree.group("/unit/s/1/engine", controllers: "")
        let group = try ServerGroup(
            [(hierarchy, path)], shared: [], ResourceLimits(), workspace: nil, container: .below,
            LimitLedger())
        #expect(group.containers == "/unit/s/1")
        #expect(group.hits[.serverMemory] == 2 && group.hits[.sandboxMemory] == 0)
        let entry = try Files.realPath("/proc/self/fd/\(group.entries[0])")
        #expect(entry.hasSuffix("/unit/s/1/engine/cgroup.procs"))
    }

    @Test("a container that is elsewhere is told of by its end alone")
    func elsewhere() throws {
        let tree = Tree()
        try tree.group("/unit/s/1", controllers: "cpu memory pids")
        let hierarchy = tree.hierarchy("/unit")
        var limits = ResourceLimits()
        limits[.serverMemory] = 64 << 20
        let group = try ServerGroup(
            [(hierarchy, "\(tree.top)/unit/s/1")], shared: [], limits, workspace: nil, container: .elsewhere,
            LimitLedger())
        #expect(group.containers == nil)
        let words = group.verdict(LimitHits(), signal: SIGKILL)
        #expect(words == "out of memory, most likely: the limit is 64 MiB")
        #expect(group.verdict(LimitHits(), signal: 0) == nil)
    }
}
