import Glibc
import Reactor
import System

/// The kernel interface of the loops, as the operator asks for it.
public enum PollerChoice: String, Sendable, CaseIterable {
    /// io_uring where the host lets us, epoll else: the one with the lower CPU of a call (`make bench`).
    case auto
    case epoll
    case uring = "io_uring"

    /// What `loops` loops use.
    /// - Throws: why this host does not let us use what was asked for, in words for the operator.
    public func backend(loops: Int) throws(PollerRefusal) -> Loop.Backend {
        switch self {
        case .epoll: return .epoll
        case .auto: return Self.uringRefusal(loops: loops) == nil ? .uring : .epoll
        case .uring:
            if let refusal = Self.uringRefusal(loops: loops) { throw refusal }
            return .uring
        }
    }

    /// Nil when this host lets `loops` loops use io_uring.
    public static func uringRefusal(loops: Int) -> PollerRefusal? {
        let name = Loop.Backend.uring.rawValue
        do throws(Errno) {
            try Loop.Backend.uring.check(loops: loops)
            return nil
        } catch {
            switch error.code {
            case ENOSYS, EINVAL:
                return PollerRefusal("\(name) needs Linux 6.7 or newer, and a kernel that was built with it.")
            case EPERM, EACCES:
                return PollerRefusal(
                    "\(name) is forbidden here: by the sysctl kernel.io_uring_disabled, or by the seccomp"
                        + " filter of a container.")
            case ENOMEM:
                return PollerRefusal(
                    "\(name) needs more locked memory than this user may have, some 128 KiB for each loop: raise"
                        + " RLIMIT_MEMLOCK (ulimit -l; LimitMEMLOCK= of a unit).")
            default: return PollerRefusal("\(error)")
            }
        }
    }
}

/// Why the kernel does not let the loops be as asked.
public struct PollerRefusal: Error, CustomStringConvertible {
    public let description: String

    init(_ description: String) { self.description = description }
}
