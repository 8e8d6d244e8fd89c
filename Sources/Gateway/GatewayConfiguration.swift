import Sandbox
import System
import TLS

/// Everything that the operator decides, after flags, environment, file and defaults have been laid over one
/// another (flag > environment > file > default).
public struct GatewayConfiguration: Sendable {
    /// A numeric address and a port to listen at.
    public struct Address: Sendable, Equatable, CustomStringConvertible {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    /// A key of the control API and the name that owns what it creates.
    public struct APIKey: Sendable, Equatable {
        public var name: String
        public var key: String

        public init(name: String, key: String) {
            self.name = name
            self.key = key
        }
    }

    /// Numbers of `Limits` that an operator may set.
    public struct AdjustableLimits: Sendable, Equatable {
        /// Bytes of one request body.
        public var requestBodyBytes = Limits.requestBodyBytes
        /// Seconds an idle keep-alive connection is kept.
        public var idleSeconds = Limits.idleSeconds
        /// Seconds a call may take without an answer or progress.
        public var callSeconds = Limits.callSeconds
        /// Sandboxes of one API key, and of the whole gateway.
        public var sandboxesPerKey = ControlLimits().sandboxesPerKey
        public var sandboxes = ControlLimits().sandboxes
        /// Servers that start at a time, as of the start of the gateway; 0 is a number that suits its CPUs.
        public var serverStarts = 0
        /// Seconds from now that a sandbox's timeout may be set to at the most.
        public var timeoutSeconds = ControlLimits().timeoutSeconds

        public init() {}
    }

    /// Certificate chain and private key, PEM files.
    public struct Certificate: Sendable, Equatable {
        public var certificateFile: String
        public var keyFile: String

        public init(certificateFile: String, keyFile: String) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    public var listen = [Address(host: "127.0.0.1", port: 8080)]
    /// Nil: no admin listener.
    public var adminListen: Address? = Address(host: "127.0.0.1", port: 9090)
    /// Scheme, host and port under which clients reach the gateway; nil: the first listener's.
    public var publicURL: String?
    /// The SDKs form `https://50005-<id>.<domain>`; may carry a port. Empty: `localhost` with the first
    /// listener's port.
    public var domain = ""
    /// Event loops; 0 is one per core.
    public var workers = 0
    /// The kernel interface of the loops.
    public var poller = PollerChoice.auto
    public var stateDirectory = "/var/lib/mcp-gateway"
    public var isolation = IsolationChoice.auto
    /// Nil: `proxy` where sandboxes can have networks of their own, `host` elsewhere.
    public var network: NetworkPolicy?
    public var apiKeys: [APIKey] = []
    public var certificates: [Certificate] = []
    /// Web origins that browsers may call from, besides this machine's; `*` is any.
    public var allowedOrigins: [String] = []
    /// Names under which a reverse proxy or DNS leads here, for listeners on loopback.
    public var allowedHosts: [String] = []
    /// Hosts of remote servers (`host` or `host:port`) that may be at loopback and private addresses.
    public var allowedPrivateRemotes: [String] = []
    /// What the servers of every sandbox may reach where the network is `listed` or `proxy`.
    public var egressHosts: [HostPattern] = []
    /// Which of the private hosts that a sandbox's configuration names its servers may reach.
    public var allowedPrivateHosts = PrivateHosts()
    /// Whether callers may bring servers of their own; nil: only where isolation is not `none`.
    public var allowsCustomServers: Bool?
    public var limits = AdjustableLimits()
    /// What sandboxes and their servers may use.
    public var resources = ResourcePolicy()
    /// When servers are stopped that nobody uses, and keys of servers that are not.
    public var idle = IdlePolicy.ordinary
    public var keepWarm: Set<String> = []
    /// Files of the operator that no sandbox may be shown: configuration, API keys, private keys.
    public var hiddenPaths: [String] = []

    public init() {}
}

extension GatewayConfiguration.Certificate {
    var files: CertificateFiles { CertificateFiles(chain: certificateFile, key: keyFile) }
}

extension GatewayConfiguration {
    var listensOnLoopbackAlone: Bool {
        listen.allSatisfy { address in
            ["localhost", "::1", "[::1]"].contains(address.host) || address.host.hasPrefix("127.")
        }
    }

    /// Without a slash at its end. When none is configured, where the first listener is reached from this
    /// machine.
    var effectivePublicURL: String {
        if let publicURL { return publicURL.hasSuffix("/") ? String(publicURL.dropLast()) : publicURL }
        guard let first = listen.first else { return "http://127.0.0.1" }
        let isAny = ["0.0.0.0", "::", "[::]"].contains(first.host)
        return
            "\(certificates.isEmpty ? "http" : "https")://\(Address(host: isAny ? "127.0.0.1" : first.host, port: first.port))"
    }

    /// What sandboxes' host names end in. Names under `localhost` lead to this machine (RFC 6761 §6.3).
    var effectiveDomain: String {
        domain.isEmpty ? "localhost:\(listen.first?.port ?? 80)" : domain
    }
}
