import CEpollShim
import Glibc
import Synchronization
import System
import Telemetry

/// The program that runs container images here: podman, or docker where its daemon answers. Both are told what to
/// do by the same words, with a few that only one of them knows.
struct ContainerEngine: Sendable, Equatable {
    enum Kind: String, Sendable, CaseIterable {
        case podman
        case docker
    }

    var kind: Kind
    /// Absolute path.
    var path: String
    var version: String
    /// What podman starts containers with, `runc` or `crun`, and where that is; empty with docker.
    var runtime = ""
    var runtimePath = ""
    /// Who is root in a container, and has no namespace of its own, is root on the host.
    var rootIsHosts = false
    /// An image can have a single user: nobody has given the gateway's, who is not root, ids for more.
    var hasOneUser = false

    /// Containers carry it with the state directory's tag as its value.
    static let stateLabel = "mcp-gateway.state"
    static let sandboxLabel = "mcp-gateway.sandbox"

    // MARK: Finding it

    /// The first that works, tried by asking it: a program in PATH may have no daemon, or nothing to run
    /// containers with.
    static func find(_ starter: Starter) throws(LaunchFailure) -> ContainerEngine {
        var reasons: [String] = []
        for kind in Kind.allCases {
            guard let path = Executable.findInOwnPath(kind.rawValue) else {
                reasons.append("\(kind.rawValue) is not installed")
                continue
            }
            let question =
                switch kind {
                case .podman:
                    [
                        "info", "--format",
                        "{{.Version.Version}} {{.Host.OCIRuntime.Name}} {{.Host.OCIRuntime.Path}} "
                            + "{{len .Host.IDMappings.UIDMap}}",
                    ]
                case .docker: ["version", "--format", "{{.Server.Version}}"]
                }
            let unknown = ContainerEngine(kind: kind, path: path, version: "")
            let outcome = try unknown.ask(question, starter)
            let words = outcome.lines.last?.split(separator: " ").map { String($0) } ?? []
            if outcome.status.isSuccess, let version = words.first {
                var engine = ContainerEngine(
                    kind: kind, path: path, version: version, runtime: words.count > 1 ? words[1] : "",
                    runtimePath: words.count > 2 ? words[2] : "")
                engine.hasOneUser = words.count > 3 && words[3] == "1"
                if kind == .docker { engine.rootIsHosts = try !engine.isRootless(starter) }
                return engine
            }
            reasons.append("\(path) does not work: \(outcome.lines.last ?? outcome.explanation)")
        }
        throw LaunchFailure(
            message:
                "needs a container engine, and there is none: \(reasons.joined(separator: "; ")). \(remedy)")
    }

    private func isRootless(_ starter: Starter) throws(LaunchFailure) -> Bool {
        let outcome = try ask(["info", "--format", "{{.SecurityOptions}}"], starter)
        return outcome.lines.contains { $0.contains("name=rootless") || $0.contains("name=userns") }
    }

    static var remedy: String {
        let docker = "or start docker: systemctl start docker."
        return geteuid() == 0
            ? "Debian: apt-get install podman runc; \(docker)"
            : "Debian: apt-get install podman runc uidmap fuse-overlayfs, and \(moreUsers); \(docker)"
    }

    /// What gives a user who is not root ids for those of images.
    static let moreUsers =
        "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER, then as USER: podman system "
        + "migrate"

    /// Runs it to its end, beside the jails: an engine makes its own.
    func ask(
        _ arguments: [String], _ starter: Starter, seconds: Int = SandboxLimits.questionSeconds,
        progress: (@Sendable (String) -> Void)? = nil
    ) throws(LaunchFailure) -> ToolRun.Outcome {
        try Self.run([path] + arguments, starter, seconds: seconds, progress: progress)
    }

    private static func run(
        _ command: [String], _ starter: Starter, seconds: Int = SandboxLimits.questionSeconds,
        progress: (@Sendable (String) -> Void)? = nil
    ) throws(LaunchFailure) -> ToolRun.Outcome {
        var plan = StartPlan(
            command: command, environment: environment, jail: starter.jail(), directory: "/", mark: "engine")
        plan.engine = EngineStart()
        let name = command.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        do {
            return try ToolRun(name: name, plan: plan, seconds: seconds, progress: progress).perform(starter)
        } catch {
            throw LaunchFailure(message: "\(name) could not be run: \(error).")
        }
    }

    /// The gateway's own variables that engines are configured by, and nothing of a server's.
    static var environment: [(String, String)] {
        let names = [
            "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS",
            "TMPDIR",
            "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF", "REGISTRY_AUTH_FILE",
            "DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY",
            "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
            "SSL_CERT_FILE", "SSL_CERT_DIR",
        ]
        let path = Executable.variable("PATH").map { "\($0):" } ?? ""
        return [("PATH", path + Executable.systemPath)]
            + names.compactMap { name in Executable.variable(name).map { (name, $0) } }
    }

    // MARK: What an earlier gateway left

    /// Written before the first container, so that a later gateway knows whom to ask.
    func leaveMark(_ state: StateDirectory) throws(Errno) {
        let bytes = Array("\(kind.rawValue)\n\(path)\n\(runtimePath)\n".utf8)
        if let now = try? Files.read(state.engineMark, limit: SandboxLimits.smallFileBytes), now == bytes {
            return
        }
        try Files.writeAtomically(bytes, to: state.engineMark, mode: 0o600)
    }

    /// Removes every container of this state directory: those of a gateway that was killed together with what
    /// stood around them. Nothing is asked where none was ever started.
    static func sweep(_ state: StateDirectory, _ starter: Starter) {
        guard let bytes = try? Files.read(state.engineMark, limit: SandboxLimits.smallFileBytes) else {
            return
        }
        let lines = String(decoding: bytes, as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false).map { String($0) }
        guard lines.count >= 3, let kind = Kind(rawValue: lines[0]) else { return }
        if kind == .docker { Workspace.concealAll(state) }
        let engine = ContainerEngine(kind: kind, path: lines[1], version: "", runtimePath: lines[2])
        do throws(LaunchFailure) {
            let removed = try engine.removeAll(state.tag, starter)
            if removed > 0 { Log.info("removed containers of an earlier gateway", ["containers": removed]) }
            unlink(state.engineMark)
        } catch {
            Log.error("containers of an earlier gateway stay behind", ["reason": error.message])
        }
    }

    /// Whether its command is a client of a daemon, which has the containers in control groups and a view of the host of
    /// its own.
    var isClient: Bool { kind == .docker }

    private func removeAll(_ tag: String, _ starter: Starter) throws(LaunchFailure) -> Int {
        let filter = "label=\(Self.stateLabel)=\(tag)"
        let list = ["ps", "--all", "--quiet", "--no-trunc", "--filter", filter]
        var first: Int?
        // The first round may find out no more than that a container's own guard is gone.
        for _ in 0..<SandboxLimits.containerRemovals {
            let found = try ask(list, starter)
            guard found.status.isSuccess else { throw LaunchFailure(message: found.explanation) }
            let ids = found.lines.filter { $0.utf8.allSatisfy { byte in byte != UInt8(ascii: " ") } }
            first = first ?? ids.count
            if ids.isEmpty { return first ?? 0 }
            _ = try ask(removal(ids), starter)
            // podman leaves what its runtime keeps of a container whose guard was killed first.
            for id in ids where !runtimePath.isEmpty {
                _ = try Self.run([runtimePath, "delete", "--force", id], starter)
            }
        }
        throw LaunchFailure(message: "\(kind.rawValue) does not remove them")
    }

    /// The arguments that remove containers, running or not; none of them need be there.
    func removal(_ names: [String]) -> [String] {
        switch kind {
        case .podman: ["rm", "--force", "--ignore", "--time", "0", "--volumes"] + names
        case .docker: ["rm", "--force", "--volumes"] + names
        }
    }
}

/// The engine of this gateway, found when the first image is asked for. One that does not work is tried again.
final class EngineFinder: Sendable {
    private let found = Mutex<ContainerEngine?>(nil)

    func engine(_ starter: Starter, _ title: String) throws(LaunchFailure) -> ContainerEngine {
        if let engine = found.withLock({ $0 }) { return engine }
        do throws(LaunchFailure) {
            let engine = try ContainerEngine.find(starter)
            found.withLock { $0 = engine }
            Log.info("container engine", ["engine": engine.path, "version": engine.version])
            return engine
        } catch {
            throw LaunchFailure(message: "\(title) \(error.message)")
        }
    }
}
