import CEpollShim
import Glibc
import Synchronization
import System

/// The program that resolves and installs Python packages.
enum UV {
    /// Guards the bootstrap: two installations may need it at the same time.
    private static let bootstrapping = Mutex(())

    /// An absolute path that the installing user can run: what `MCP_GATEWAY_UV` names, in PATH, or in the state
    /// directory, where it is installed when it is nowhere else.
    static func find(_ site: InstallSite) throws(LaunchFailure) -> String {
        if let named = Executable.variable("MCP_GATEWAY_UV"), !named.isEmpty {
            guard Executable.isExecutable(named) else {
                throw LaunchFailure(message: "MCP_GATEWAY_UV names \(named), which is no program.")
            }
            return try reachable(named, site)
        }
        if let found = Executable.findInOwnPath("uv"), let real = try? Files.realPath(found), isNative(real) {
            return try reachable(real, site)
        }
        return try bootstrapping.withLock { _ throws(LaunchFailure) in try bootstrap(site) }
    }

    static func variables(_ cache: String) -> [(String, String)] {
        [
            ("UV_CACHE_DIR", cache), ("UV_PYTHON_DOWNLOADS", "never"), ("UV_NO_CONFIG", "1"),
            ("UV_NO_PROGRESS", "1"),
        ]
    }

    /// False for the shims that version switchers put in PATH: they work for their own user only.
    private static func isNative(_ path: String) -> Bool {
        let file = Descriptor(owning: ce_open(path, O_RDONLY, 0))
        var head: [UInt8] = [0, 0, 0, 0]
        return file.raw >= 0 && ce_read(file.raw, &head, 4) == 4 && head == [0x7F, 0x45, 0x4C, 0x46]
    }

    /// The program itself, or a copy where the installing user can reach it.
    private static func reachable(_ path: String, _ site: InstallSite) throws(LaunchFailure) -> String {
        guard let real = try? Files.realPath(path) else { return path }
        if site.store.installer == nil || HostPaths.accessForOthers(real)?.canRead == true { return real }
        let copy = "\(site.store.state.tools)/bin/uv"
        do {
            try Files.makeDirectories(HostPaths.parent(of: copy), mode: 0o755)
            // One file of about 50 MB, linked statically.
            let bytes = try Files.read(real, limit: 512 << 20)
            try Files.writeAtomically(bytes, to: copy, mode: 0o755)
            return copy
        } catch {
            throw LaunchFailure(
                message: "uv at \(real) cannot be used by the user who installs packages: \(error).")
        }
    }

    private static func bootstrap(_ site: InstallSite) throws(LaunchFailure) -> String {
        let home = "\(site.store.state.tools)/uv"
        let program = "\(home)/bin/uv"
        if Executable.isExecutable(program) { return program }
        site.progress("installing uv")
        try? Files.makeDirectories(site.store.state.tools, mode: 0o755)
        let steps = [
            ["/usr/bin/python3", "-I", "-m", "venv", home],
            ["\(home)/bin/python", "-I", "-m", "pip", "install", "--quiet", "--only-binary", ":all:", "uv"],
        ]
        for step in steps {
            let outcome = try run(step, site)
            guard outcome.isGood else {
                try? Files.removeTree(home)
                throw LaunchFailure(
                    message:
                        "Python packages need uv, and it could not be installed: \(outcome.explanation)\n"
                        + "Install it (pip install uv) and set MCP_GATEWAY_UV to its path. On Debian, making virtual "
                        + "environments needs the package python3-venv.")
            }
        }
        guard Executable.isExecutable(program) else {
            throw LaunchFailure(message: "Python packages need uv: set MCP_GATEWAY_UV to its path.")
        }
        return program
    }

    /// As the gateway's own user: what it makes belongs to the gateway, and nobody else may change it.
    private static func run(_ command: [String], _ site: InstallSite) throws(LaunchFailure) -> ToolRun.Outcome
    {
        let plain = Starter(isolation: .none, bubblewrap: "", state: site.store.state, filter: nil)
        let pip = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_TRUSTED_HOST", "PIP_CERT"]
            .compactMap { name in Executable.variable(name).map { (name, $0) } }
        let plan = StartPlan(
            command: command,
            environment: [("PATH", Executable.systemPath), ("HOME", "/nonexistent"), ("LANG", "C.UTF-8")]
                + InstallEnvironment.variables + pip,
            jail: plain.jail(), directory: "/", mark: "install")
        do {
            return try ToolRun(name: "pip", plan: plan, seconds: SandboxLimits.installSeconds).perform(plain)
        } catch {
            throw LaunchFailure(message: "Python packages need uv, and it could not be installed: \(error).")
        }
    }
}
