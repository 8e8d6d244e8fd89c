import Catalog
import System
import Wire

/// What the control API is told by its operator.
public struct ControlConfiguration: Sendable {
    /// Checks a whole `mcp` object before anything starts.
    public typealias Check = @Sendable (JSONValue) -> Result<CheckedServers, ConfigurationErrors>

    public var keys: APIKeys
    /// Scheme, host and port under which clients reach the public listener, without a slash at its end.
    public var publicURL: String
    /// What the SDK builds `https://PORT-ID.DOMAIN` from; may carry a port. Nil leaves it to the SDK's own.
    public var domain: String?
    /// Names this gateway in `clientID`.
    public var nodeName = "local"
    public var check: Check
    public var limits = ControlLimits()
    /// Of sandboxes whose creators say nothing.
    public var network = NetworkChoice.host
    /// Why no sandbox can have less than the host's network here; nil: it can.
    public var networkObstacle: String?
    /// Told of every sandbox that begins and ends, on the control thread. Never carries a secret.
    public var observe: @Sendable (ControlEvent) -> Void = { _ in }

    /// The version of E2B's in-sandbox daemon whose interface is spoken: from 0.5.7 on the SDKs upload by
    /// octet stream, before 0.1.0 they refuse the sandbox.
    public static let envdVersion = "0.6.7"

    public init(keys: APIKeys, publicURL: String, domain: String?, check: @escaping Check) {
        self.keys = keys
        self.publicURL = publicURL
        self.domain = domain
        self.check = check
    }
}

/// A configuration that passed: what to start, and how its tools are named.
public struct CheckedServers: Sendable {
    public var plans: [ServerPlan]
    public var options: GatewayOptions

    public init(plans: [ServerPlan], options: GatewayOptions) {
        self.plans = plans
        self.options = options
    }
}

extension ConfigurationErrors {
    /// The mistakes as one message, each of which names its server and property.
    var message: String {
        let shown = mistakes.prefix(ControlLimits.mistakesShown).map(\.message).joined(separator: "; ")
        let rest = mistakes.count - ControlLimits.mistakesShown
        return rest > 0 ? "\(shown); and \(rest) more" : shown
    }
}

/// A sandbox's beginning or end, for logs and counters.
public enum ControlEvent: Sendable, Equatable {
    public enum Cause: String, Sendable { case killed, expired, shutdown }
    case created(id: String, owner: String, servers: Int)
    case ended(id: String, owner: String, cause: Cause)
}

/// The control thread's clocks; a test steps its own.
public struct ControlClock: Sendable {
    public var now: @Sendable () -> Instant
    public var unixMilliseconds: @Sendable () -> Int

    public init(now: @escaping @Sendable () -> Instant, unixMilliseconds: @escaping @Sendable () -> Int) {
        self.now = now
        self.unixMilliseconds = unixMilliseconds
    }

    public static let system = ControlClock(
        now: { Instant.now() }, unixMilliseconds: { WallClock.unixMilliseconds() })
}
