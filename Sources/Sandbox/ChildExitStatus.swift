import CEpollShim
import Glibc

/// How a process ended.
public struct ChildExitStatus: Sendable, Equatable, CustomStringConvertible {
    /// Valid when `signal` is 0.
    public let code: Int32
    public let signal: Int32
    /// The limit that it had run into before, in words.
    public var limit: String?

    public init(code: Int32, signal: Int32 = 0) {
        self.code = code
        self.signal = signal
    }

    /// - Parameter isRelayed: the exit of a jail's or warden's outer process, which tells a signal of the server
    ///   as 128 + its number, as shells do.
    init(_ exit: ce_exit, isRelayed: Bool) {
        let relayed = exit.code - 128
        if isRelayed, exit.signal == 0, relayed > 0, relayed < 65 {
            self.init(code: 0, signal: relayed)
        } else {
            self.init(code: exit.code, signal: exit.signal)
        }
    }

    public var isSuccess: Bool { code == 0 && signal == 0 }

    public var description: String {
        let end = signal == 0 ? "exit code \(code)" : "killed by \(Self.name(ofSignal: signal))"
        return limit.map { "\(end), \($0)" } ?? end
    }

    private static func name(ofSignal number: Int32) -> String {
        switch number {
        case SIGHUP: "SIGHUP"
        case SIGINT: "SIGINT"
        case SIGQUIT: "SIGQUIT"
        case SIGILL: "SIGILL"
        case SIGTRAP: "SIGTRAP"
        case SIGABRT: "SIGABRT"
        case SIGBUS: "SIGBUS"
        case SIGFPE: "SIGFPE"
        case SIGKILL: "SIGKILL"
        case SIGUSR1: "SIGUSR1"
        case SIGSEGV: "SIGSEGV"
        case SIGUSR2: "SIGUSR2"
        case SIGPIPE: "SIGPIPE"
        case SIGALRM: "SIGALRM"
        case SIGTERM: "SIGTERM"
        case SIGXCPU: "SIGXCPU"
        case SIGXFSZ: "SIGXFSZ"
        case SIGSYS: "SIGSYS"
        default: "signal \(number)"
        }
    }
}
