import Glibc
import System

/// What `/proc` tells of processes.
enum ProcessTable {
    /// Direct children of a process's main thread; none when it is gone.
    static func children(of pid: Int32) -> [Int32] {
        guard let text = read("/proc/\(pid)/task/\(pid)/children") else { return [] }
        return text.split(separator: " ").compactMap { Int32($0) }
    }

    /// The parent of a process; nil when there is no such process.
    static func parent(of pid: Int32) -> Int32? {
        // The name, in parentheses, may hold anything.
        guard let text = read("/proc/\(pid)/stat"), let end = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        return fields.count > 1 ? Int32(fields[1]) : nil
    }

    /// Descriptors that a process has open; 0 where that cannot be seen. Before Linux 6.2 they have to be counted.
    static func openFiles(of pid: Substring) -> UInt64 {
        var status = stat()
        let directory = "/proc/\(pid)/fd"
        guard stat(directory, &status) == 0 else { return 0 }
        if status.st_size > 0 { return UInt64(status.st_size) }
        return UInt64(((try? Files.list(directory)) ?? []).count)
    }

    static var all: [Int32] { ((try? Files.list("/proc")) ?? []).compactMap { Int32($0) } }

    /// The environment that a process was started with; empty when it may not be read.
    static func environment(of pid: Int32) -> [Substring] {
        read("/proc/\(pid)/environ")?.split(separator: "\0") ?? []
    }

    private static func read(_ path: String) -> String? {
        guard let bytes = try? Files.read(path, limit: SandboxLimits.smallFileBytes) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
