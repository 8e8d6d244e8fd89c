import Glibc
import Testing

@testable import System

/// A directory of its own for each test.
private final class Playground {
    let path: String

    init() throws {
        path = "/tmp/system-tests-\(Random.base36(12))"
        try Files.makeDirectories(path, mode: 0o700)
    }

    deinit { try? Files.removeTree(path) }
}

private func mode(of path: String) -> UInt32 {
    var found = stat()
    return stat(path, &found) == 0 ? found.st_mode & 0o7777 : 0
}

@Suite("Files")
struct FilesTests {
    @Test("what was written is read back, with the mode that was asked for")
    func roundTrip() throws {
        let place = try Playground()
        let bytes = Random.bytes(100_000)
        try Files.writeAtomically(bytes, to: "\(place.path)/file", mode: 0o640)
        #expect(try Files.read("\(place.path)/file", limit: 100_000) == bytes)
        #expect(mode(of: "\(place.path)/file") == 0o640)
    }

    @Test("a replaced file leaves no neighbour behind")
    func replace() throws {
        let place = try Playground()
        try Files.writeAtomically([1], to: "\(place.path)/file", mode: 0o600)
        try Files.writeAtomically([], to: "\(place.path)/file", mode: 0o600)
        #expect(try Files.read("\(place.path)/file", limit: 10).isEmpty)
        #expect(try Files.list(place.path) == ["file"])
    }

    @Test("a write that fails leaves neither file nor neighbour")
    func failedWrite() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/taken/inner", mode: 0o700)
        #expect(throws: Errno.self) {
            try Files.writeAtomically([1], to: "\(place.path)/taken", mode: 0o600)
        }
        #expect(try Files.list(place.path) == ["taken"])
    }

    @Test("a file one byte over the limit is refused")
    func limit() throws {
        let place = try Playground()
        let path = "\(place.path)/file"
        try Files.writeAtomically([1, 2, 3], to: path, mode: 0o600)
        #expect(throws: Errno(EFBIG, "reading \(path)")) { try Files.read(path, limit: 2) }
    }

    @Test("files whose size the kernel does not tell are read whole, and within the limit")
    func procFile() throws {
        #expect(try Files.read("/proc/self/status", limit: 1 << 20).count > 100)
        #expect(throws: Errno(EFBIG, "reading /proc/self/status")) {
            try Files.read("/proc/self/status", limit: 10)
        }
    }

    @Test("an error says what was attempted and why it failed")
    func message() {
        #expect(
            throws: Errno(ENOENT, "reading /nonexistent/config.yaml"),
            performing: { try Files.read("/nonexistent/config.yaml", limit: 10) })
        let text = Errno(-ENOENT, "reading config.yaml").description
        #expect(text == "reading config.yaml: No such file or directory")
    }

    @Test("a path with a NUL is refused, not cut short")
    func nul() throws {
        let place = try Playground()
        #expect(!Files.exists("\(place.path)\0/none"))
        #expect(throws: Errno.self) { try Files.removeTree("\(place.path)\0/none") }
        #expect(Files.exists(place.path))
    }

    @Test("directories are made with all that is missing above, and again without complaint")
    func makeDirectories() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/a//b/c/", mode: 0o700)
        try Files.makeDirectories("\(place.path)/a/b/c", mode: 0o700)
        #expect(Files.isDirectory("\(place.path)/a/b/c"))
        try Files.writeAtomically([], to: "\(place.path)/file", mode: 0o600)
        #expect(throws: Errno.self) { try Files.makeDirectories("\(place.path)/file/x", mode: 0o700) }
    }

    @Test("the real path has no links in it")
    func realPath() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/a", mode: 0o700)
        symlink("a", "\(place.path)/link")
        let real = try Files.realPath(place.path)
        #expect(try Files.realPath("\(place.path)/link/../link/.") == "\(real)/a")
        #expect(throws: Errno.self) { try Files.realPath("\(place.path)/missing") }
    }

    @Test("a tree is removed; what its links point to stays")
    func removeTree() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/kept", mode: 0o700)
        try Files.writeAtomically([1], to: "\(place.path)/kept/file", mode: 0o600)
        try Files.makeDirectories("\(place.path)/tree/a/b", mode: 0o700)
        try Files.makeDirectories("\(place.path)/tree/a/c", mode: 0o700)
        try Files.writeAtomically([1], to: "\(place.path)/tree/a/b/file", mode: 0o400)
        symlink("\(place.path)/kept", "\(place.path)/tree/a/link")
        symlink("\(place.path)/kept", "\(place.path)/tree/link")
        try Files.removeTree("\(place.path)/tree")
        #expect(!Files.exists("\(place.path)/tree"))
        #expect(Files.exists("\(place.path)/kept/file"))
        try Files.removeTree("\(place.path)/tree")
    }

    @Test("a link is removed instead of what it points to")
    func removeLink() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/kept", mode: 0o700)
        symlink("kept", "\(place.path)/link")
        try Files.removeTree("\(place.path)/link")
        #expect(try Files.list(place.path) == ["kept"])
    }

    @Test("a tree that is deeper than any path may be long is removed")
    func deepTree() throws {
        let place = try Playground()
        let root = "\(place.path)/deep"
        try Files.makeDirectories(root, mode: 0o700)
        let name = String(repeating: "d", count: 200)
        // 100 levels of 200 bytes are far beyond PATH_MAX (4096): a hostile server makes them by descriptor.
        var parent = Descriptor(owning: open(root, O_RDONLY | O_DIRECTORY))
        for _ in 0..<100 {
            #expect(mkdirat(parent.raw, name, 0o700) == 0)
            let child = openat(parent.raw, name, O_RDONLY | O_DIRECTORY)
            #expect(child >= 0)
            parent = Descriptor(owning: child)
        }
        parent.close()
        try Files.removeTree(root)
        #expect(!Files.exists(root))
    }

    @Test("modes that lock their owner out do not keep a tree alive")
    func lockedTree() throws {
        let place = try Playground()
        try Files.makeDirectories("\(place.path)/tree/a/b/c", mode: 0o700)
        try Files.writeAtomically([1], to: "\(place.path)/tree/a/b/file", mode: 0o000)
        chmod("\(place.path)/tree/a/b", 0o000)
        chmod("\(place.path)/tree/a", 0o000)
        chmod("\(place.path)/tree", 0o000)
        try Files.removeTree("\(place.path)/tree")
        #expect(!Files.exists("\(place.path)/tree"))
    }
}
