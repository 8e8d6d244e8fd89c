import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

/// What did not hold on a thread that no test is known to.
private struct Unmet: Error {
    let what: String
}

private func require(_ condition: Bool, _ what: String) throws {
    if !condition { throw Unmet(what: what) }
}

/// A thread with a table of descriptors of its own: what is opened and closed there, no other test sees. The limit
/// holds for the whole process, so that it stays well above what the others have open.
private enum Apart {
    static let limit: Int32 = 4096

    static func run(_ body: @escaping @Sendable () throws -> Void) throws {
        final class Box: @unchecked Sendable {
            var outcome: Result<Void, any Error> = .success(())
        }
        let box = Box()
        let thread = Thread {
            box.outcome = Result {
                try Errno.check(ce_unshare_descriptors(), "leaving the table of descriptors")
                try body()
            }
        }
        thread.wait()
        try box.outcome.get()
    }

    /// While `body` runs no descriptor from `limit` on is given out.
    static func limited(_ body: () throws -> Void) throws {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var old = rlimit()
        guard getrlimit(resource, &old) == 0 else { throw Errno(errno, "reading a limit") }
        var lower = rlimit(rlim_cur: rlim_t(limit), rlim_max: old.rlim_max)
        guard setrlimit(resource, &lower) == 0 else { throw Errno(errno, "setting a limit") }
        defer { setrlimit(resource, &old) }
        try body()
    }

    /// Takes every descriptor below the limit.
    static func fill(_ descriptor: Int32) -> [Int32] {
        var ballast: [Int32] = []
        while case let copy = dup(descriptor), copy >= 0 {
            guard copy < limit else {
                ce_close(copy)
                break
            }
            ballast.append(copy)
        }
        return ballast
    }
}

@Suite("Without descriptors", .serialized)
struct DescriptorLimitTests {
    @Test(
        "connections are refused at once, and accepted again later", arguments: Loop.Backend.available)
    func exhausted(_ backend: Loop.Backend) throws {
        try Apart.run {
            let loop = try Loop(index: 0, backend: backend)
            let (listener, port) = try Self.listening(loop)
            let clients = try (0..<10).map { _ in
                try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
            }
            var ballast = Apart.fill(listener.descriptor)
            for _ in 0..<3 { if let last = ballast.popLast() { ce_close(last) } }
            try Apart.limited {
                try require(loop.turn { !listener.acceptedDescriptors.isEmpty }, "some are accepted")
                try require(listener.acceptedDescriptors.count == 3, "three fit")
                try require(loop.counters.accepts_refused == 7, "the others are closed, not left waiting")
                try require(loop.staysAsleep(), "nothing waits")
                try require(loop.counters.accepts_muted == 0, "the listener goes on")
            }
            for copy in ballast { ce_close(copy) }
            let late = try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
            try require(loop.turn { listener.acceptedDescriptors.count == 4 }, "service goes on")
            for copy in clients + [late] + listener.acceptedDescriptors { ce_close(copy) }
            loop.end()
        }
    }

    @Test(
        "a listener that can neither accept nor refuse is muted, and wakes up by itself",
        arguments: Loop.Backend.available)
    func muted(_ backend: Loop.Backend) throws {
        try Apart.run {
            // Filled first, so that the poller's spare descriptor is above the limit: given up, it helps nobody.
            let null = try Errno.check(ce_open("/dev/null", O_RDONLY, 0), "opening")
            let ballast = Apart.fill(null)
            let loop = try Loop(index: 0, backend: backend)
            let (listener, port) = try Self.listening(loop)
            let client = try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
            try Apart.limited {
                try require(loop.turn { loop.counters.accepts_muted > 0 }, "muted")
                try require(listener.acceptedDescriptors.isEmpty, "nothing fits")
                let before = loop.counters
                // Two of its looks.
                for _ in 0..<2 { loop.turn(waitingAtMost: 5000) }
                let after = loop.counters
                try require(after.waits - before.waits == 2, "no spinning")
                try require(listener.acceptedDescriptors.isEmpty, "nothing fits")
            }
            try require(loop.turn { listener.acceptedDescriptors.count == 1 }, "the connection still waits")
            for copy in ballast + [client] + listener.acceptedDescriptors { ce_close(copy) }
            loop.end()
        }
    }

    private static func listening(_ loop: Loop) throws -> (source: Recorder, port: Int32) {
        let descriptor = try listen(host: "127.0.0.1", port: 0, backlog: 64, reusePort: false)
        let port = try localPort(of: descriptor)
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: .listener)
        return (source, Int32(port))
    }
}
