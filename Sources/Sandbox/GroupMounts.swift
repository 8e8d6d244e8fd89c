import System

/// Where the control groups of this process are, as `/proc` tells it.
enum GroupMounts {
    /// The hierarchies that have something to limit, and the unified one for its `cgroup.kill`.
    /// - Parameter tag: tells apart the gateways of one group.
    static func find(tag: String) -> [GroupHierarchy] {
        hierarchies(
            mounts: GroupFile.text("/proc/self/mountinfo"), own: GroupFile.text("/proc/self/cgroup"), tag: tag
        ) { GroupFile.text("\($0)/cgroup.controllers") }
    }

    /// Whether this host has groups of version 2 alone.
    static let areUnified = Files.exists("/sys/fs/cgroup/cgroup.controllers")

    /// - Parameters:
    ///   - mounts: `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
    ///   - own: `/proc/self/cgroup`, lines of `id:controllers:path` (cgroups(7)).
    ///   - controllers: the `cgroup.controllers` of a group of the unified hierarchy.
    static func hierarchies(
        mounts: String, own: String, tag: String, controllers: (String) -> String
    ) -> [GroupHierarchy] {
        var found: [GroupHierarchy] = []
        for line in mounts.split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard let dash = fields.firstIndex(of: "-"), fields.count > dash + 3, dash > 4 else { continue }
            let (root, point, kind) = (String(fields[3]), String(fields[4]), fields[dash + 1])
            guard kind == "cgroup2" || kind == "cgroup" else { continue }
            let isUnified = kind == "cgroup2"
            let names = Set(fields[dash + 3].split(separator: ",").map(String.init))
            guard let path = ownPath(own, isUnified ? nil : names) else { continue }
            let directory = outside(join(point, root: root, path: path))
            let available =
                isUnified ? Set(controllers(directory).split { $0.isWhitespace }.map(String.init)) : names
            let wanted = Set(GroupController.allCases.filter { available.contains($0.rawValue) })
            guard isUnified || !wanted.isEmpty, !found.contains(where: { $0.own == directory }) else {
                continue
            }
            found.append(
                GroupHierarchy(
                    isUnified: isUnified, own: directory, top: point, tag: tag, controllers: wanted))
        }
        return found
    }

    /// The path of the line for one of these controllers; nil asks for the unified hierarchy's.
    private static func ownPath(_ own: String, _ names: Set<String>?) -> String? {
        for line in own.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let controllers = parts[1].split(separator: ",").map(String.init)
            let isIt = names.map { names in controllers.contains { names.contains($0) } } ?? parts[1].isEmpty
            if isIt { return String(parts[2]) }
        }
        return nil
    }

    /// A gateway that this process has been may have moved it into its own place.
    private static func outside(_ directory: String) -> String {
        guard let slash = directory.lastIndex(of: "/") else { return directory }
        let name = directory[directory.index(after: slash)...]
        return name.hasPrefix("mcp-gateway-") && name.hasSuffix(".gateway")
            ? String(directory[..<slash]) : directory
    }

    /// A mount shows the tree from `root` on; a path outside of it is seen as the mount itself.
    private static func join(_ point: String, root: String, path: String) -> String {
        var rest = Substring(path)
        if root != "/", path == root || path.hasPrefix(root + "/") { rest = path.dropFirst(root.count) }
        if root != "/", rest.count == path.count { rest = "" }
        return rest.isEmpty || rest == "/" ? point : point + rest
    }
}
