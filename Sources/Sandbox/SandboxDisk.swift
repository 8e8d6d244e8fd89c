import CEpollShim
import Glibc
import System

/// What is in the place that a sandbox writes to.
///
///     workspace         its `/workspace`
///     volumes/<name>    the named volumes of its containers
struct SandboxDisk: Sendable {
    /// A directory, or a way to one.
    let root: String
    /// The sandbox's own; nil without root: everything is the gateway's user's then.
    let user: UInt32?

    static func workspace(_ root: String) -> String { "\(root)/workspace" }
    static func volume(_ name: String, _ root: String) -> String {
        "\(root)/volumes/\(DirectoryName.make([name]))"
    }

    /// The workspace comes last: where it is, all of it is.
    func make() throws(Errno) {
        let made = ce_mkdir("\(root)/volumes", 0o711)
        if made != -EEXIST { try Errno.check(made, "making a directory of a sandbox") }
        try Errno.check(ce_chmod("\(root)/volumes", 0o711), "setting the mode of a directory of a sandbox")
        try makeShared(Self.workspace(root))
    }

    /// The directory of a named volume, made when it is not there.
    func makeVolume(_ name: String) throws(Errno) {
        let path = Self.volume(name, root)
        if !Files.isDirectory(path) { try makeShared(path) }
    }

    /// A container whose image has a user of its own is in the sandbox's group: it and the jails write the same files.
    private func makeShared(_ path: String) throws(Errno) {
        guard let user else { return try Files.makeDirectories(path, mode: 0o700) }
        let made = ce_shared_directory_make(path, Int64(user), Int64(user))
        // Two servers may be the first with a volume.
        if made != -EEXIST { try Errno.check(made, "making a directory of a sandbox") }
    }
}
