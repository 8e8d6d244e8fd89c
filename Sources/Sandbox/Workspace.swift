import CEpollShim
import Glibc
import Synchronization
import System
import Telemetry

/// What a sandbox writes when that has a size, its `/workspace` and the volumes of its containers: a tmpfs in a mount
/// namespace that the sandbox's jails start from. The kernel removes it with its last process and descriptor, so that
/// a gateway that is killed leaves none, but for one that was shown to the host.
final class Workspace: Sendable {
    /// The mount namespace.
    let namespace: Int32
    private let directory: Int32
    private let path: String
    private let isShown = Mutex(false)

    init(_ path: String, bytes: UInt64, user: UInt32) throws(Errno) {
        var directory: Int32 = -1
        let files = bytes / SandboxLimits.workspaceBytesPerFile
        namespace = try Errno.check(
            ce_workspace_make(path, bytes, files, &directory), "mounting the workspace")
        self.directory = directory
        self.path = path
        try SandboxDisk(root: root, user: user).make()
    }

    /// Leads into the tmpfs from outside of its namespace.
    var root: String { "/proc/self/fd/\(directory)" }

    /// Lets services of the host, such as docker's daemon, see it where the state directory has it.
    func show() throws(Errno) {
        try isShown.withLock { isShown throws(Errno) in
            if isShown { return }
            try Errno.check(
                ce_workspace_show(namespace, directory, path), "showing the workspace to the host's services")
            isShown = true
        }
    }

    /// The other way round.
    func hide() {
        isShown.withLock { isShown in
            if isShown { Self.conceal(path) }
            isShown = false
        }
    }

    /// What this or an earlier gateway has shown of a sandbox, by its path.
    static func conceal(_ path: String) {
        let result = ce_workspace_conceal(path)
        guard result < 0 else { return }
        Log.error("a workspace stays mounted", ["path": path, "reason": "\(Errno(result, "unmounting"))"])
    }

    /// Those of every sandbox that has files in the state directory.
    static func concealAll(_ state: StateDirectory) {
        guard geteuid() == 0, let ids = try? Files.list(state.sandboxes) else { return }
        for id in ids { conceal(state.disk(id)) }
    }

    deinit {
        hide()
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

    func remove(_ sandbox: String) {
        // Something may still hold it, and the sandbox's directory is removed next.
        all.withLock { $0.removeValue(forKey: sandbox) }?.hide()
    }
}
