import Glibc
import System
import Testing

@testable import Sandbox

@Suite("HostPaths")
struct HostPathsTests {
    /// A directory that is not one of the jail's own places.
    static func withDirectory(_ body: (String) throws -> Void) throws {
        let path = "/mcp-gateway-test-\(Random.base36(10))"
        guard mkdir(path, 0o755) == 0 else { return }
        chmod(path, 0o755)
        defer { try? Files.removeTree(path) }
        try body(path)
    }

    static func make(_ path: String, _ mode: UInt32) throws {
        try Files.writeAtomically(Array("x".utf8), to: path, mode: mode)
    }

    @Test(
        "a file that everybody may read is shown, one that not everybody may read is not",
        .enabled(if: geteuid() == 0))
    func files() throws {
        try Self.withDirectory { directory in
            try Self.make("\(directory)/open", 0o644)
            try Self.make("\(directory)/closed", 0o640)
            let paths = HostPaths(hiding: [])
            #expect(paths.file("\(directory)/open")?.isWritable == false)
            #expect(paths.file("\(directory)/./open")?.named == "\(directory)/open")
            #expect(paths.file("\(directory)/closed") == nil)
            #expect(paths.file("\(directory)/missing") == nil)
            #expect(paths.file(directory) == nil)
            chmod(directory, 0o700)
            #expect(paths.file("\(directory)/open") == nil)
        }
    }

    @Test("links are followed before the decision", .enabled(if: geteuid() == 0))
    func links() throws {
        try Self.withDirectory { directory in
            symlink("/etc/passwd", "\(directory)/link")
            symlink("/", "\(directory)/root")
            try Self.make("\(directory)/open", 0o644)
            symlink("\(directory)/open", "\(directory)/fine")
            let paths = HostPaths(hiding: [])
            #expect(paths.file("\(directory)/link") == nil)
            #expect(paths.data("\(directory)/root") == nil)
            #expect(paths.file("\(directory)/fine")?.source == "\(directory)/open")
        }
    }

    @Test("what is hidden is not shown, nor what it lies in", .enabled(if: geteuid() == 0))
    func hidden() throws {
        try Self.withDirectory { directory in
            mkdir("\(directory)/a", 0o755)
            try Self.make("\(directory)/a/key", 0o644)
            try Self.make("\(directory)/other", 0o644)
            let paths = HostPaths(hiding: ["\(directory)/a/key"])
            #expect(paths.file("\(directory)/a/key") == nil)
            #expect(paths.data("\(directory)/a") == nil)
            #expect(paths.data(directory) == nil)
            #expect(paths.file("\(directory)/other") != nil)
        }
    }

    @Test(
        "places that are never shown",
        arguments: [
            "/", "/etc", "/etc/passwd", "/proc/1/environ", "/root", "/dev/sda", "/sys", "/run/x",
            "/usr/bin/env",
            "/tmp/x", "/workspace/x", "relative", "", "/a/../etc", "/nonexistent", "/var/run/x",
            "//etc/passwd",
        ])
    func never(path: String) {
        #expect(HostPaths(hiding: []).data(path) == nil)
        #expect(HostPaths(hiding: []).file(path) == nil)
    }

    @Test("data may be a directory, and is writable where everybody may write", .enabled(if: geteuid() == 0))
    func data() throws {
        try Self.withDirectory { directory in
            mkdir("\(directory)/papers", 0o755)
            chmod("\(directory)/papers", 0o777)
            try Self.make("\(directory)/read.db", 0o644)
            try Self.make("\(directory)/papers/write.db", 0o666)
            let paths = HostPaths(hiding: [])
            #expect(paths.data("\(directory)/papers")?.isWritable == true)
            #expect(paths.data("\(directory)/read.db")?.isWritable == false)
            // A database comes with the directory that its journals are in.
            #expect(paths.data("\(directory)/papers/write.db")?.named == "\(directory)/papers")
            chmod("\(directory)/papers", 0o755)
            #expect(paths.data("\(directory)/papers/write.db")?.named == "\(directory)/papers/write.db")
        }
    }

    @Test(
        "a server finds the files that its command names, and not their neighbours",
        .enabled(if: geteuid() == 0))
    func inTheJail() throws {
        try Self.withDirectory { directory in
            let scene = try Scene(.bubblewrap)
            try Self.make("\(directory)/neighbour", 0o644)
            try Files.writeAtomically(
                Array("ls \(directory); cat $1; cat $2".utf8), to: "\(directory)/run", mode: 0o644)
            try Self.make("\(directory)/read", 0o644)
            let server = try scene.launch(
                .command(["/bin/sh", "\(directory)/run", "\(directory)/read", "--x=\(directory)/none"]))
            #expect(server.output == "read\nrun\nx")
            let failure = #expect(throws: LaunchFailure.self) {
                try Self.make("\(directory)/closed", 0o700)
                _ = try scene.launch(.command(["\(directory)/closed"]))
            }
            #expect(failure?.message.contains("every user") == true, "\(failure?.message ?? "")")
        }
    }
}
