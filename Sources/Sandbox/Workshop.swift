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
    /// Processes of an earlier gateway that were found at the start.
    private let leftovers: Int
    let launches = JobQueue(name: "launch", threads: SandboxLimits.launchThreads)
    private let starts: StartGate
    private let counts = JobQueue(name: "counts", threads: 1)
    /// Numbers containers.
    let containers = Atomic<UInt64>(0)
    /// Guards the making of a sandbox's directories, which its servers' launches do at the same time.
    let making = Mutex(())

    /// Makes the directories, finds out whether jails work here, and sweeps what an earlier gateway left.
    public init(_ configuration: WorkshopConfiguration) throws(WorkshopFailure) {
        var configuration = configuration
        networks = try Self.makeNetworks(&configuration)
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
        let isGuarded =
            networks != nil && configuration.ownsSandboxes && configuration.network.maximum != .host
        packages = PackageStore(
            state: state, starter: starter, installer: users?.installer,
            groups: configuration.ownsSandboxes ? groups : nil,
            resources: configuration.resources, network: isGuarded ? InstallNetwork() : nil)
        if configuration.ownsSandboxes {
            // Before what stands around them is killed: an engine tidies up best what still runs.
            ContainerEngine.sweep(state, starter)
            leftovers = Leftovers.sweep(state)
            _ = groups?.sweep()
            groups?.enter()
        } else {
            leftovers = 0
        }
    }

    private static func makeNetworks(_ configuration: inout WorkshopConfiguration) throws(WorkshopFailure)
        -> SandboxNetworks?
    {
        guard configuration.network.standard != .host else {
            return configuration.isolation == .none ? nil : try? SandboxNetworks()
        }
        var obstacle = "they need jails (--isolation bubblewrap), which isolation: none does without"
        if configuration.isolation != .none {
            do { return try SandboxNetworks() } catch {
                obstacle = "they need root, or CAP_SYS_ADMIN: \(error)"
            }
        }
        guard configuration.mayFallBackToHost else {
            throw WorkshopFailure(
                message:
                    "Networks of sandboxes do not work here: \(obstacle). network: host starts without them, with "
                    + "all that this host reaches.")
        }
        configuration.network = NetworkPolicy(.host)
        if configuration.ownsSandboxes {
            Log.warning(
                "sandboxes reach all that this host reaches, its loopback included: they can have no networks of "
                    + "their own", ["reason": obstacle])
        }
        return nil
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
                    Array((StateDirectory.hosts + lines).utf8), to: self.state.hosts(sandbox), mode: 0o644,
                    lasts: false)
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
        let missing = GroupController.limiting.filter { groups?.controllers.contains($0) != true }
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

    /// How often servers met their limits. `done` runs on a thread for such questions.
    public func countHits(_ done: @escaping @Sendable (LimitHits) -> Void) {
        counts.submit { done(self.groups?.ledger.total ?? LimitHits()) }
    }

    /// Has sandboxes that use much CPU time leave it to others. Not on the calling thread, as there may be many.
    public func shareCPU(_ now: Instant) {
        guard let groups, groups.beginSharing() else { return }
        counts.submit {
            groups.shareCPU(now)
            groups.endSharing()
        }
    }

    /// Sandboxes that do.
    public var yielding: Int { groups?.yielding ?? 0 }

    /// Processes that were found without their server, or after their gateway, and killed.
    public var orphans: Int { leftovers + (groups?.orphans ?? 0) }

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
