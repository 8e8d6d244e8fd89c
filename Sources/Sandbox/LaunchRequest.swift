import System

/// A server to start: what it is, with what, and for whom.
public struct LaunchRequest: Sendable {
    public enum Program: Sendable, Equatable {
        case pypi(PythonProgram)
        case npm(NodeProgram)
        /// A custom server: the program, by an absolute path or a name in PATH, and its own arguments.
        case command([String])
        case repository(RepositoryProgram)
        case oci(ContainerProgram)
    }

    public var program: Program
    /// Follow the program's own.
    public var arguments: [String]
    /// There is a secret among them, so that they must not be in a command line.
    public var hidesArguments = false
    public var environment: [(String, String)]
    public var sandboxID: String
    /// For messages.
    public var serverName: String
    /// The CPU of the loop that reads its pipes, when the loop has one of its own.
    public var cpu: Int?
    /// Paths of the host that the server is to see at the same place, besides those in its arguments. What may
    /// not be shown is left out.
    public var paths: [String] = []
    /// Nil: those of the workshop.
    public var resources: ResourceLimits?
    /// Anything but `host` is a network of the sandbox's own. Never more than the workshop's configuration says.
    public var network = NetworkChoice.host
    /// It reaches nothing at all, its sandbox's endpoint and other servers included.
    public var isOffline = false

    public init(
        program: Program, arguments: [String], environment: [(String, String)], sandboxID: String,
        serverName: String, cpu: Int?
    ) {
        self.program = program
        self.arguments = arguments
        self.environment = environment
        self.sandboxID = sandboxID
        self.serverName = serverName
        self.cpu = cpu
    }
}

/// A package of the Python Package Index.
public struct PythonProgram: Sendable, Equatable {
    public var package: String
    public var version: String
    /// The console script to run; nil: the package's own.
    public var command: String?
    /// Requirements that limit versions without asking for the packages, such as `mcp<2`.
    public var constraints: [String]
    /// Requirements that replace those that packages declare.
    public var overrides: [String]
    /// Such as `>=3.12`.
    public var requiresPython: String?
    /// Adds the constraint `mcp<2`: servers made for version 1 of the SDK often do not say so.
    public var withOldSDK: Bool

    public init(
        package: String, version: String, command: String? = nil, constraints: [String] = [],
        overrides: [String] = [], requiresPython: String? = nil, withOldSDK: Bool = false
    ) {
        self.package = package
        self.version = version
        self.command = command
        self.constraints = constraints
        self.overrides = overrides
        self.requiresPython = requiresPython
        self.withOldSDK = withOldSDK
    }
}

/// A package of npm's registry, or `file:/path/to/package.tgz`.
public struct NodeProgram: Sendable, Equatable {
    public var package: String
    public var version: String
    /// The entry of the package's `bin` to run; nil: its only one, or the one named as the package.
    public var command: String?

    public init(package: String, version: String, command: String? = nil) {
        self.package = package
        self.version = version
        self.command = command
    }
}

/// A repository of GitHub that is installed and run by commands of the caller, without a shell.
public struct RepositoryProgram: Sendable, Equatable {
    public var owner: String
    public var name: String
    public var installCommand: [String]?
    public var runCommand: [String]

    public init(owner: String, name: String, installCommand: [String]?, runCommand: [String]) {
        self.owner = owner
        self.name = name
        self.installCommand = installCommand
        self.runCommand = runCommand
    }
}

/// A container image that speaks over stdio.
public struct ContainerProgram: Sendable, Equatable {
    public struct Volume: Sendable, Equatable {
        /// A path of the host; of a named volume, its name.
        public var source: String
        public var target: String
        public var readOnly: Bool
        /// Storage of the server's own, which here lasts as long as its process.
        public var isNamed: Bool

        public init(source: String, target: String, readOnly: Bool, isNamed: Bool) {
            self.source = source
            self.target = target
            self.readOnly = readOnly
            self.isNamed = isNamed
        }
    }

    /// A reference; without a registry's host it is Docker Hub's, without a tag the latest.
    public var image: String
    public var volumes: [Volume]
    /// Nil: the image's own, or the sandbox's where that would be root.
    public var user: String?
    public var networkNone: Bool

    public init(
        image: String, volumes: [Volume] = [], user: String? = nil, networkNone: Bool = false
    ) {
        self.image = image
        self.volumes = volumes
        self.user = user
        self.networkNone = networkNone
    }
}

/// Why a server did not start, in words for its owner.
public struct LaunchFailure: Error, Sendable, Equatable, CustomStringConvertible {
    public var message: String
    /// Someone has to sign in first.
    public var needsAuth: Bool

    public init(message: String, needsAuth: Bool = false) {
        self.message = message
        self.needsAuth = needsAuth
    }

    public var description: String { message }
}
