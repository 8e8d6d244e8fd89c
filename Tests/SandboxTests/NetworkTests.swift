import CEpollShim
import Glibc
import System
import Testing

@testable import Sandbox

@Suite("Network of a sandbox", .enabled(if: geteuid() == 0))
struct NetworkTests {
    private func scene() throws -> Scene { try Scene(.bubblewrap) { $0.network = NetworkPolicy(.none) } }

    /// Says for each line of its input, `address port`, how a connection to it went.
    static let dialer = """
        import errno, socket, sys
        for line in sys.stdin:
            address, port = line.split()
            try:
                socket.create_connection((address, int(port)), timeout=5)
                print('connected', flush=True)
            except OSError as error:
                print(errno.errorcode.get(error.errno, type(error).__name__), flush=True)
        """

    private func dial(_ server: Running, _ address: String, _ port: Int) -> String {
        server.write("\(address) \(port)\n")
        return server.line()
    }

    @Test("neither the host's loopback nor metadata services nor the world can be reached")
    func unreachable() throws {
        let listener = try Errno.check(ce_listen_tcp("127.0.0.1", 0, 8, 0), "listening")
        defer { ce_close(listener) }
        let port = Int(ce_local_port(listener))
        let server = try scene().python(Self.dialer)
        #expect(dial(server, "127.0.0.1", port) == "ECONNREFUSED")
        #expect(dial(server, "169.254.169.254", 80) == "ENETUNREACH")
        #expect(dial(server, "10.0.0.1", 80) == "ENETUNREACH")
        #expect(dial(server, "1.1.1.1", 443) == "ENETUNREACH")
        #expect(dial(server, "::ffff:169.254.169.254", 80) == "ENETUNREACH")
        #expect(dial(server, "2001:4860:4860::8888", 443) != "connected")
        // The host's listener is one that can be reached where the network is the host's.
        let open = try Scene(.bubblewrap).python(Self.dialer)
        #expect(dial(open, "127.0.0.1", port) == "connected")
    }

    @Test("the gateway listens inside, and a server of that sandbox alone gets there")
    func inside() throws {
        let scene = try scene()
        let id = Scene.newID()
        let listener = try #require(open(scene, id, [InsideAddress(address: "127.0.0.1", port: 50005)]).first)
        defer { ce_close(listener) }
        let server = try scene.python(Self.dialer, sandbox: id)
        #expect(dial(server, "127.0.0.1", 50005) == "connected")
        #expect(dial(server, "localhost", 50005) == "connected")
        let stranger = try scene.python(Self.dialer)
        #expect(dial(stranger, "127.0.0.1", 50005) == "ECONNREFUSED")
    }

    /// Listeners inside, the caller's own.
    private func open(
        _ scene: Scene, _ id: String, _ addresses: [InsideAddress],
        hosts: [(address: String, name: String)] = []
    ) throws -> [Int32] {
        let answer = Answer<Result<[Result<Int32, Errno>], LaunchFailure>>()
        scene.workshop.openInside(id, addresses, hosts: hosts) { answer.give($0) }
        return try answer.wait().get().map { try $0.get() }
    }

    @Test("an address that is not of the loopback net becomes one of the sandbox's own")
    func foreign() throws {
        let scene = try scene()
        let id = Scene.newID()
        let addresses = ["10.1.2.3", "10.1.2.4", "192.0.2.1"].map {
            InsideAddress(address: $0, port: 5432, isForeign: true)
        }
        let listeners = try open(scene, id, addresses)
        // A second call finds the first one's.
        let more = try open(scene, id, [InsideAddress(address: "10.1.2.3", port: 5433, isForeign: true)])
        defer { for listener in listeners + more { ce_close(listener) } }
        let server = try scene.python(Self.dialer, sandbox: id)
        for address in ["10.1.2.3", "10.1.2.4", "192.0.2.1"] {
            #expect(dial(server, address, 5432) == "connected")
        }
        #expect(dial(server, "10.1.2.3", 5433) == "connected")
        #expect(dial(server, "10.1.2.4", 5433) == "ECONNREFUSED")
        #expect(dial(server, "10.1.2.5", 5432) == "ENETUNREACH")
        #expect(dial(server, "192.0.2.2", 5432) == "ENETUNREACH")
        let stranger = try scene.python(Self.dialer)
        #expect(dial(stranger, "10.1.2.3", 5432) == "ENETUNREACH")
    }

    @Test("a sandbox has the names that it was given")
    func ownNames() throws {
        let scene = try scene()
        let id = Scene.newID()
        let listeners = try open(
            scene, id, [InsideAddress(address: "127.0.1.1", port: 80)], hosts: [("127.0.1.1", "db.internal")])
        defer { for listener in listeners { ce_close(listener) } }
        #expect(dial(try scene.python(Self.dialer, sandbox: id), "db.internal", 80) == "connected")
        let hosts = try scene.shell("cat /etc/hosts", sandbox: id)
        #expect(hosts.output == "127.0.0.1 localhost sandbox\n127.0.1.1 db.internal\n")
        #expect(try scene.shell("cat /etc/hosts").output == "127.0.0.1 localhost sandbox\n")
    }

    @Test("a listener that cannot be is told, and the others are there")
    func taken() throws {
        let scene = try scene()
        let answer = Answer<Result<[Result<Int32, Errno>], LaunchFailure>>()
        let twice = [7, 7, 8].map { InsideAddress(address: "127.0.0.1", port: $0) }
        scene.workshop.openInside(Scene.newID(), twice) { answer.give($0) }
        let listeners = try answer.wait().get()
        defer { for case .success(let listener) in listeners { ce_close(listener) } }
        #expect(listeners.map { (try? $0.get()) != nil } == [true, false, true])
    }

    @Test("servers of one sandbox share its network")
    func shared() throws {
        let scene = try scene()
        let id = Scene.newID()
        let first = try scene.python(
            "import socket\ns = socket.create_server(('127.0.0.1', 0))\nprint(s.getsockname()[1], flush=True)\ninput()",
            sandbox: id)
        let port = try #require(Int(first.line()))
        #expect(dial(try scene.python(Self.dialer, sandbox: id), "127.0.0.1", port) == "connected")
        #expect(dial(try scene.python(Self.dialer), "127.0.0.1", port) == "ECONNREFUSED")
    }

    @Test("names of the host's network are not there, and asking for one fails at once")
    func names() throws {
        let server = try scene().shell("cat /etc/hosts; grep -c nameserver /etc/resolv.conf")
        #expect(server.output == "127.0.0.1 localhost sandbox\n0\n")
    }

    @Test("the namespace goes with its sandbox, and the workshop stays in its own")
    func removal() throws {
        let own = try Files.realLink("/proc/self/ns/net")
        let scene = try scene()
        let networks = try #require(scene.workshop.networks)
        let server = try scene.shell("readlink /proc/self/ns/net; read x")
        let first = server.line()
        #expect(first.hasPrefix("net:[") && first != own)
        let descriptor = try networks.descriptor(of: server.sandbox)
        #expect(try Files.realLink("/proc/self/fd/\(descriptor)") == first)
        server.child.kill()
        _ = server.exit()
        scene.remove(server.sandbox)
        #expect((try? Files.realLink("/proc/self/fd/\(descriptor)")) != first)
        #expect(try Files.realLink("/proc/self/ns/net") == own)
    }

    @Test("without jails there are no networks, and the reason is told")
    func withoutJails() {
        let failure = #expect(throws: WorkshopFailure.self) {
            try Scene(.none) { $0.network = NetworkPolicy(.none) }
        }
        #expect(failure?.message.contains("bubblewrap") == true)
    }
}

extension Files {
    /// What a link of `/proc` says, which is no path.
    static func realLink(_ path: String) throws -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        let count = readlink(path, &buffer, buffer.count)
        guard count > 0 else { throw Errno(errno, "reading \(path)") }
        return String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
