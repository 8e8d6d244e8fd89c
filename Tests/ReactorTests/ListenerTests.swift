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
        "a connection over loopback is accepted, non-blocking, and echoes", arguments: Loop.Backend.available)
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
        loop.turnAndHandOver()
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
        "without free descriptors connections are refused at once, and accepted again later",
        arguments: Loop.Backend.available)
    func exhausted(_ backend: Loop.Backend) async {
        // In a process of its own: the limit holds for a whole process.
        switch backend {
        case .epoll: await #expect(processExitsWith: .success) { try Self.runExhausted(.epoll) }
        case .uring: await #expect(processExitsWith: .success) { try Self.runExhausted(.uring) }
        }
    }

    private static func runExhausted(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let descriptor = try listen(host: "127.0.0.1", port: 0, backlog: 64, reusePort: false)
        let port = Int32(try localPort(of: descriptor))
        let listener = Recorder(loop: loop)
        try loop.attach(listener, descriptor: descriptor, as: .listener)
        let clients = try (0..<10).map { _ in
            try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        }
        // Everything that is free below the limit is taken, but for three.
        var limit = rlimit(rlim_cur: 256, rlim_max: 256)
        precondition(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
        var ballast: [Int32] = []
        while case let copy = dup(descriptor), copy >= 0 { ballast.append(copy) }
        for _ in 0..<3 { if let last = ballast.popLast() { ce_close(last) } }
        precondition(loop.turn { !listener.acceptedDescriptors.isEmpty }, "some are accepted")
        precondition(listener.acceptedDescriptors.count == 3, "three fit")
        precondition(loop.counters.accepts_refused == 7, "the others are closed, not left waiting")
        // Nothing waits: the loop sleeps.
        precondition(loop.staysAsleep(), "no spinning")
        for copy in ballast { ce_close(copy) }
        let late = try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        precondition(loop.turn { listener.acceptedDescriptors.count == 4 }, "service goes on")
        for copy in clients + [late] + listener.acceptedDescriptors { ce_close(copy) }
        loop.end()
    }

    @Test(
        "a listener that can neither accept nor refuse is muted, and wakes up by itself",
        arguments: Loop.Backend.available)
    func muted(_ backend: Loop.Backend) async {
        // In a process of its own: the limit holds for a whole process.
        switch backend {
        case .epoll: await #expect(processExitsWith: .success) { try Self.runMuted(.epoll) }
        case .uring: await #expect(processExitsWith: .success) { try Self.runMuted(.uring) }
        }
    }

    private static func runMuted(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let descriptor = try listen(host: "127.0.0.1", port: 0, backlog: 64, reusePort: false)
        let port = Int32(try localPort(of: descriptor))
        let listener = Recorder(loop: loop)
        try loop.attach(listener, descriptor: descriptor, as: .listener)
        let client = try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        // A limit of 0 lets nothing be opened, not even in place of the spare descriptor.
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var old = rlimit()
        precondition(getrlimit(resource, &old) == 0)
        var none = rlimit(rlim_cur: 0, rlim_max: old.rlim_max)
        precondition(setrlimit(resource, &none) == 0)
        precondition(loop.turn { loop.counters.accepts_muted > 0 }, "no descriptor is left")
        precondition(listener.acceptedDescriptors.isEmpty)
        precondition(loop.counters.accepts_muted == 1, "muted once")
        let waits = loop.counters.waits
        let start = Instant.now()
        while Instant.now().milliseconds(since: start) < 150 { loop.turn(waitingAtMost: 5000) }
        precondition(loop.counters.waits - waits <= 5, "no spinning")
        precondition(setrlimit(resource, &old) == 0)
        precondition(loop.turn { listener.acceptedDescriptors.count == 1 }, "the connection still waits")
        ce_close(client)
        for accepted in listener.acceptedDescriptors { ce_close(accepted) }
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
