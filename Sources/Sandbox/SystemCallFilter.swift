import CEpollShim
import Glibc
import System

/// The system calls of every jail, compiled once: a memory file that each start opens anew, since bubblewrap reads
/// it from where its description stands.
final class SystemCallFilter: Sendable {
    private let program: Int32

    init() throws(Errno) {
        program = try Errno.check(ce_seccomp_filter(), "compiling the system call filter")
    }

    deinit { ce_close(program) }

    /// A descriptor of its own, at the program's start.
    func open() throws(Errno) -> Int32 {
        try Errno.check(
            ce_open("/proc/self/fd/\(program)", O_RDONLY, 0), "opening the system call filter")
    }
}
