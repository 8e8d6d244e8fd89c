import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

extension Recorder {
    fileprivate var waiting: Int { outbox.count }
}

@Suite("Sending at once")
struct FlushNowTests {
    private func attached(_ loop: Loop, _ descriptor: Int32) throws -> Recorder {
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: .stream)
        return source
    }

    @Test("what is sent at once has left before the turn ends, and the turn sends nothing more")
    func atOnce() throws {
        // io_uring sends it with the others of the turn.
        let loop = try Loop(index: 0, backend: .epoll)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.outbox.append("answer")
        loop.flushNow(source)
        #expect(pair.take() == Array("answer".utf8))
        #expect(source.waiting == 0 && !source.isDirty)
        loop.turns(3)
        #expect(loop.counters.writes == 1 && source.events.isEmpty)
        ce_close(pair.peer)
        loop.end()
    }

    @Test(
        "what does not fit follows when the peer reads, in order", arguments: Loop.Backend.available)
    func partial(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        let expected = Random.bytes(1 << 20)
        source.outbox.append(expected)
        loop.flushNow(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.isBlocked && source.waiting > 0)
        source.outbox.append("end")
        loop.flushNow(source)
        var arrived: [UInt8] = []
        while arrived.count < expected.count + 3 {
            loop.turn(waitingAtMost: 0)
            arrived += pair.take()
        }
        #expect(arrived == expected + Array("end".utf8))
        #expect(source.waiting == 0)
        ce_close(pair.peer)
        loop.end()
    }

    @Test(
        "a peer that is gone is told by the loop, not in the middle of the sender's work",
        arguments: Loop.Backend.available)
    func failure(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.then = { source, event in
            if case .failed = event { loop.close(source) }
        }
        ce_close(pair.peer)
        source.outbox.append("answer")
        loop.flushNow(source)
        #expect(source.events.isEmpty)
        #expect(loop.turn { source.events.contains(.detached) })
        #expect(source.events.contains { if case .failed = $0 { true } else { false } })
        loop.end()
    }

    @Test(
        "whoever waits to be told of the end is told by the loop", arguments: Loop.Backend.available)
    func drained(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.wantsDrained = true
        source.outbox.append("last")
        loop.flushNow(source)
        #expect(source.events.isEmpty)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.drained])
        #expect(pair.take() == Array("last".utf8))
        ce_close(pair.peer)
        loop.end()
    }

    /// Turns each byte over.
    private final class Inverter: StreamFilter {
        override func flush(_ plain: inout Outbox, now: Instant) {
            let bytes = plain.takeAll().withBytes { $0.map { ~$0 } }
            wire.append(bytes)
        }
    }

    @Test(
        "nothing goes past a filter", arguments: Loop.Backend.available)
    func filtered(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.filter = Inverter(for: source, loop: loop)
        source.outbox.append("secret")
        loop.flushNow(source)
        #expect(pair.take().isEmpty)
        loop.turn(waitingAtMost: 0)
        #expect(pair.take() == "secret".utf8.map { ~$0 })
        ce_close(pair.peer)
        loop.end()
    }
}
