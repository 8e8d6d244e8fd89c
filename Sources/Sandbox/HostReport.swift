import CEpollShim
import Glibc
import System

/// What this host can and cannot do for the gateway, and what to install or change.
public struct HostReport: Sendable {
    public struct Check: Sendable, Equatable {
        public var name: String
        public var ok: Bool
        /// What was found.
        public var detail: String
        /// What to do when it is not right, or to gain something.
        public var remedy: String?

        public init(name: String, ok: Bool, detail: String, remedy: String? = nil) {
            self.name = name
            self.ok = ok
            self.detail = detail
            self.remedy = remedy
        }
    }

    public static func examine(stateDirectory: String) -> [Check] {
        [
            kernel, userNamespaces, bubblewrap(stateDirectory), systemCalls,
            cgroup(stateDirectory), workspaces, networks, descriptorLimit,
            directory(stateDirectory), python,
            tool("uv", for: "servers from PyPI", remedy: "It is installed on first use; or pip install uv."),
            tool("npm", for: "servers from npm", remedy: "Debian: apt-get install npm."),
            tool("git", for: "servers from GitHub", remedy: "Debian: apt-get install git."),
            containerEngine(stateDirectory),
        ]
    }

    // MARK: Kernel

    private static var kernel: Check {
        // pidfds in waitid (5.4), close_range (5.9).
        let ok = KernelRelease.current.map { $0 >= KernelRelease(major: 5, minor: 9) } ?? false
        return Check(
            name: "kernel", ok: ok, detail: "Linux \(KernelRelease.text)",
            remedy: ok
                ? nil : "Linux 5.9 or newer is needed. Debian: apt-get install linux-image-amd64, and reboot."
        )
    }

    private static var userNamespaces: Check {
        let name = "user namespaces"
        if number("/proc/sys/user/max_user_namespaces") == 0 {
            return Check(
                name: name, ok: false, detail: "the kernel allows no user namespace",
                remedy: "sysctl -w user.max_user_namespaces=10000")
        }
        if number("/proc/sys/kernel/unprivileged_userns_clone") == 0 {
            return Check(
                name: name, ok: false, detail: "users other than root may not make a user namespace",
                remedy: "sysctl -w kernel.unprivileged_userns_clone=1")
        }
        if number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 {
            return Check(
                name: name, ok: true,
                detail: "namespaces are restricted by AppArmor to programs with a profile",
                remedy:
                    "If bubblewrap fails: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or install "
                    + "a profile for bwrap.")
        }
        return Check(name: name, ok: true, detail: "every user may make a namespace")
    }

    private static func number(_ path: String) -> Int? {
        guard let bytes = try? Files.read(path, limit: 64) else { return nil }
        return Int(String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace })
    }

    private static func bubblewrap(_ stateDirectory: String) -> Check {
        var configuration = WorkshopConfiguration(stateDirectory: stateDirectory, isolation: .bubblewrap)
        configuration.ownsSandboxes = false
        do {
            let workshop = try Workshop(configuration)
            let users = workshop.users == nil ? "as this user" : "each sandbox under a host user of its own"
            return Check(
                name: "bubblewrap", ok: true, detail: "\(workshop.starter.bubblewrap) makes jails, \(users)")
        } catch {
            return Check(
                name: "bubblewrap", ok: false, detail: error.message,
                remedy: "Debian: apt-get install bubblewrap; and see the user namespaces above.")
        }
    }

    /// By making groups, since a controller that is mounted may be one that this process may not use.
    private static func cgroup(_ stateDirectory: String) -> Check {
        let name = "cgroup limits"
        let tag = (try? StateDirectory(stateDirectory).tag).map { "\($0)-doctor" } ?? "doctor"
        let groups = ControlGroups(GroupMounts.find(tag: tag))
        defer { groups?.removeAll() }
        var works: [String] = []
        do {
            if let groups {
                try groups.make(sandbox: "doctor", ResourceLimits()).remove()
                for hierarchy in groups.hierarchies where !hierarchy.controllers.isEmpty {
                    works += hierarchy.controllers.map {
                        "\($0.rawValue) (v\(hierarchy.isUnified ? 2 : 1))"
                    }
                }
            }
        } catch {
            return Check(name: name, ok: false, detail: "\(error)", remedy: Self.groupRemedy)
        }
        let missing = GroupController.limiting.filter { groups?.controllers.contains($0) != true }
        if missing.isEmpty {
            return Check(name: name, ok: true, detail: works.sorted().joined(separator: ", "))
        }
        let names = missing.map(\.rawValue).joined(separator: ", ")
        let rest =
            missing.contains(.pids) && HeldJail.isPossible
            ? "; the number of a server's processes is limited without" : ""
        return Check(
            name: name, ok: false, detail: "no limit of \(names) for groups of processes\(rest)",
            remedy: Self.groupRemedy)
    }

    private static var groupRemedy: String {
        let start =
            geteuid() == 0
            ? "systemd-run -p Delegate=yes mcp-gateway serve"
            : "run as root; or as this user: systemd-run --user -p Delegate=yes mcp-gateway serve"
        return
            "A server may take what the machine has. \(start); or Delegate=yes in the unit; in a container, give "
            + "it a writable cgroup: docker run --privileged --cgroupns=private."
    }

    /// A file system of a size of its own for each sandbox needs the right to mount it.
    private static var workspaces: Check {
        let name = "workspaces"
        guard geteuid() == 0 else {
            return Check(
                name: name, ok: false,
                detail:
                    "without root, /workspace has no size limit: a sandbox may fill the disk of the state directory",
                remedy:
                    "Run the gateway as root: sudo mcp-gateway serve; or give --state-dir a file system of its own."
            )
        }
        return Check(name: name, ok: true, detail: "each sandbox's /workspace has a size, sandbox-disk")
    }

    private static var systemCalls: Check {
        let name = "system call filter"
        do {
            _ = try SystemCallFilter()
            return Check(name: name, ok: true, detail: "libseccomp compiles the list of a jail")
        } catch {
            return Check(
                name: name, ok: false, detail: "\(error)",
                remedy: "The kernel must have CONFIG_SECCOMP_FILTER; Debian's has.")
        }
    }

    private static var descriptorLimit: Check {
        var soft: UInt64 = 0
        var hard: UInt64 = 0
        _ = ce_get_limit(Int32(RLIMIT_NOFILE.rawValue), &soft, &hard)
        let ok = soft >= 4096
        return Check(
            name: "file descriptors", ok: ok,
            detail: "\(soft) descriptors now, \(hard) at the most; a connection takes 1, a server 5",
            remedy: soft >= 65536 ? nil : "ulimit -n 65536, or LimitNOFILE=65536 in the unit.")
    }

    /// Whether sandboxes may have networks of their own.
    private static var networks: Check {
        let name = "networks of sandboxes"
        do {
            let report = try SandboxNetworks.tryOut()
            return Check(name: name, ok: true, detail: report)
        } catch {
            return Check(
                name: name, ok: false, detail: "network: none, listed and proxy do not work here: \(error)",
                remedy:
                    "Run the gateway as root: sudo mcp-gateway serve; or with AmbientCapabilities=CAP_SYS_ADMIN in "
                    + "the unit; in a container, both with a seccomp profile that allows unshare and setns: "
                    + "docker run --security-opt seccomp=unconfined. network: host needs nothing.")
        }
    }

    // MARK: Places and tools

    private static func directory(_ path: String) -> Check {
        do {
            let state = try StateDirectory(path)
            if geteuid() == 0, let obstacle = state.obstacle {
                return Check(
                    name: "state directory", ok: false, detail: "users of sandboxes cannot pass \(obstacle)",
                    remedy: "chmod o+x \(obstacle)")
            }
            return Check(name: "state directory", ok: true, detail: state.path)
        } catch {
            return Check(
                name: "state directory", ok: false, detail: "\(error)",
                remedy: "Choose another with --state-dir.")
        }
    }

    private static var python: Check {
        let found = Executable.find("python3")
        let hasVenv = (try? Files.list("/usr/lib"))?.contains { name in
            name.hasPrefix("python3.") && Files.exists("/usr/lib/\(name)/ensurepip/__init__.py")
        }
        guard let found else {
            return Check(
                name: "python3", ok: false, detail: "not in /usr: servers from PyPI cannot run",
                remedy: "Debian: apt-get install python3 python3-venv.")
        }
        return Check(
            name: "python3", ok: true, detail: found,
            remedy: hasVenv == true ? nil : "Debian: apt-get install python3-venv, if uv is not installed.")
    }

    private static func tool(_ name: String, for use: String, remedy: String) -> Check {
        if let found = Executable.findInOwnPath(name) { return Check(name: name, ok: true, detail: found) }
        return Check(name: name, ok: false, detail: "not installed; it is needed for \(use)", remedy: remedy)
    }

    /// By asking it: a program in PATH may have no daemon.
    private static func containerEngine(_ stateDirectory: String) -> Check {
        let name = "container engine"
        do {
            let state = try StateDirectory(stateDirectory)
            let starter = Starter(isolation: .none, bubblewrap: "", state: state, filter: nil)
            let engine = try ContainerEngine.find(starter)
            let runtime = engine.runtime.isEmpty ? "" : " with \(engine.runtime)"
            let found = "\(engine.path), \(engine.kind.rawValue) \(engine.version)\(runtime)"
            guard !engine.hasOneUser else {
                return Check(
                    name: name, ok: false,
                    detail: "\(found); an image can have a single user, and most have more",
                    remedy: "Debian: apt-get install uidmap; \(ContainerEngine.moreUsers).")
            }
            guard engine.isClient, geteuid() == 0 else { return Check(name: name, ok: true, detail: found) }
            return Check(
                name: name, ok: true,
                detail:
                    "\(found), for sandboxes with network: none or host; it cannot join those of sandboxes",
                remedy: "Debian: apt-get install podman runc.")
        } catch {
            let reason = (error as? LaunchFailure)?.message ?? "\(error)"
            return Check(
                name: name, ok: false, detail: "servers that are images cannot run: it \(reason)",
                remedy: ContainerEngine.remedy)
        }
    }
}
