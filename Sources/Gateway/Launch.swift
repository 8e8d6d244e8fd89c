import Catalog
import Sandbox
import System

/// What all servers of a sandbox have in common when they start.
struct LaunchContext: Sendable {
    let sandboxID: String
    /// `envVars` of the create, for every server, and what of it must never be shown.
    let environment: [(String, String)]
    let secrets: [String]
    /// The core of the sandbox's loop: pipes between two cores cost 2.8 times the CPU.
    let cpu: Int?
    /// Where its own endpoint is for its programs, and the token for it.
    var mcpToken: String
    let mcpURL: String
    /// Of the servers that start from now on; those of the whole sandbox are its first server's.
    var resources: ResourceLimits
    let network: NetworkChoice
    /// There is an HTTP proxy in its network.
    var usesProxy = false

    /// - Parameter isOffline: of a server that finds no proxy.
    func variables(isOffline: Bool) -> [(String, String)] {
        environment + [("E2B_MCP_TOKEN", mcpToken), ("E2B_MCP_URL", mcpURL)]
            + (usesProxy && !isOffline ? Self.proxy : [])
    }

    /// In both spellings, as programs read the one or the other; Node reads them when it is told to.
    static let proxy: [(String, String)] = {
        let url = "http://127.0.0.1:\(Limits.insideProxyPort)"
        let direct = "localhost,127.0.0.0/8,127.0.0.1,::1"
        return [("HTTP_PROXY", url), ("HTTPS_PROXY", url), ("NO_PROXY", direct)].flatMap { name, value in
            [(name, value), (name.lowercased(), value)]
        } + [("NODE_USE_ENV_PROXY", "1")]
    }()
}

/// Turns a plan of the catalog into a request to the workshop.
public enum Launch {
    static func workshop(_ configuration: GatewayConfiguration) throws(WorkshopFailure) -> Workshop {
        var workshop = WorkshopConfiguration(
            stateDirectory: configuration.stateDirectory, isolation: configuration.isolation)
        workshop.hiddenPaths = configuration.hiddenPaths
        workshop.network = configuration.network ?? NetworkPolicy(.proxy)
        workshop.mayFallBackToHost = configuration.network == nil
        workshop.resources = configuration.resources.standard
        if configuration.limits.serverStarts > 0 {
            workshop.startsAtATime = configuration.limits.serverStarts
        }
        return try Workshop(workshop)
    }

    /// Starts the process of `plan` on the workshop's threads. `progress` gets lines of an installation that is
    /// under way, `installed` tells that the package is there, `done` how it ended; all run on a thread of the
    /// workshop, or at once for what cannot be started.
    static func begin(
        plan: ServerPlan, sandbox: LaunchContext, withOldSDK: Bool, shared: Shared, token: LaunchToken,
        progress: @escaping @Sendable (String) -> Void, installed: @escaping @Sendable () -> Void,
        done: @escaping @Sendable (Result<SpawnedChild, LaunchFailure>) -> Void
    ) {
        guard let (program, arguments) = program(plan.source, withOldSDK: withOldSDK) else {
            return done(.failure(unavailable(plan)))
        }
        // The plan's own settings win over variables that are for all servers.
        let own = Set(plan.environment.map(\.name))
        let environment =
            sandbox.variables(isOffline: plan.options.isOffline).filter { !own.contains($0.0) }
            + plan.environment.map { ($0.name, $0.value) }
        var request = LaunchRequest(
            program: program, arguments: arguments, environment: environment, sandboxID: sandbox.sandboxID,
            serverName: plan.name, cpu: sandbox.cpu)
        request.paths = plan.hostPaths
        request.resources = sandbox.resources.with(plan.options.limits)
        request.network = sandbox.network
        request.isOffline = plan.options.isOffline
        request.hidesArguments = arguments.contains { argument in
            plan.secrets.contains { argument.contains($0) }
        }
        shared.workshop.launch(request, token: token, progress: progress, installed: installed, done: done)
    }

    /// The program that a plan runs, and its arguments; nil when it runs nothing here.
    public static func program(
        _ source: ServerPlan.Source, withOldSDK: Bool
    ) -> (LaunchRequest.Program, [String])? {
        switch source {
        case .pypi(let package):
            let program = PythonProgram(
                package: package.package, version: package.version, command: package.command,
                constraints: package.constraints, overrides: package.overrides,
                requiresPython: package.requiresPython, withOldSDK: withOldSDK)
            return (.pypi(program), package.arguments)
        case .npm(let package):
            let program = NodeProgram(
                package: package.package, version: package.version, command: package.command)
            return (.npm(program), package.arguments)
        case .command(let words): return (.command(words), [])
        case .repository(let repository):
            let program = RepositoryProgram(
                owner: repository.owner, name: repository.name, installCommand: repository.installCommand,
                runCommand: repository.runCommand)
            return (.repository(program), [])
        case .oci(let image):
            let volumes = image.volumes.map {
                ContainerProgram.Volume(
                    source: $0.source, target: $0.target, readOnly: $0.readOnly, isNamed: $0.kind == .volume)
            }
            let program = ContainerProgram(
                image: image.image, volumes: volumes, user: image.user, networkNone: image.networkNone)
            return (.oci(program), image.arguments)
        case .remote, .unavailable: return nil
        }
    }

    /// What a server needs that this gateway does not have.
    private static func unavailable(_ plan: ServerPlan) -> LaunchFailure {
        switch plan.source {
        case .remote(let endpoint):
            if let provider = endpoint.needsOAuth {
                return LaunchFailure(
                    message: "\(plan.name) needs an OAuth token of \(provider) for \(endpoint.url).",
                    needsAuth: true)
            }
            return LaunchFailure(message: "\(plan.name) needs its remote endpoint \(endpoint.url).")
        case .unavailable(let needs): return LaunchFailure(message: "\(plan.name) needs \(needs).")
        case .pypi, .npm, .command, .repository, .oci:
            return LaunchFailure(message: "\(plan.name) cannot be started.")
        }
    }

    /// A line of stderr as servers write it that were made for version 1 of the Python SDK and found version 2.
    static func namesOldSDK(_ line: String) -> Bool {
        guard line.contains("Error") else { return false }
        return line.contains("'mcp") || line.contains("mcp.server") || line.contains("mcp.types")
    }
}
