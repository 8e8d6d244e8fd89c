import CEpollShim
import Glibc
import Synchronization
import System

/// Starts, on the threads for it.
extension Workshop {
    func start(
        _ request: LaunchRequest, _ package: InstalledPackage, _ slot: StartSlot
    ) throws(LaunchFailure) -> SpawnedChild {
        let resources = request.resources ?? configuration.resources
        let user = try prepare(request.sandboxID)
        if case .oci(let program) = request.program {
            return try startContainer(request, program, package, user, resources, slot)
        }
        var (request, command) = (request, try package.command(for: request))
        try checkVisible(command, package)
        let hidden = HiddenArguments(request, package, program: command.first ?? "", state)
        if let hidden {
            command = hidden.command
            request.environment += hidden.environment
        }
        let server = Server(
            request: request, package: package, command: command, user: user, file: hidden?.file)
        var plan = server.plan(starter, paths: paths, areProcessesHeld: areProcessesHeld, configuration)
        plan.slot = slot
        do {
            plan.network = try network(of: request)
            plan.workspace = try workspace(of: request.sandboxID, user, resources)
            plan.group = try groups?.make(
                sandbox: request.sandboxID, resources, workspace: plan.workspace)
            return try starter.start(plan)
        } catch {
            plan.group?.remove()
            throw LaunchFailure(message: "The server \(request.serverName) could not be started: \(error).")
        }
    }

    private var areProcessesHeld: Bool { groups?.controllers.contains(.pids) == true }

    /// Nil: the host's.
    private func network(of request: LaunchRequest) throws(Errno) -> Int32? {
        guard min(request.network, configuration.network.maximum) != .host else { return nil }
        guard let networks else { throw Errno(EOPNOTSUPP, "making a network namespace") }
        return try networks.descriptor(of: request.sandboxID)
    }

    private func startContainer(
        _ request: LaunchRequest, _ program: ContainerProgram, _ package: InstalledPackage, _ user: UInt32?,
        _ resources: ResourceLimits, _ slot: StartSlot
    ) throws(LaunchFailure) -> SpawnedChild {
        let engine = try packages.engines.engine(starter, request.serverName)
        let run = ContainerRun(
            engine: engine, program: program, request: request, package: package, user: user,
            resources: resources, state: state,
            number: containers.add(1, ordering: .relaxed).newValue, configuration)
        let variables = try run.variables()
        var plan = StartPlan(
            command: [], environment: ContainerEngine.environment + variables.passed,
            jail: starter.jail(), directory: "/", cpu: configuration.pinsServers ? request.cpu : nil,
            mark: request.sandboxID)
        plan.slot = slot
        plan.engine = EngineStart(
            environmentFile: variables.file, removal: [engine.path] + engine.removal([run.name]),
            isClient: engine.isClient)
        do {
            try engine.leaveMark(state)
            plan.network = try network(of: request)
            plan.workspace = try workspace(of: request.sandboxID, user, resources)
            if engine.isClient { try plan.workspace?.show() }
            let disk = SandboxDisk(root: plan.workspace?.root ?? state.disk(request.sandboxID), user: user)
            for name in run.namedVolumes { try disk.makeVolume(name) }
            plan.group = try groups?.make(
                sandbox: request.sandboxID, resources, workspace: plan.workspace,
                container: engine.isClient ? .elsewhere : .below)
            plan.command = try run.command(paths, group: plan.group?.containers)
            return try starter.start(plan)
        } catch {
            plan.group?.remove()
            let failure = error as? LaunchFailure
            throw failure
                ?? LaunchFailure(message: "The server \(request.serverName) could not be started: \(error).")
        }
    }

    /// A program that a jail would not show fails here, with a reason; in there it would just not be found.
    private func checkVisible(_ command: [String], _ package: InstalledPackage) throws(LaunchFailure) {
        guard isolation == .bubblewrap, package.kind == .custom, let program = command.first,
            !HostPaths.systemPlaces.contains(where: { HostPaths.contains($0, program) }),
            paths.file(program) == nil
        else { return }
        throw LaunchFailure(
            message:
                "\(program) cannot be shown in a sandbox: it must be a file that every user of this host may "
                + "read, and not below \(HostPaths.alwaysHidden.joined(separator: ", ")), /tmp or the gateway's own "
                + "directories.")
    }

    /// The sandbox's user and directories, made for its first server.
    func prepare(_ sandbox: String) throws(LaunchFailure) -> UInt32? {
        guard Self.isPlainName(sandbox) else { throw LaunchFailure(message: "\(sandbox) is no sandbox id.") }
        var user: UInt32?
        if let users {
            guard let leased = users.user(of: sandbox) else {
                throw LaunchFailure(
                    message:
                        "All \(configuration.users) users for sandboxes are taken; end some sandboxes, or give "
                        + "the gateway more users.")
            }
            user = leased
        }
        do {
            try making.withLock { _ throws(Errno) in try makeDirectories(sandbox, user) }
        } catch {
            throw LaunchFailure(message: "The sandbox's directory could not be made: \(error).")
        }
        return user
    }

    private func makeDirectories(_ sandbox: String, _ user: UInt32?) throws(Errno) {
        let disk = state.disk(sandbox)
        if Files.isDirectory(state.workspace(sandbox)) { return }
        for directory in [state.sandbox(sandbox), disk] {
            try Files.makeDirectories(directory, mode: 0o711)
            try Errno.check(ce_chmod(directory, 0o711), "setting the mode of the sandbox's directory")
        }
        try SandboxDisk(root: disk, user: user).make()
    }

    /// Nil where it has no size: mounting needs root, and without jails a server could leave its workspace anyway.
    private func workspace(
        of sandbox: String, _ user: UInt32?, _ resources: ResourceLimits
    ) throws(Errno) -> Workspace? {
        guard let user, resources[.sandboxDisk] > 0 else { return nil }
        return try workspaces.of(
            sandbox, path: state.disk(sandbox), bytes: resources[.sandboxDisk], user: user)
    }
}
