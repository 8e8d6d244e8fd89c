import CEpollShim
import Glibc
import Synchronization
import System

/// What a sandbox writes when that has a size, its `/workspace` and the volumes of its containers: a tmpfs in a mount
/// namespace that the sandbox's jails start from. The kernel removes it with its last process and descriptor, so that a gateway that is killed leaves none.
final class Workspace: Sendable {
    /// The mount namespace.
    let namespace: Int32
    private let directory: Int32

    init(_ path: String, bytes: UInt64, user: UInt32) throws(Errno) {
        var directory: Int32 = -1
        let files = bytes / SandboxLimits.workspaceBytesPerFile
        namespace = try Errno.check(
            ce_workspace_make(path, bytes, files, &directory), "mounting the workspace")
        self.directory = directory
        try SandboxDisk(root: root, user: user).make()
    }

    /// Leads into the tmpfs from outside of its namespace.
    var root: String { "/proc/self/fd/\(directory)" }

    deinit {
        ce_close(namespace)
        ce_close(directory)
    }

    /// No byte or no file more fits.
    var isFull: Bool {
        var status = statvfs()
        return fstatvfs(directory, &status) == 0 && (status.f_bavail == 0 || status.f_ffree == 0)
    }
}

/// The workspaces that have a size, by sandbox.
final class Workspaces: Sendable {
    private let all = Mutex<[String: Workspace]>([:])

    /// Made at the first call, whose size it has.
    func of(_ sandbox: String, path: String, bytes: UInt64, user: UInt32) throws(Errno) -> Workspace {
        try all.withLock { all throws(Errno) in
            if let known = all[sandbox] { return known }
            let made = try Workspace(path, bytes: bytes, user: user)
            all[sandbox] = made
            return made
        }
    }

    func remove(_ sandbox: String) { _ = all.withLock { $0.removeValue(forKey: sandbox) } }
}
