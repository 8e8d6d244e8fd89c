import CEpollShim
import Glibc
import Synchronization
import System
import Telemetry

/// Threads that may wait for the disk, for package managers and for spawns; owns the sandboxes and the packages
/// of the state directory. No loop waits for any of it.
public final class Workshop: Sendable {
    public let isolation: Isolation
    let configuration: WorkshopConfiguration
    let state: StateDirectory
    let paths: HostPaths
    let packages: PackageStore
    let starter: Starter
    /// Nil when the gateway is not root: every sandbox has the gateway's own user then.
    let users: UserLeases?
    /// Nil where this process may make none.
    let groups: ControlGroups?
    /// Nil where sandboxes have the host's network.
    let networks: SandboxNetworks?
    let workspaces = Workspaces()
    private let launches = JobQueue(name: "launch", threads: SandboxLimits.launchThreads)
    private let starts: StartGate
    private let counts = JobQueue(name: "counts", threads: 1)
    /// Numbers containers.
    private let containers = Atomic<UInt64>(0)
    /// Guards the making of a sandbox's directories, which its servers' launches do at the same time.
    private let making = Mutex(())

    /// Makes the directories, finds out whether jails work here, and sweeps what an earlier gateway left.
    public init(_ configuration: WorkshopConfiguration) throws(WorkshopFailure) {
        self.configuration = configuration
        starts = StartGate(limit: configuration.startsAtATime)
        do {
            state = try StateDirectory(configuration.stateDirectory)
            users =
                geteuid() == 0 && configuration.isolation != .none
                ? try UserLeases(
                    first: configuration.firstUser, count: configuration.users,
                    directories: ["/run/lock", "/run", state.path])
                : nil
        } catch {
            throw WorkshopFailure(
                message: "\(error). The state directory must be one that the gateway may write; "
                    + "choose another with --state-dir.")
        }
        groups = Self.makeGroups(configuration, state)
        _ = ce_become_subreaper()
        paths = HostPaths(hiding: configuration.hiddenPaths + [state.path])
        starter = try Starter.choosing(configuration, state: state, users: users)
        isolation = starter.isolation
        networks = try Self.makeNetworks(configuration)
        packages = PackageStore(state: state, starter: starter, installer: users?.installer)
        if configuration.ownsSandboxes {
            // Before what stands around them is killed: an engine tidies up best what still runs.
            ContainerEngine.sweep(state, starter)
            Leftovers.sweep(state)
            _ = groups?.sweep()
            groups?.enter()
        }
    }

    private static func makeNetworks(_ configuration: WorkshopConfiguration) throws(WorkshopFailure)
        -> SandboxNetworks?
    {
        guard configuration.network.standard != .host else {
            return configuration.isolation == .none ? nil : try? SandboxNetworks()
        }
        guard configuration.isolation != .none else {
            throw WorkshopFailure(message: "Networks of sandboxes need --isolation bubblewrap.")
        }
        do { return try SandboxNetworks() } catch {
            throw WorkshopFailure(
                message:
                    "Networks of sandboxes do not work here: \(error). They need root, or CAP_SYS_ADMIN; "
                    + "network: host starts without them, with all that this host reaches.")
        }
    }

    /// What servers reach; anything but `host` is a network of their sandbox's own, in which the gateway can listen.
    public var network: NetworkPolicy { configuration.network }

    /// Why no sandbox can have less than `host` here, in words; nil: it can.
    public var networkObstacle: String? {
        guard networks == nil else { return nil }
        return isolation == .none
            ? "networks of sandboxes need jails, which isolation: none does without"
            : "networks of sandboxes need a gateway that is root or has CAP_SYS_ADMIN"
    }

    /// Opens listeners in the sandbox's network, which is made for it, and writes its `/etc/hosts` for the jails
    /// that start from then on. `done` gets the descriptors, which are its own then, on a thread of the workshop.
    public func openInside(
        _ sandbox: String, _ addresses: [InsideAddress], hosts: [(address: String, name: String)] = [],
        done: @escaping @Sendable (Result<[Result<Int32, Errno>], LaunchFailure>) -> Void
    ) {
        launches.submit {
            guard let networks = self.networks, Self.isPlainName(sandbox) else {
                return done(.failure(LaunchFailure(message: "\(sandbox) has no network of its own.")))
            }
            do {
                _ = try self.prepare(sandbox)
                let lines = hosts.map { "\($0.address) \($0.name)\n" }.joined()
                try Files.writeAtomically(
                    Array((StateDirectory.hosts + lines).utf8), to: self.state.hosts(sandbox), mode: 0o644)
                done(.success(try networks.listen(sandbox, addresses)))
            } catch {
                done(.failure(LaunchFailure(message: "The sandbox's network could not be made: \(error).")))
            }
        }
    }

    private static func makeGroups(_ configuration: WorkshopConfiguration, _ state: StateDirectory)
        -> ControlGroups?
    {
        let groups = ControlGroups(GroupMounts.find(tag: state.tag))
        guard configuration.ownsSandboxes else { return groups }
        let missing = GroupController.allCases.filter { groups?.controllers.contains($0) != true }
        if !missing.isEmpty {
            Log.warning(
                "servers are held by rlimits alone in what no control group limits",
                ["missing": missing.map(\.rawValue).joined(separator: " ")])
        }
        return groups
    }

    // MARK: Launching

    /// Installs what the server needs, once for all sandboxes, and starts it. `progress` gets lines about the
    /// installation for a person, `installed` is called when only the start is left, `done` once, unless the token
    /// is cancelled before. All on a thread of the workshop or on the caller's.
    public func launch(
        _ request: LaunchRequest, token: LaunchToken,
        progress: @escaping @Sendable (String) -> Void = { _ in }, installed: @escaping @Sendable () -> Void,
        done: @escaping @Sendable (Result<SpawnedChild, LaunchFailure>) -> Void
    ) {
        packages.ensure(request.program, progress: progress) { result in
            switch result {
            case .failure(let failure):
                self.launches.submit { if token.commit() { done(.failure(failure)) } }
            case .success(let package):
                guard !token.isCancelled else { return }
                installed()
                self.starts.enter(token) { slot in
                    self.launches.submit {
                        guard token.commit() else { return }
                        done(Result { () throws(LaunchFailure) in try self.start(request, package, slot) })
                    }
                }
            }
        }
    }

    /// Resolves and installs ahead of use, on the calling thread's time; `progress` gets lines for a person.
    public func install(
        _ program: LaunchRequest.Program, progress: @escaping @Sendable (String) -> Void
    ) throws(LaunchFailure) {
        let answer = Answer<Result<InstalledPackage, LaunchFailure>>()
        packages.ensure(program, progress: progress) { answer.give($0) }
        _ = try answer.wait().get()
    }

    private func start(
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
            command: try run.command(paths), environment: ContainerEngine.environment + variables.passed,
            jail: starter.jail(), directory: "/", cpu: configuration.pinsServers ? request.cpu : nil,
            mark: request.sandboxID)
        plan.slot = slot
        plan.engine = EngineStart(
            environmentFile: variables.file, removal: [engine.path] + engine.removal([run.name]))
        do {
            try engine.leaveMark(state)
            plan.network = try network(of: request)
            plan.workspace = try workspace(of: request.sandboxID, user, resources)
            let disk = SandboxDisk(root: plan.workspace?.root ?? state.disk(request.sandboxID), user: user)
            for name in run.namedVolumes { try disk.makeVolume(name) }
            plan.group = try groups?.make(
                sandbox: request.sandboxID, resources, workspace: plan.workspace, isContainer: true)
            return try starter.start(plan)
        } catch {
            plan.group?.remove()
            throw LaunchFailure(message: "The server \(request.serverName) could not be started: \(error).")
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
    private func prepare(_ sandbox: String) throws(LaunchFailure) -> UInt32? {
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

    /// How often servers met their limits. `done` runs on a thread for such questions.
    public func countHits(_ done: @escaping @Sendable (LimitHits) -> Void) {
        counts.submit { done(self.groups?.ledger.total ?? LimitHits()) }
    }

    // MARK: Removal

    /// The last call: every sandbox has been removed.
    public func close() { groups?.removeAll() }

    /// Removes the sandbox's files and frees its user. All of its processes are gone already.
    public func removeSandbox(_ id: String, _ done: @escaping @Sendable () -> Void) {
        launches.submit {
            if Self.isPlainName(id) {
                self.groups?.remove(sandbox: id)
                self.networks?.remove(id)
                self.workspaces.remove(id)
                do {
                    try Files.removeTree(self.state.sandbox(id))
                } catch {
                    Log.error("files of a sandbox stay behind", ["sandbox": id, "reason": "\(error)"])
                }
                self.users?.release(id)
            }
            done()
        }
    }

    /// An id becomes a name in a directory: nothing else may be in it.
    static func isPlainName(_ id: String) -> Bool {
        (1...64).contains(id.utf8.count)
            && id.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            }
    }
}
