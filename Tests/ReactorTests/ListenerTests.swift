import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

@Suite("Listener")
struct ListenerTests {
    private func listening(_ loop: Loop) throws -> (source: Recorder, port: Int32) {
        let descriptor = try listen(host: "127.0.0.1", port: 0, backlog: 512, reusePort: true)
        let port = try localPort(of: descriptor)
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: .listener)
        return (source, Int32(port))
    }

    @Test(
        "a connection over loopback is accepted, non-blocking, and echoes",
        arguments: Loop.Backend.available)
    func echo(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (listener, port) = try listening(loop)
        let client = try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        #expect(loop.turn { !listener.acceptedDescriptors.isEmpty })
        let descriptor = listener.acceptedDescriptors[0]
        let (flags, descriptorFlags) = (fcntl(descriptor, F_GETFL), fcntl(descriptor, F_GETFD))
        #expect(flags & O_NONBLOCK != 0)
        #expect(descriptorFlags & FD_CLOEXEC != 0)
        var noDelay: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &noDelay, &length)
        #expect(noDelay == 1)
        let connection = Recorder(loop: loop)
        try loop.attach(connection, descriptor: descriptor, as: .stream)
        connection.then = { source, _ in
            source.outbox.append(source.bytes)
            loop.flushLater(source)
        }
        let pair = Pair(ours: descriptor, peer: client)
        pair.send("hello")
        #expect(loop.turn { connection.bytes.count == 5 })
        #expect(pair.take() == Array("hello".utf8))
        connection.then = nil
        ce_close(client)
        loop.end()
    }

    @Test(
        "at most 64 connections are accepted in a turn; the others come with the next",
        arguments: Loop.Backend.available)
    func bounded(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (listener, port) = try listening(loop)
        let clients = try (0..<100).map { _ in
            try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        }
        #expect(loop.turn { !listener.acceptedDescriptors.isEmpty })
        #expect(listener.acceptedDescriptors.count == 64)
        #expect(loop.turn { listener.acceptedDescriptors.count > 64 })
        #expect(listener.acceptedDescriptors.count == 100)
        for descriptor in clients + listener.acceptedDescriptors { ce_close(descriptor) }
        loop.end()
    }

    @Test(
        "addresses are literals or localhost",
        arguments: ["127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0"])
    func addresses(host: String) throws {
        let descriptor = Descriptor(owning: try listen(host: host, port: 0, backlog: 8, reusePort: false))
        #expect(try localPort(of: descriptor.raw) > 0)
    }

    @Test(
        "other hosts and ports out of range are refused, with the address in the error",
        arguments: [
            ("example.com", 80), ("127.0.0.1", 65536), ("127.0.0.1", -1), ("", 80), ("127.0.0.1\0", 0),
        ])
    func badAddresses(host: String, port: Int) {
        #expect(throws: Errno(EINVAL, "listening on \(host):\(port)")) {
            try listen(host: host, port: port, backlog: 8, reusePort: false)
        }
    }

    @Test("a port that is taken is refused; with reusePort on both sides it is shared")
    func takenPort() throws {
        let first = Descriptor(owning: try listen(host: "127.0.0.1", port: 0, backlog: 8, reusePort: true))
        let port = try localPort(of: first.raw)
        #expect(throws: Errno(EADDRINUSE, "listening on 127.0.0.1:\(port)")) {
            try listen(host: "127.0.0.1", port: port, backlog: 8, reusePort: false)
        }
        let second = Descriptor(
            owning: try listen(host: "127.0.0.1", port: port, backlog: 8, reusePort: true))
        #expect(try localPort(of: second.raw) == port)
    }
}
