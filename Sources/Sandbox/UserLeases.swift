import CEpollShim
import Glibc
import Synchronization
import System

/// Host users for sandboxes, one each while it lives, when the gateway is root. A lease is a lock on one byte of
/// a file of the host, so that no two gateways give out the same user, and none outlives its gateway.
final class UserLeases: Sendable {
    private struct State: Sendable {
        var users: [String: UInt32] = [:]
        /// Where the next search begins: a user is not given out again soon.
        var next: UInt32 = 0
    }

    /// Installs packages; shared, as an installation runs no code of the package.
    let installer: UInt32
    private let first: UInt32
    private let count: UInt32
    private let file: Int32
    private let state = Mutex(State())

    /// - Parameter directories: where the lock file may be; the first that can be written is taken. Gateways that
    ///   share users must share it.
    init(first: UInt32, count: UInt32, directories: [String]) throws(Errno) {
        installer = first
        self.first = first + 1
        self.count = max(count, 2) - 1
        var file: Int32 = -ENOENT
        for directory in directories where file < 0 {
            file = ce_open("\(directory)/mcp-gateway.users", O_RDWR | O_CREAT | O_NOFOLLOW, 0o600)
        }
        self.file = try Errno.check(file, "opening the lock file for users of sandboxes")
    }

    deinit { ce_close(file) }

    /// The sandbox's user, a new one at the first call; nil when all are taken.
    func user(of sandbox: String) -> UInt32? {
        state.withLock { state in
            if let user = state.users[sandbox] { return user }
            let taken = Set(state.users.values)
            for step in 0..<count {
                let offset = (state.next &+ step) % count
                // OFD locks of one file description do not exclude each other, hence the set.
                let user = first + offset
                guard !taken.contains(user), ce_lock_byte(file, Int64(user)) == 0 else { continue }
                state.users[sandbox] = user
                state.next = offset + 1
                return user
            }
            return nil
        }
    }

    /// The sandbox is gone, with all of its processes and files.
    func release(_ sandbox: String) {
        state.withLock { state in
            guard let user = state.users.removeValue(forKey: sandbox) else { return }
            _ = ce_unlock_byte(file, Int64(user))
        }
    }
}
