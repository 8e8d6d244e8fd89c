import Glibc
import System

/// How large a directory is that code of a package writes to, looked at while it runs.
struct PackageSize: Sendable {
    private(set) var bytes: UInt64 = 0
    private(set) var files = 0

    private var isTooDeep = false
    private let most: (bytes: UInt64, files: Int)

    /// Links are not followed. Counts no further than the limits.
    init(
        of directory: String,
        most: (bytes: UInt64, files: Int) = (SandboxLimits.packageBytes, SandboxLimits.packageFiles)
    ) {
        self.most = most
        var open = [directory]
        while let next = open.popLast() {
            for name in (try? Files.list(next)) ?? [] {
                let path = "\(next)/\(name)"
                // No system call takes it: whatever is below would not be counted.
                isTooDeep = path.utf8.count >= Int(PATH_MAX)
                if isTooDeep { return }
                var status = stat()
                guard lstat(path, &status) == 0 else { continue }
                files += 1
                let (blocks, isBeyond) = UInt64(clamping: status.st_blocks).multipliedReportingOverflow(
                    by: 512)
                bytes = isBeyond ? .max : bytes.addingReportingOverflow(blocks).partialValue
                if status.st_mode & S_IFMT == S_IFDIR { open.append(path) }
                if excess != nil { return }
            }
        }
    }

    /// Why it is too large; nil when it is not.
    var excess: String? {
        if bytes > most.bytes { return "the package became larger than \(most.bytes >> 20) MiB" }
        if isTooDeep { return "the package has paths of \(PATH_MAX) bytes and more" }
        if files > most.files { return "the package has more than \(most.files) files" }
        return nil
    }
}
