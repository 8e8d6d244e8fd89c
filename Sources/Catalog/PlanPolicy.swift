import Glibc
import System

/// The ways to run or reach a server of the catalog.
public enum Runtime: String, Sendable, CaseIterable {
    case pypi, npm, oci, remote

    /// What a server that runs so needs, in words.
    var needs: String {
        switch self {
        case .pypi: "packages of PyPI"
        case .npm: "packages of npm"
        case .oci: "a container engine (podman or docker)"
        case .remote: "a connection to its hosted endpoint"
        }
    }
}

/// What the operator allows and prefers when servers are planned.
public struct PlanPolicy: Sendable {
    /// Whether callers may bring commands, URLs and repositories of their own. Off unless said: only an
    /// isolated sandbox may run what a stranger sends.
    public var allowsCustomServers: Bool
    /// The first that an entry offers is taken; one that is missing here is not used.
    public var runtimes: [Runtime]
    /// What a leading `~/` in a path stands for.
    public var homeDirectory: String
    /// What sandboxes may use, and what callers may ask for.
    public var resources = ResourcePolicy()
    /// What they may reach, and what callers may ask for.
    public var network = NetworkPolicy(.host)
    /// Why no sandbox can have less than the host's network here, in words; nil: it can.
    public var networkObstacle: String?
    /// Servers run in jails of their own.
    public var isIsolated = true
    /// When servers are stopped that nobody uses.
    public var idle = IdlePolicy.ordinary
    /// Keys of servers that are not, unless their sandbox says otherwise.
    public var keepWarm: Set<String> = []

    public static let defaultRuntimes: [Runtime] = [.pypi, .npm, .oci, .remote]

    public init(
        allowsCustomServers: Bool = false, runtimes: [Runtime] = PlanPolicy.defaultRuntimes,
        homeDirectory: String = PlanPolicy.homeOfThisProcess
    ) {
        self.allowsCustomServers = allowsCustomServers
        self.runtimes = runtimes
        self.homeDirectory = homeDirectory
    }

    /// `$HOME`; the root directory where it is not set.
    public static var homeOfThisProcess: String {
        guard let home = unsafe getenv("HOME") else { return "/" }
        let path = unsafe String(cString: home)
        return path.hasPrefix("/") ? path : "/"
    }
}
