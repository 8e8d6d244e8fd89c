import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

@Suite("Streams")
struct StreamTests {
    private func attached(
        _ loop: Loop, _ descriptor: Int32, as kind: Loop.Kind = .stream
    ) throws -> Recorder {
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: kind)
        return source
    }

    @Test("bytes arrive, and the answer leaves at the end of the turn", arguments: Loop.Backend.available)
    func echo(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.then = { source, event in
            guard case .received = event else { return }
            source.outbox.append(source.bytes)
            loop.flushLater(source)
            loop.flushLater(source)
        }
        pair.send("ping")
        #expect(loop.turn { !source.events.isEmpty })
        #expect(source.events == [.received(4)])
        loop.turn(waitingAtMost: 0)
        #expect(pair.take() == Array("ping".utf8))
        #expect(loop.counters.writes == 1)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("all that was appended in a turn leaves by one system call", arguments: Loop.Backend.available)
    func oneWrite(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        for _ in 0..<50 {
            source.outbox.append("line\n")
            loop.flushLater(source)
        }
        loop.turn(waitingAtMost: 0)
        #expect(loop.counters.writes == 1)
        #expect(pair.take().count == 250)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("10 MiB pass through a tiny send buffer, byte for byte", arguments: Loop.Backend.available)
    func partialWrites(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        let block = Random.bytes(1 << 20)
        var expected: [UInt8] = []
        for round in 0..<10 {
            let piece = block.map { $0 &+ UInt8(round) }
            if round % 2 == 0 {
                source.outbox.append(piece)
            } else {
                source.outbox.append(owned: OwnedBytes(piece))
            }
            expected += piece
        }
        source.wantsDrained = true
        loop.flushLater(source)
        var arrived: [UInt8] = []
        while arrived.count < expected.count {
            loop.turn(waitingAtMost: 0)
            let piece = pair.take()
            if piece.isEmpty, source.events.contains(.drained) { break }
            arrived += piece
        }
        loop.turns(2)
        #expect(arrived == expected)
        #expect(source.events == [.drained])
        let waits = loop.counters.waits
        let writes = loop.counters.writes
        loop.turns(10)
        #expect(loop.counters.waits == waits + 10)
        #expect(loop.counters.writes == writes)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("a writability event is asked for only while bytes wait")
    func disarm() throws {
        let loop = try Loop(index: 0, backend: .epoll)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        source.outbox.append([UInt8](repeating: 1, count: 1 << 20))
        loop.flushLater(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.isBlocked)
        // Dropped instead of sent: the event that still comes must be the last.
        source.outbox.removeAll()
        while !pair.take().isEmpty {}
        #expect(loop.turn { !source.isBlocked })
        #expect(loop.staysAsleep())
        ce_close(pair.peer)
        loop.end()
    }

    @Test("an end of file is told once, and the writing side stays usable", arguments: Loop.Backend.available)
    func halfClose(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.tcp()
        let source = try attached(loop, pair.ours)
        pair.send("request")
        ce_shutdown_write(pair.peer)
        #expect(loop.turn { source.events.contains(.ended) })
        #expect(source.events == [.received(7), .ended])
        loop.turns(5)
        #expect(source.events == [.received(7), .ended])
        source.outbox.append("answer")
        loop.flushLater(source)
        loop.turn(waitingAtMost: 0)
        #expect(pair.take() == Array("answer".utf8))
        // The ended source must not keep the loop awake.
        #expect(loop.staysAsleep())
        pair.resetPeer()
        #expect(loop.turn { source.events.count == 3 })
        guard case .failed = source.events.last else {
            Issue.record("no failure after the reset: \(source.events)")
            return
        }
        loop.close(source)
        loop.end()
        #expect(source.events.last == .detached)
    }

    @Test(
        "a peer that has closed both directions is noticed while an answer is pending",
        arguments: Loop.Backend.available)
    func fullClose(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        pair.send("request")
        ce_close(pair.peer)
        #expect(loop.turn { source.events.count == 3 })
        #expect(source.events == [.received(7), .ended, .failed(EPIPE)])
        #expect(loop.staysAsleep())
        #expect(source.events.count == 3)
        loop.end()
    }

    @Test(
        "a reset is noticed while the connection is idle", arguments: Loop.Backend.available, [false, true])
    func reset(_ backend: Loop.Backend, isPaused: Bool) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.tcp()
        let source = try attached(loop, pair.ours)
        if isPaused { loop.pauseReading(source) }
        loop.turn(waitingAtMost: 0)
        pair.resetPeer()
        #expect(loop.turn { !source.events.isEmpty })
        #expect(source.events == [.failed(ECONNRESET)])
        // Watched no more, not even by level-triggered errors; a failure is told once.
        source.outbox.append("answer")
        loop.flushLater(source)
        loop.turns(3)
        #expect(source.events == [.failed(ECONNRESET)])
        loop.close(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.failed(ECONNRESET), .detached])
        loop.end()
    }

    @Test("bytes before a reset are delivered before the failure", arguments: Loop.Backend.available)
    func bytesBeforeReset(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.tcp()
        let source = try attached(loop, pair.ours)
        pair.send("last words")
        #expect(loop.turn { !source.events.isEmpty })
        pair.send("and more")
        pair.resetPeer()
        #expect(loop.turn { source.events.contains(.failed(ECONNRESET)) })
        #expect(source.bytes.starts(with: Array("last words".utf8)))
        loop.end()
    }

    @Test(
        "while reading is paused nothing is delivered; afterwards everything is, and then the end",
        arguments: Loop.Backend.available)
    func pause(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        for pair in [try Pair.pipe(), try Pair.sockets()] {
            let source = try attached(loop, pair.ours)
            loop.pauseReading(source)
            pair.send("kept")
            ce_close(pair.peer)
            loop.turns(3)
            #expect(source.events.isEmpty)
            // The writer is gone, which epoll cannot be told to keep quiet about: the loop must sleep still.
            #expect(loop.staysAsleep())
            loop.resumeReading(source)
            #expect(loop.turn { source.events.contains(.ended) })
            #expect(source.bytes == Array("kept".utf8))
            loop.close(source)
            loop.turns(1)
        }
        loop.end()
    }

    @Test(
        "a pause in the middle of an event stops the reads of that event", arguments: Loop.Backend.available)
    func pauseWhileReading(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.pipe()
        ce_set_pipe_size(pair.peer, 1 << 20)
        let source = try attached(loop, pair.ours)
        source.then = { source, _ in loop.pauseReading(source) }
        let bytes = Random.bytes(200_000)
        _ = ce_write_all(pair.peer, bytes, bytes.count)
        loop.turns(3)
        let first = source.bytes.count
        #expect(source.events == [.received(first)])
        #expect(first > 0 && first <= 65536)
        source.then = nil
        loop.resumeReading(source)
        #expect(loop.turn { source.bytes.count == 200_000 })
        #expect(source.bytes == bytes)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("a pipe whose writer is gone ends once and costs nothing after", arguments: Loop.Backend.available)
    func pipeEnd(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.pipe()
        let source = try attached(loop, pair.ours)
        pair.send("output\n")
        ce_close(pair.peer)
        #expect(loop.turn { source.events.contains(.ended) })
        #expect(loop.staysAsleep())
        #expect(source.events == [.received(7), .ended])
        loop.end()
    }

    @Test(
        "one source gets at most four buffers in a turn, so that others have theirs",
        arguments: Loop.Backend.available)
    func fairness(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (busy, quiet) = (try Pair.pipe(), try Pair.pipe())
        ce_set_pipe_size(busy.peer, 1 << 20)
        let bytes = Random.bytes(1 << 20)
        _ = ce_write_all(busy.peer, bytes, bytes.count)
        let first = try attached(loop, busy.ours)
        let second = try attached(loop, quiet.ours)
        quiet.send("x")
        #expect(loop.turn { !second.events.isEmpty })
        #expect(first.bytes.count <= 4 * 65536)
        if backend == .epoll { #expect(first.bytes.count == 4 * 65536) }
        #expect(second.events == [.received(1)])
        #expect(loop.turn { first.bytes.count == bytes.count })
        #expect(first.bytes == bytes)
        ce_close(busy.peer)
        ce_close(quiet.peer)
        loop.end()
    }

    @Test("a writer learns that its reader is gone, without writing", arguments: Loop.Backend.available)
    func readerGone(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.pipe()
        let source = try attached(loop, pair.peer, as: .writer)
        loop.turns(1)
        #expect(source.events.isEmpty)
        ce_close(pair.ours)
        #expect(loop.turn { !source.events.isEmpty })
        #expect(source.events == [.failed(EPIPE)])
        loop.turns(3)
        #expect(source.events == [.failed(EPIPE)])
        loop.end()
    }

    @Test(
        "closing after the flush sends all that waits, then ends the connection",
        arguments: Loop.Backend.available)
    func closeAfterFlush(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        source.outbox.append([UInt8](repeating: 7, count: 300_000))
        loop.closeAfterFlush(source)
        pair.send("too late")
        var arrived = 0
        while !source.events.contains(.detached) {
            loop.turn(waitingAtMost: 0)
            arrived += pair.take().count
        }
        while case let piece = pair.take(), !piece.isEmpty { arrived += piece.count }
        #expect(arrived == 300_000)
        #expect(source.events == [.detached])
        var byte: UInt8 = 0
        #expect(ce_read(pair.peer, &byte, 1) == 0)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("closing after the flush of an empty outbox closes in this turn", arguments: Loop.Backend.available)
    func closeAfterEmptyFlush(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.pipe()
        let source = try attached(loop, pair.peer, as: .writer)
        loop.closeAfterFlush(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.detached])
        var byte: UInt8 = 0
        #expect(ce_read(pair.ours, &byte, 1) == 0)
        ce_close(pair.ours)
        loop.end()
    }

    @Test("after our end the peer's bytes still arrive", arguments: Loop.Backend.available)
    func shutdownWriting(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.tcp()
        let source = try attached(loop, pair.ours)
        source.outbox.append("bye")
        loop.shutdownWriting(source)
        loop.turn(waitingAtMost: 0)
        #expect(pair.take() == Array("bye".utf8))
        var byte: UInt8 = 0
        #expect(ce_read(pair.peer, &byte, 1) == 0)
        pair.send("still here")
        #expect(loop.turn { !source.events.isEmpty })
        #expect(source.bytes == Array("still here".utf8))
        ce_close(pair.peer)
        #expect(loop.turn { source.events.contains(.ended) })
        loop.end()
    }

    @Test("the soft limit is told, the hard limit ends the source", arguments: Loop.Backend.available)
    func limits(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        source.outboxSoftBytes = 50_000
        source.outboxHardBytes = 500_000
        source.outbox.append([UInt8](repeating: 0, count: 400_000))
        loop.flushLater(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.isOverSoftLimit)
        #expect(source.events.isEmpty)
        source.outbox.append([UInt8](repeating: 0, count: 400_000))
        loop.flushLater(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.overflowed, .detached])
        #expect(!source.isOverSoftLimit)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("a source may take an overflow into its own hands", arguments: Loop.Backend.available)
    func overriddenOverflow(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let source = try attached(loop, pair.ours)
        source.closesOnOverflow = false
        source.outboxHardBytes = 1000
        source.outbox.append([UInt8](repeating: 0, count: 400_000))
        loop.flushLater(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.overflowed])
        #expect(source.isAttached)
        ce_close(pair.peer)
        loop.end()
    }

    @Test("more pieces than one call takes leave all the same", arguments: Loop.Backend.available)
    func manyPieces(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.pipe()
        ce_set_pipe_size(pair.peer, 1 << 20)
        let source = try attached(loop, pair.peer, as: .writer)
        let owned = OwnedBytes([UInt8](repeating: 3, count: 4096))
        for _ in 0..<200 { source.outbox.append(owned: owned) }
        loop.flushLater(source)
        #expect(loop.turn { source.outbox.isEmpty })
        let arrived = [UInt8](unsafeUninitializedCapacity: 1 << 20) { room, count in
            count = Int(ce_read(pair.ours, room.baseAddress, 1 << 20))
        }
        #expect(arrived.count == 200 * 4096)
        ce_close(pair.ours)
        loop.end()
    }
}
