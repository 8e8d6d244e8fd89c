import CEpollShim
import Glibc
import System

/// Decides which files of the host a sandbox may be shown because its configuration names them: those that every
/// user of the host may read anyway, outside what is never shown.
struct HostPaths: Sendable {
    /// A path as it was named, where it really is, and whether it may be written there.
    struct Share: Equatable, Sendable {
        var named: String
        var source: String
        var isWritable: Bool
    }

    /// Shown to no sandbox, whatever the permissions say.
    static let alwaysHidden = [
        "/etc", "/proc", "/sys", "/dev", "/root", "/run", "/boot", "/var/run", "/lost+found",
    ]
    /// Every jail shows the host's.
    static let systemPlaces = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]
    /// The jail has its own, or shows the host's already.
    static let ownPlaces = systemPlaces + ["/tmp", "/var/tmp", Jail.workspace]

    private let hidden: [String]

    /// - Parameter hidden: absolute paths, besides those that are always hidden.
    init(hiding hidden: [String]) {
        self.hidden =
            Self.alwaysHidden + hidden.map { (try? Files.realPath($0)) ?? Self.normalized($0) ?? $0 }
    }

    /// A file to be read and run.
    func file(_ path: String) -> Share? {
        guard let share = share(path), Files.isFile(share.source) else { return nil }
        return Share(named: share.named, source: share.source, isWritable: false)
    }

    /// A file or a directory, writable where every user of the host may write. A file of this kind comes with its
    /// directory when that is writable too: databases keep journals beside them, and one that is seen without its
    /// journal is a broken one.
    func data(_ path: String) -> Share? {
        guard let share = share(path) else { return nil }
        guard share.isWritable, Files.isFile(share.source) else { return share }
        let named = Self.parent(of: share.named)
        if let directory = self.share(named), directory.isWritable, !Self.isSticky(directory.source) {
            return directory
        }
        return share
    }

    private func share(_ path: String) -> Share? {
        guard let named = Self.normalized(path), !Self.isOwnPlace(named), isShowable(named),
            let source = try? Files.realPath(named), !Self.isOwnPlace(source), isShowable(source),
            let access = Self.accessForOthers(source), access.canRead
        else { return nil }
        return Share(named: named, source: source, isWritable: access.canWrite)
    }

    /// Neither something hidden nor something that has it inside.
    private func isShowable(_ path: String) -> Bool {
        path != "/" && !hidden.contains { Self.contains($0, path) || Self.contains(path, $0) }
    }

    private static func isOwnPlace(_ path: String) -> Bool {
        ownPlaces.contains { contains($0, path) || contains(path, $0) }
    }

    /// True when `path` is `directory` or below it.
    static func contains(_ directory: String, _ path: String) -> Bool {
        path == directory || path.hasPrefix(directory.hasSuffix("/") ? directory : directory + "/")
    }

    static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    /// The path without empty parts and `.`; nil when it is not absolute or has `..`, whose meaning depends on
    /// links.
    static func normalized(_ path: String) -> String? {
        guard path.hasPrefix("/"), path.utf8.count < Int(PATH_MAX), !path.utf8.contains(0) else { return nil }
        let parts = path.split(separator: "/").filter { $0 != "." }
        return parts.contains("..") ? nil : "/" + parts.joined(separator: "/")
    }

    /// What the permission bits give to a user who owns nothing and is in no group; nil when there is no such
    /// file. `path` has no links.
    static func accessForOthers(_ path: String) -> (canRead: Bool, canWrite: Bool)? {
        var at = ""
        let parts = path.split(separator: "/")
        for part in parts.dropLast() {
            at += "/\(part)"
            guard let mode = mode(at), mode & S_IXOTH != 0 else { return nil }
        }
        guard let mode = mode(path) else { return nil }
        let needed = mode & S_IFMT == S_IFDIR ? S_IROTH | S_IXOTH : S_IROTH
        let kind = mode & S_IFMT
        guard kind == S_IFDIR || kind == S_IFREG else { return nil }
        return (mode & needed == needed, mode & S_IWOTH != 0)
    }

    private static func isSticky(_ path: String) -> Bool { mode(path).map { $0 & S_ISVTX != 0 } ?? true }

    private static func mode(_ path: String) -> UInt32? {
        var status = ce_look()
        return ce_look_at(path, 1, &status) == 0 ? status.mode : nil
    }
}
