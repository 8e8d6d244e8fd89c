import Glibc
import System
import Testing

@testable import Sandbox

@Suite("Jail")
struct JailTests {
    @Test("nothing of the host is there but the system and what every program needs")
    func rootDirectory() throws {
        let scene = try Scene(.bubblewrap)
        let known: Set = [
            "bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin", "tmp", "usr",
            "var",
            "workspace",
        ]
        let names = try scene.shell("ls /").output.split(separator: "\n").map(String.init)
        #expect(known.isSuperset(of: names))
        #expect(names.contains("workspace"))
    }

    @Test(
        "files that are not the sandbox's cannot be read",
        arguments: [
            "/etc/shadow", "/root/.bashrc", "/etc/ssh/sshd_config", "/var/log/dpkg.log", "/sys/kernel",
        ])
    func hiddenFiles(path: String) throws {
        let server = try Scene(.bubblewrap).shell("cat \(path) 2>/dev/null; ls \(path) 2>/dev/null; true")
        #expect(server.output == "")
    }

    @Test("the state directory cannot be seen")
    func stateDirectory() throws {
        let scene = try Scene(.bubblewrap)
        #expect(
            try scene.shell("ls \(scene.workshop.state.path) 2>/dev/null || echo none").output == "none\n")
    }

    @Test("system directories, the root and /dev are read-only")
    func readOnly() throws {
        let script =
            "for d in / /usr /etc /bin /lib /dev /var /run; do touch $d/x 2>/dev/null && echo $d; done; true"
        #expect(try Scene(.bubblewrap).shell(script).output == "")
    }

    @Test("the workspace, /tmp and /dev/shm can be written, and /tmp is the server's own")
    func writable() throws {
        let scene = try Scene(.bubblewrap)
        let id = Scene.newID()
        let script = "for d in /workspace /tmp /var/tmp /dev/shm; do echo x > $d/mine && echo $d; done"
        #expect(
            try scene.shell(script, sandbox: id).output == "/workspace\n/tmp\n/var/tmp\n/dev/shm\n")
        let listing = try scene.shell("ls /workspace; echo -; ls /tmp", sandbox: id).output
        #expect(listing == "mine\n-\n")
        #expect(try scene.shell("ls /workspace").output == "")
    }

    @Test("a server sees its own processes only, without privileges or capabilities")
    func privileges() throws {
        let server = try Scene(.bubblewrap).shell(
            "grep -E 'NoNewPrivs|Cap(Eff|Prm|Bnd|Amb)' /proc/self/status; id -u; echo /proc/[0-9]*")
        let lines = server.output.split(separator: "\n").map(String.init)
        #expect(lines.count == 7)
        #expect(lines.prefix(4).allSatisfy { $0.hasPrefix("Cap") && $0.hasSuffix(":\t0000000000000000") })
        #expect(lines.dropFirst(4).prefix(2) == ["NoNewPrivs:\t1", "1000"])
        #expect(lines.last == "/proc/1 /proc/2")
    }

    @Test(
        "two sandboxes have two users of the host, and a removed one's is free again",
        .enabled(if: geteuid() == 0))
    func users() throws {
        let scene = try Scene(.bubblewrap)
        let servers = try (0..<2).map { _ in try scene.shell("echo ready; read x") }
        let owners = try servers.map { server in
            #expect(server.line() == "ready")
            let status = try Files.read("/proc/\(server.child.pid)/status", limit: 1 << 16)
            let line = String(decoding: status, as: UTF8.self).split(separator: "\n").first {
                $0.hasPrefix("Uid:")
            }
            return try #require(line?.split(separator: "\t").dropFirst().first.flatMap { UInt32($0) })
        }
        #expect(owners[0] != owners[1])
        #expect(owners.allSatisfy { $0 > SandboxLimits.firstUser })
        let users = try #require(scene.workshop.users)
        #expect(users.user(of: servers[0].sandbox) == owners[0])
        servers[0].child.kill()
        _ = servers[0].exit()
        scene.remove(servers[0].sandbox)
        #expect(users.user(of: servers[0].sandbox) != owners[0], "a user is not given out again soon")
    }

    @Test("a server has limits")
    func limits() throws {
        let server = try Scene(.bubblewrap) { $0.resources[.serverOpenFiles] = 321 }.shell(
            "ulimit -n; ulimit -c")
        #expect(server.output == "321\n0\n")
    }

    @Test(
        "a workspace with a size is full there, for the whole sandbox, and goes with it",
        .enabled(if: geteuid() == 0))
    func workspaceSize() throws {
        let scene = try Scene(.bubblewrap) { $0.resources[.sandboxDisk] = 8 << 20 }
        let id = Scene.newID()
        func fill(_ name: String) throws -> String {
            let script =
                "head -c 6000000 /dev/zero 2>/dev/null > /workspace/\(name) && echo kept || echo full"
            return try scene.shell(script, sandbox: id).output
        }
        #expect(try fill("first") == "kept\n")
        #expect(try scene.shell("wc -c < /workspace/first", sandbox: id).output == "6000000\n")
        // Nothing of it is in the host's table, which every jail's start copies.
        #expect(
            !String(decoding: try Files.read("/proc/self/mounts", limit: 1 << 20), as: UTF8.self).contains(id)
        )
        #expect(try fill("second") == "full\n")
        let many =
            "i=0; while [ $i -lt 2000 ]; do true 2>/dev/null > /workspace/f$i || break; i=$((i+1)); done; echo $i"
        scene.remove(id)
        // One file for each 8 KiB, of which the directory itself is one.
        #expect(
            Int(try scene.shell(many, sandbox: id).output.dropLast()).map { $0 < 1024 && $0 > 1000 } == true)
        scene.remove(id)
        #expect(!Files.exists(scene.workshop.state.sandbox(id)))
        let mounts = try Files.read("/proc/self/mounts", limit: 1 << 20)
        #expect(!String(decoding: mounts, as: UTF8.self).contains(id))
    }
}
