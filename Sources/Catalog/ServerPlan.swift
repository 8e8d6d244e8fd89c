/// What a server needs to be started or reached: the outcome of a checked configuration.
public struct ServerPlan: Sendable, Equatable {
    /// As the caller wrote it in `mcp`; tools are prefixed with it.
    public var name: String
    /// The catalog's key; of a server that is the caller's own, its name.
    public var key: String
    public var source: Source
    public var environment: [EnvironmentVariable]
    /// Values that must never be shown, by value.
    public var secrets: [String]
    /// What it may reach, as `host:port` (`*` is any host); nil where no restriction is known.
    public var allowedHosts: [String]?
    /// Hosts that the user's own settings name, as `host:port`.
    public var configuredHosts: [String] = []
    /// Its source says that it never needs a network.
    public var noNetwork: Bool
    /// Absolute paths of the host that the caller's settings name and that the server is told of.
    public var hostPaths: [String]
    /// How it is spoken to.
    public var options: ServerOptions
    /// Seconds without use after which it is stopped until its next call; 0 is never.
    public var idleSeconds = 0

    public init(
        name: String, key: String, source: Source, environment: [EnvironmentVariable] = [],
        secrets: [String] = [], allowedHosts: [String]? = nil, noNetwork: Bool = false,
        hostPaths: [String] = [], options: ServerOptions = ServerOptions()
    ) {
        self.name = name
        self.key = key
        self.source = source
        self.environment = environment
        self.secrets = secrets
        self.allowedHosts = allowedHosts
        self.noNetwork = noNetwork
        self.hostPaths = hostPaths
        self.options = options
    }

    /// True when a server that runs under `other` may go on running under this plan. The name counts: its
    /// tools are called by it. When it may rest does not.
    public func isSameLaunch(as other: ServerPlan) -> Bool {
        var mine = self
        mine.idleSeconds = other.idleSeconds
        return mine == other
    }
}

/// One variable of a server's environment.
public struct EnvironmentVariable: Sendable, Equatable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
}

/// Where a server's program comes from, arguments filled in.
public enum Source: Sendable, Equatable {
    case pypi(PythonPackage)
    case npm(NodePackage)
    /// A command of the caller's own.
    case command([String])
    case repository(Repository)
    case oci(ContainerImage)
    case remote(RemoteEndpoint)
    /// Cannot be run by this gateway: what it needs, in words that follow "it needs".
    case unavailable(String)
}

extension ServerPlan {
    public typealias Source = Catalog.Source
}

/// A server from a Python package index.
public struct PythonPackage: Sendable, Equatable {
    public var package: String
    /// Empty: the newest.
    public var version: String
    /// The installed program; nil where it is called as the package.
    public var command: String?
    public var arguments: [String]
    /// Further bounds for its dependencies, such as `mcp<2`.
    public var constraints: [String]
    /// Versions that replace the package's own pins.
    public var overrides: [String]
    /// Such as `>=3.12`.
    public var requiresPython: String?

    public init(
        package: String, version: String, command: String? = nil, arguments: [String] = [],
        constraints: [String] = [], overrides: [String] = [], requiresPython: String? = nil
    ) {
        self.package = package
        self.version = version
        self.command = command
        self.arguments = arguments
        self.constraints = constraints
        self.overrides = overrides
        self.requiresPython = requiresPython
    }
}

/// A server from npm.
public struct NodePackage: Sendable, Equatable {
    /// A package's name, or `file:` and the path of a packed one.
    public var package: String
    /// Empty: the newest.
    public var version: String
    /// The installed program; nil where the package has only one.
    public var command: String?
    public var arguments: [String]

    public init(package: String, version: String, command: String? = nil, arguments: [String] = []) {
        self.package = package
        self.version = version
        self.command = command
        self.arguments = arguments
    }
}

/// A public repository on GitHub, as E2B's `github/<owner>/<repo>` names it.
public struct Repository: Sendable, Equatable {
    public var owner: String
    public var name: String
    /// Run once in the repository's root; words, never a text for a shell of the gateway.
    public var installCommand: [String]?
    public var runCommand: [String]

    public init(owner: String, name: String, installCommand: [String]?, runCommand: [String]) {
        self.owner = owner
        self.name = name
        self.installCommand = installCommand
        self.runCommand = runCommand
    }
}

/// A server in a container that speaks over stdio.
public struct ContainerImage: Sendable, Equatable {
    public struct Volume: Sendable, Equatable {
        public enum Kind: String, Sendable, CaseIterable {
            /// A path of the host.
            case bind
            /// A named volume.
            case volume
        }

        public var source: String
        public var target: String
        public var readOnly: Bool
        public var kind: Kind

        public init(source: String, target: String, readOnly: Bool, kind: Kind) {
            self.source = source
            self.target = target
            self.readOnly = readOnly
            self.kind = kind
        }
    }

    /// A reference; without a registry's host it is Docker Hub's, without a tag the latest.
    public var image: String
    /// Replace the image's CMD when there are any.
    public var arguments: [String]
    public var volumes: [Volume]
    public var user: String?
    public var networkNone: Bool

    public init(
        image: String, arguments: [String] = [], volumes: [Volume] = [], user: String? = nil,
        networkNone: Bool = false
    ) {
        self.image = image
        self.arguments = arguments
        self.volumes = volumes
        self.user = user
        self.networkNone = networkNone
    }
}

/// A server that somebody else hosts.
public struct RemoteEndpoint: Sendable, Equatable {
    public enum Transport: String, Sendable, CaseIterable {
        case streamableHTTP = "streamable-http"
        case sse
    }

    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public var transport: Transport
    /// May carry a token: never logged.
    public var url: String
    public var headers: [Header]
    /// Whose authorization flow gives the token that the caller has not brought; nil when none is needed.
    public var needsOAuth: String?

    public init(transport: Transport, url: String, headers: [Header] = [], needsOAuth: String? = nil) {
        self.transport = transport
        self.url = url
        self.headers = headers
        self.needsOAuth = needsOAuth
    }
}
