import Glibc
import System

/// How servers are kept apart.
public enum IsolationChoice: String, Sendable, CaseIterable {
    /// bubblewrap, or an error that says why it does not work. Never silently none.
    case auto
    case bubblewrap
    /// As the gateway's own user, with its own descriptors and environment, and nothing else.
    case none
}

/// What is in force.
public enum Isolation: String, Sendable {
    case bubblewrap
    case none
}

/// What the operator decides about processes and packages.
public struct WorkshopConfiguration: Sendable {
    /// Absolute, or relative to the working directory at start.
    public var stateDirectory: String
    public var isolation: IsolationChoice
    /// Anything but `host` needs root and jails: a start without them fails where it is the standard or the most, a
    /// sandbox that asks for it else.
    public var network = NetworkPolicy(.host)
    /// Where networks do not work, sandboxes get the host's, with a warning: nobody has said what they are to have.
    public var mayFallBackToHost = false
    /// False for a command that installs packages beside a running gateway: running sandboxes are not its own.
    public var ownsSandboxes = true
    /// Files and directories that no sandbox may be shown, such as the keys and the configuration. The state
    /// directory is one of them anyway.
    public var hiddenPaths: [String] = []
    /// User ids of the host for sandboxes, one each, used when the gateway is root.
    public var firstUser = SandboxLimits.firstUser
    public var users = SandboxLimits.users
    /// Binds a server to the CPU of its loop: pipes between two cores cost 2.8 times as much CPU as on one.
    /// Turn it off where single servers need more than one core.
    public var pinsServers = true
    /// Of a sandbox and a server whose launch does not say; held by control groups where this process may make
    /// them, by rlimits else.
    public var resources = ResourceLimits()
    /// Servers of this machine that start at a time.
    public var startsAtATime = WorkshopConfiguration.ordinaryStarts
    /// As many as keep all CPUs busy although each of them waits for the disk at times.
    public static let ordinaryStarts = max(8, 4 * sysconf(Int32(_SC_NPROCESSORS_ONLN)))
    /// Bytes of address space of a server; nil is no limit. Node reserves tens of gigabytes that it never uses.
    public var addressSpaceBytes: UInt64?
    public var temporaryBytes = SandboxLimits.temporaryBytes

    public init(stateDirectory: String, isolation: IsolationChoice = .auto) {
        self.stateDirectory = stateDirectory
        self.isolation = isolation
    }
}

/// Why there can be no workshop, and what to do.
public struct WorkshopFailure: Error, Sendable, CustomStringConvertible {
    public let message: String

    public init(message: String) { self.message = message }

    public var description: String { message }
}
