import Glibc
import Reactor
import System

/// The kernel interface of the loops.
public typealias PollerChoice = Loop.Backend

extension PollerChoice {
    /// Why this host does not let us use it, in words for the operator; nil when it does.
    public var refusal: String? {
        do throws(Errno) {
            try check()
            return nil
        } catch {
            switch error.code {
            case ENOSYS, EINVAL:
                return "\(rawValue) needs Linux 6.7 or newer, and a kernel that was built with it."
            case EPERM, EACCES:
                return
                    "\(rawValue) is forbidden here: by the sysctl kernel.io_uring_disabled, or by the seccomp"
                    + " filter of a container."
            default: return "\(error)"
            }
        }
    }
}

/// The kernel does not let the loops be.
struct PollerFailure: Error, CustomStringConvertible {
    let description: String
}
