import CEpollShim
import Glibc
import System

/// One server in a container: the command line that starts it, and the one that removes it.
struct ContainerRun: Sendable {
    let engine: ContainerEngine
    let program: ContainerProgram
    let request: LaunchRequest
    /// What the image is run by, and the user it names.
    let reference: String
    let imageUser: String
    /// The sandbox's own host user; nil without root.
    let user: UInt32?
    let resources: ResourceLimits
    let state: StateDirectory
    /// Among all containers of this host.
    let name: String
    let reach: NetworkChoice
    let temporaryBytes: Int

    static let environmentDescriptor = 3

    init(
        engine: ContainerEngine, program: ContainerProgram, request: LaunchRequest, package: InstalledPackage,
        user: UInt32?, resources: ResourceLimits, state: StateDirectory, number: UInt64,
        _ configuration: WorkshopConfiguration
    ) {
        self.engine = engine
        self.program = program
        self.request = request
        reference = package.programs.first ?? program.image
        imageUser = String((package.programs.count > 1 ? package.programs[1] : "").dropFirst("user ".count))
        self.user = user
        self.resources = resources.consistent
        self.state = state
        name = "mcp-gateway-\(state.tag)-\(request.sandboxID)-\(getpid())-\(number)"
        reach = min(request.network, configuration.network.maximum)
        temporaryBytes = configuration.temporaryBytes
    }

    /// The command line. No value of the environment is in it.
    /// - Parameter group: see `ServerGroup.containers`.
    func command(_ paths: HostPaths, group: String? = nil) throws(LaunchFailure) -> [String] {
        let labels = [
            "--label", "\(ContainerEngine.stateLabel)=\(state.tag)",
            "--label", "\(ContainerEngine.sandboxLabel)=\(request.sandboxID)",
        ]
        let (volumes, network) = (try volumes(paths), try network())
        // Of systemd, the other manager, podman takes slices of systemd's alone.
        let manager = group == nil ? [] : ["--cgroup-manager", "cgroupfs"]
        return [engine.path] + manager + ["run", "--interactive", "--pull", "never", "--name", name] + labels
            + confinement + limits + network + own(group) + identity
            + ["--env-file", "/dev/fd/\(Self.environmentDescriptor)"]
            + (try variables().passed).flatMap { ["--env", $0.0] } + volumes
            + [reference] + request.arguments
    }

    // MARK: Parts

    private var confinement: [String] {
        let places = ["/tmp", "/var/tmp", "/run"].flatMap {
            ["--tmpfs", "\($0):rw,nosuid,nodev,size=\(temporaryBytes),mode=1777"]
        }
        return [
            "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--cgroupns",
            "private",
            "--shm-size", "\(SandboxLimits.sharedMemoryBytes)", "--no-healthcheck",
        ] + places
    }

    private var limits: [String] {
        var hard: UInt64 = .max
        var soft: UInt64 = 0
        _ = ce_get_limit(Int32(RLIMIT_NOFILE.rawValue), &soft, &hard)
        let files = min(resources[.serverOpenFiles], hard)
        let memory = "\(resources[.serverMemory])"
        var list = [
            "--memory", memory, "--memory-swap", memory, "--pids-limit", "\(resources[.serverProcesses])",
            "--ulimit", "core=0:0", "--ulimit", "nofile=\(files):\(files)",
            "--ulimit", "fsize=\(resources[.serverFileSize]):\(resources[.serverFileSize])",
        ]
        // The kernel counts processes by user: only one with its own sandbox alone can be held to a number. podman
        // lowers its own limit to as many processes as the kernel has, and cannot give more than it has.
        _ = ce_get_limit(Int32(__RLIMIT_NPROC.rawValue), &soft, &hard)
        let most = min(hard, UInt64(GroupFile.text("/proc/sys/kernel/pid_max").filter(\.isNumber)) ?? hard)
        let processes = runsAsSandboxUser ? min(resources[.sandboxProcesses], most) : most
        let count = processes == .max ? "-1" : "\(processes)"
        list += ["--ulimit", "nproc=\(count):\(count)"]
        let percent = resources[.serverCPUs]
        // Engines refuse more than the machine has.
        if percent < GroupLimits.machinePercent {
            list += ["--cpus", "\(percent / 100).\(percent % 100 < 10 ? "0" : "")\(percent % 100)"]
        }
        return list
    }

    /// podman is started in the sandbox's network, which is its "host" then.
    private func network() throws(LaunchFailure) -> [String] {
        if request.isOffline { return ["--network", "none"] }
        if reach == .host { return ["--network", program.networkNone ? "none" : "host"] }
        guard engine.kind == .podman else {
            guard reach == .none else {
                throw LaunchFailure(
                    message:
                        "\(request.serverName) needs podman: docker cannot join the network of a sandbox. "
                        + "Debian: apt-get install podman runc.")
            }
            return ["--network", "none"]
        }
        let own = state.hosts(request.sandboxID)
        let hosts = Files.isFile(own) ? own : "\(state.jail)/hosts"
        return [
            "--network", "host", "--no-hosts", "--volume", "\(hosts):/etc/hosts:ro",
            "--volume", "\(state.jail)/resolv.conf:/etc/resolv.conf:ro",
        ]
    }

    /// Words that only one engine has.
    private func own(_ group: String?) -> [String] {
        switch engine.kind {
        case .docker: return ["--log-driver", "none"]
        case .podman:
            return place(group) + [
                // Its standard descriptors are the gateway's pipes themselves.
                "--log-driver", "passthrough", "--http-proxy=false", "--read-only-tmpfs=false",
                "--image-volume", "tmpfs", "--systemd", "false", "--sdnotify", "ignore",
            ]
        }
    }

    /// The container's group lies in the server's. With version 1 that is podman's own: runc takes a relative path for
    /// it; crun takes no group of its own at all. Where a user's gateway may make no group, podman may, by the user's systemd.
    private func place(_ group: String?) -> [String] {
        if let group { return ["--cgroups", "no-conmon", "--cgroup-parent", group] }
        if GroupMounts.areUnified, user == nil { return ["--cgroups", "no-conmon"] }
        if engine.runtime == "crun" { return ["--cgroups", "disabled"] }
        return ["--cgroups", "no-conmon", "--cgroup-parent", "."]
    }

    /// The catalog's user, or the image's when that is not root, or the sandbox's own. Whoever it is, it is in the
    /// sandbox's group. A gateway without users for sandboxes has none be root of the host, which it is not itself.
    private var identity: [String] {
        guard let user else {
            if program.user == nil, isImageRoot, engine.rootIsHosts {
                return ["--user", "\(geteuid()):\(getegid())"]
            }
            return program.user.map { ["--user", $0] } ?? []
        }
        if runsAsSandboxUser { return ["--user", "\(user):\(user)"] }
        return (program.user.map { ["--user", $0] } ?? []) + ["--group-add", "\(user)"]
    }

    /// Volumes that last as long as the sandbox; without a user of its own, a container's files could not be removed.
    var namedVolumes: [String] { user == nil ? [] : program.volumes.filter(\.isNamed).map(\.source) }

    var runsAsSandboxUser: Bool { user != nil && program.user == nil && isImageRoot }

    private var isImageRoot: Bool {
        let account = imageUser.split(separator: ":").first ?? ""
        return account.isEmpty || account == "0" || account == "root"
    }

    private func volumes(_ paths: HostPaths) throws(LaunchFailure) -> [String] {
        var list: [String] = []
        var targets: Set<String> = []
        for volume in program.volumes {
            guard let target = HostPaths.normalized(volume.target), target != "/",
                !["/proc", "/sys", "/dev", "/etc"].contains(where: { HostPaths.contains($0, target) }),
                !target.contains(":"), !target.contains(",")
            else { throw LaunchFailure(message: "\(volume.target) is no place for a volume in a container.") }
            guard targets.insert(target).inserted else { continue }
            if volume.isNamed, user != nil {
                let source = state.volume(volume.source, of: request.sandboxID)
                list += ["--volume", "\(source):\(target):\(volume.readOnly ? "ro" : "rw")"]
            } else if volume.isNamed {
                list += ["--tmpfs", "\(target):rw,nosuid,nodev,size=\(temporaryBytes),mode=1777"]
            } else {
                list += ["--volume", try Self.bind(volume, target, paths)]
            }
        }
        if !targets.contains(Jail.workspace) {
            list += ["--volume", "\(state.workspace(request.sandboxID)):\(Jail.workspace):rw"]
        }
        return list
    }

    private static func bind(
        _ volume: ContainerProgram.Volume, _ target: String, _ paths: HostPaths
    ) throws(LaunchFailure) -> String {
        guard let share = paths.data(volume.source), let source = try? Files.realPath(volume.source),
            !source.contains(":")
        else {
            throw LaunchFailure(
                message:
                    "\(volume.source) cannot be shown in a container: it must be a file or directory that every "
                    + "user of this host may read, without a colon in its name, and not below "
                    + "\(HostPaths.alwaysHidden.joined(separator: ", ")), /tmp or the gateway's own directories."
            )
        }
        return "\(source):\(target):\(volume.readOnly || !share.isWritable ? "ro" : "rw")"
    }
}
