import Glibc
import Reactor
import System

/// The kernel interface of the loops, as the operator asks for it.
public enum PollerChoice: String, Sendable, CaseIterable {
    /// io_uring where the host lets us, epoll else: the one with the lower CPU of a call (`make bench`).
    case auto
    case epoll
    case uring = "io_uring"

    /// What the loops use.
    /// - Throws: why this host does not let us use what was asked for, in words for the operator.
    public func backend() throws(PollerRefusal) -> Loop.Backend {
        switch self {
        case .epoll: return .epoll
        case .auto: return Self.uringRefusal == nil ? .uring : .epoll
        case .uring:
            if let refusal = Self.uringRefusal { throw refusal }
            return .uring
        }
    }

    /// Nil when this host lets us use io_uring.
    public static var uringRefusal: PollerRefusal? {
        let name = Loop.Backend.uring.rawValue
        do throws(Errno) {
            try Loop.Backend.uring.check()
            return nil
        } catch {
            switch error.code {
            case ENOSYS, EINVAL:
                return PollerRefusal("\(name) needs Linux 6.7 or newer, and a kernel that was built with it.")
            case EPERM, EACCES:
                return PollerRefusal(
                    "\(name) is forbidden here: by the sysctl kernel.io_uring_disabled, or by the seccomp"
                        + " filter of a container.")
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
