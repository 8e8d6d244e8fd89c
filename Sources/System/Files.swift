import CEpollShim
import Glibc

/// Files and directories, blocking: for start-up, the control thread and the workshop, never for a loop.
public enum Files {
    // MARK: Contents

    /// The whole file.
    /// - Parameter limit: most bytes taken; a longer file is refused with EFBIG.
    public static func read(_ path: String, limit: Int) throws(Errno) -> [UInt8] {
        let action = "reading \(path)"
        let file = Descriptor(owning: try call(path, action) { ce_open($0, O_RDONLY, 0) })
        // What `stat` says is a hint: it is 0 in /proc, and the file may be growing.
        let hint = Int(clamping: max(ce_size(file.raw), 0))
        guard hint <= limit else { throw Errno(EFBIG, action) }
        var queue = ByteQueue()
        let step = min(max(hint, 4096), 1 << 20) + 1
        while true {
            let got = ce_read(file.raw, queue.reserve(step), step)
            guard got >= 0 else { throw Errno(Int32(clamping: got), action) }
            if got == 0 { return Array(queue.bytes) }
            queue.commit(Int(got))
            guard queue.count <= limit else { throw Errno(EFBIG, action) }
        }
    }

    /// Replaces `path` with `bytes` so that after a crash it holds either the old or the new ones: written to
    /// a neighbour, synced, renamed, and the directory synced.
    /// - Parameter lasts: false for what is of no use after a crash, so that nobody waits for the disk.
    public static func writeAtomically(
        _ bytes: [UInt8], to path: String, mode: UInt32, lasts: Bool = true
    ) throws(Errno) {
        let action = "writing \(path)"
        let neighbour = "\(path).new-\(Random.base36(12))"
        let flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW
        let file = Descriptor(owning: try call(neighbour, action) { ce_open($0, flags, 0o600) })
        do {
            let count = bytes.count
            try Errno.check(bytes.withUnsafeBytes { ce_write_all(file.raw, $0.baseAddress, count) }, action)
            // The umask does not apply: the caller's mode is the caller's decision.
            try Errno.check(ce_fchmod(file.raw, mode), action)
            if lasts { try Errno.check(ce_fsync(file.raw), action) }
            try Errno.check(ce_rename(neighbour, path), action)
        } catch {
            ce_unlink(neighbour)
            throw error
        }
        if lasts { try syncDirectory(parent(of: path), action) }
    }

    private static func syncDirectory(_ path: String, _ action: String) throws(Errno) {
        let flags = O_RDONLY | O_DIRECTORY
        let directory = Descriptor(owning: try call(path, action) { ce_open($0, flags, 0) })
        try Errno.check(ce_fsync(directory.raw), action)
    }

    // MARK: Directories

    /// Makes `path` and what is missing above it; one that exists already is left as it is.
    public static func makeDirectories(_ path: String, mode: UInt32) throws(Errno) {
        let action = "making directory \(path)"
        guard !path.isEmpty else { throw Errno(ENOENT, action) }
        var made = path.hasPrefix("/") ? "/" : ""
        for name in path.split(separator: "/") {
            made += made.isEmpty || made == "/" ? String(name) : "/\(name)"
            do {
                try call(made, action) { ce_mkdir($0, mode) }
            } catch {
                // EROFS and EACCES may hide that the directory is there: the look decides.
                guard isDirectory(made) else {
                    throw Errno(error.code == EEXIST ? ENOTDIR : error.code, action)
                }
            }
        }
    }

    /// Names in a directory, without `.` and `..`, in the order of the file system. Names that are not UTF-8
    /// come with U+FFFD in them.
    public static func list(_ path: String) throws(Errno) -> [String] {
        let action = "listing \(path)"
        var directory: OpaquePointer?
        try call(path, action) { ce_directory_open($0, &directory) }
        defer { ce_directory_close(directory) }
        var names: [String] = []
        var name: UnsafePointer<CChar>?
        while try Errno.check(ce_directory_next(directory, &name), action) == 1 {
            if let name { names.append(String(cString: name)) }
        }
        return names
    }

    /// Removes `path` and everything under it; nothing there is no error. Symbolic links are removed, never
    /// followed; mounts inside end it with an error. Any depth takes two descriptors and no recursion.
    /// No other process may be changing the tree.
    public static func removeTree(_ path: String) throws(Errno) {
        // Names nobody can guess: moved directories must not run into ones that a hostile server has made.
        let prefix = ".removing-\(Random.base36(16))-"
        try call(path, "removing \(path)") { ce_remove_tree($0, prefix) }
    }

    // MARK: Looking

    /// True when there is something at `path`, after links.
    public static func exists(_ path: String) -> Bool { kind(path) >= 0 }

    public static func isDirectory(_ path: String) -> Bool { kind(path) == Int32(CE_KIND_DIRECTORY) }

    public static func isFile(_ path: String) -> Bool { kind(path) == Int32(CE_KIND_FILE) }

    /// The absolute path without links, `.` and `..`.
    public static func realPath(_ path: String) throws(Errno) -> String {
        let action = "resolving \(path)"
        var result: Int32 = 0
        let capacity = Int(PATH_MAX) + 1
        let bytes = try [UInt8](unsafeUninitializedCapacity: capacity) { (room, count) throws(Errno) in
            result = try call(path, action) { from in
                room.withMemoryRebound(to: CChar.self) { ce_realpath(from, $0.baseAddress, capacity) }
            }
            count = Int(result)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func kind(_ path: String) -> Int32 {
        isPlain(path) ? ce_kind(path, 1) : -EINVAL
    }

    // MARK: Paths for C

    /// A NUL would cut the path short in C: what was checked would not be what is opened.
    private static func isPlain(_ path: String) -> Bool { !path.utf8.contains(0) }

    @discardableResult
    private static func call(
        _ path: String, _ action: String, _ body: (UnsafePointer<CChar>) -> Int32
    ) throws(Errno) -> Int32 {
        guard isPlain(path) else { throw Errno(EINVAL, action) }
        return try Errno.check(path.withCString(body), action)
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}
