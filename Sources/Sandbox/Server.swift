import Glibc
import System

/// One server of one sandbox, ready to be started.
struct Server: Sendable {
    let request: LaunchRequest
    let package: InstalledPackage
    /// Program and arguments.
    let command: [String]
    /// The sandbox's own host user; nil without root.
    let user: UInt32?

    func plan(_ starter: Starter, paths: HostPaths, _ configuration: WorkshopConfiguration) -> StartPlan {
        let workspace = starter.state.workspace(request.sandboxID)
        let isJailed = starter.isolation == .bubblewrap
        var jail = starter.jail()
        jail.workspace = workspace
        jail.hasOwnNetwork = min(request.network, configuration.network) != .host
        let hosts = starter.state.hosts(request.sandboxID)
        if jail.hasOwnNetwork, Files.isFile(hosts) { jail.hostsFile = hosts }
        jail.temporaryBytes = configuration.temporaryBytes
        jail.hiddenTools = package.hiddenTools
        jail.shares = shares(paths)
        if let root = package.root {
            jail.shares.append(HostPaths.Share(named: root, source: root, isWritable: false))
        }
        jail.directory = package.directory ?? Jail.workspace
        var plan = StartPlan(
            command: command, environment: environment(home: isJailed ? Jail.workspace : workspace),
            jail: jail,
            directory: package.directory ?? workspace, user: user,
            cpu: configuration.pinsServers ? request.cpu : nil, limits: limits(configuration),
            mark: request.sandboxID)
        if isJailed, user == nil, HeldJail.isPossible {
            plan.jailProcesses = (request.resources ?? configuration.resources)[.serverProcesses]
        }
        return plan
    }

    /// PATH, HOME and LANG may be set by the server's configuration, the sandbox's id not.
    private func environment(home: String) -> [(String, String)] {
        let path = (package.pathDirectories + [Executable.systemPath]).joined(separator: ":")
        var names: [String] = []
        var values: [String: String] = [:]
        let all =
            [("PATH", path), ("HOME", home), ("LANG", "C.UTF-8")] + request.environment
            + [(Starter.markVariable, request.sandboxID)]
        for (name, value) in all {
            if values.updateValue(value, forKey: name) == nil { names.append(name) }
        }
        return names.map { ($0, values[$0] ?? "") }
    }

    /// What of the host its configuration names. A custom server, which a caller brings, gets files to read; what
    /// a server of the catalog is pointed at may be a directory, and writable.
    private func shares(_ paths: HostPaths) -> [HostPaths.Share] {
        let named = Self.absolutePaths(command) + request.paths
        var found: [HostPaths.Share] = []
        for path in named {
            let share = package.isCustom ? paths.file(path) : paths.data(path)
            guard let share, !found.contains(where: { $0.named == share.named }) else { continue }
            found.append(share)
        }
        return found
    }

    /// `/path` and the right side of `--option=/path`.
    static func absolutePaths(_ arguments: [String]) -> [String] {
        arguments.compactMap { argument in
            if argument.hasPrefix("/") { return argument }
            guard argument.hasPrefix("-"), let equals = argument.firstIndex(of: "=") else { return nil }
            let value = argument[argument.index(after: equals)...]
            return value.hasPrefix("/") ? String(value) : nil
        }
    }

    private func limits(_ configuration: WorkshopConfiguration) -> [(resource: Int32, value: UInt64)] {
        let resources = request.resources ?? configuration.resources
        var limits: [(resource: Int32, value: UInt64)] = [
            (Int32(RLIMIT_NOFILE.rawValue), resources[.serverOpenFiles]),
            (Int32(RLIMIT_CORE.rawValue), 0),
            (Int32(RLIMIT_FSIZE.rawValue), resources[.serverFileSize]),
        ]
        // The kernel counts processes by user: only one with its own sandbox alone can be held to a number.
        if user != nil {
            limits.append((Int32(__RLIMIT_NPROC.rawValue), resources[.sandboxProcesses]))
        }
        if let bytes = configuration.addressSpaceBytes { limits.append((Int32(RLIMIT_AS.rawValue), bytes)) }
        return limits
    }
}
