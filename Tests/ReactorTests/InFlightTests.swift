import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

/// What a backend that acts by itself may get wrong: it reads ahead, and holds on to descriptors.
@Suite("Operations in flight")
struct InFlightTests {
    private func attached(
        _ loop: Loop, _ descriptor: Int32, as kind: Loop.Kind = .stream
    ) throws -> Recorder {
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: kind)
        return source
    }

    /// More than any socket or pipe here takes at once.
    private static let large = [UInt8](repeating: 7, count: 4 << 20)

    @Test(
        "a source closed while the kernel sends is gone at the end of the turn",
        arguments: Loop.Backend.available)
    func closeWhileSending(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        source.outbox.append(owned: OwnedBytes(Self.large))
        loop.flushLater(source)
        loop.turns(3)
        #expect(source.isBlocked)
        loop.close(source)
        loop.turn(waitingAtMost: 0)
        #expect(source.events == [.detached])
        let isEmpty = source.outbox.isEmpty
        #expect(isEmpty)
        // The end arrives behind what had left: nothing in the kernel keeps the connection open.
        while case let piece = pair.take(), !piece.isEmpty {}
        var byte: UInt8 = 0
        #expect(ce_read(pair.peer, &byte, 1) == 0)
        ce_close(pair.peer)
        loop.end()
    }

    @Test(
        "an outbox may be emptied when its reader is gone in the middle of a send",
        arguments: Loop.Backend.available)
    func emptiedInFailure(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.tcp()
        let source = try attached(loop, pair.ours)
        source.then = { source, event in
            if case .failed = event { source.outbox.removeAll() }
        }
        source.outbox.append(Self.large)
        source.outbox.append(owned: OwnedBytes(Self.large))
        loop.flushLater(source)
        loop.turns(3)
        #expect(source.isBlocked)
        pair.resetPeer()
        #expect(loop.turn { source.events.count == 1 && source.outbox.isEmpty })
        guard case .failed = source.events.first else {
            Issue.record("no failure: \(source.events)")
            return
        }
        // Told once, and what is appended later goes nowhere.
        source.outbox.append("late")
        loop.flushLater(source)
        loop.turns(3)
        #expect(source.events.count == 1)
        source.then = nil
        loop.close(source)
        loop.end()
        #expect(source.events.last == .detached)
    }

    @Test(
        "more sources than there are buffers and ring entries all get their bytes",
        arguments: Loop.Backend.available)
    func manySources(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let count = 2 * Int(CE_RING_BUFFERS) + 50
        let pairs = try (0..<count).map { _ in try Pair.sockets() }
        let sources = try pairs.map { try attached(loop, $0.ours) }
        for round in 1...3 {
            for (i, pair) in pairs.enumerated() { pair.send("message \(i) ") }
            #expect(loop.turn { sources.allSatisfy { $0.bytes.count >= round * 10 } })
        }
        #expect(
            loop.turn {
                sources.enumerated().allSatisfy { i, source in
                    source.bytes == Array(String(repeating: "message \(i) ", count: 3).utf8)
                }
            })
        for pair in pairs { ce_close(pair.peer) }
        loop.end()
    }

    @Test(
        "a socket that floods gets at most its share of each turn, and loses nothing",
        arguments: Loop.Backend.available)
    func flood(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.peer, 4 << 20)
        ce_set_nonblocking(pair.peer, 1)
        let source = try attached(loop, pair.ours)
        let bytes = Random.bytes(6 << 20)
        var sent = 0
        var most = 0
        while source.bytes.count < bytes.count {
            if sent < bytes.count {
                let put = bytes[sent...].withUnsafeBytes { write(pair.peer, $0.baseAddress, $0.count) }
                sent += max(put, 0)
            }
            let before = source.bytes.count
            loop.turn(waitingAtMost: 0)
            most = max(most, source.bytes.count - before)
            if before == bytes.count { break }
        }
        let isSame = source.bytes == bytes
        #expect(isSame, "\(source.bytes.count) bytes of \(bytes.count)")
        #expect(most <= Int(CE_READS_PER_TURN * CE_SCRATCH_BYTES))
        #expect(most > 0)
        ce_close(pair.peer)
        loop.end()
    }

    @Test(
        "a pause holds back what the kernel has read, and then the end, in order",
        arguments: Loop.Backend.available)
    func pauseInFlood(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.peer, 1 << 20)
        let source = try attached(loop, pair.ours)
        loop.turns(2)
        let bytes = Random.bytes(400_000)
        ce_set_nonblocking(pair.peer, 1)
        let put = write(pair.peer, bytes, bytes.count)
        #expect(put > 65_536)
        ce_close(pair.peer)
        // Paused after each buffer, and resumed a few turns later.
        source.then = { source, event in
            if case .received = event { loop.pauseReading(source) }
        }
        var rounds = 0
        while !source.events.contains(.ended), rounds < 1000 {
            loop.turns(2)
            let before = source.events.count
            loop.turns(1)
            if source.isReadingPaused { #expect(source.events.count == before) }
            loop.resumeReading(source)
            rounds += 1
        }
        let isSame = source.bytes.elementsEqual(bytes.prefix(put))
        #expect(isSame, "\(source.bytes.count) bytes of \(put) in \(rounds) rounds")
        #expect(source.events.firstIndex(of: .ended) == source.events.lastIndex(of: .ended))
        source.then = nil
        loop.end()
    }

    @Test(
        "a peer that left during a pause is told of in order: its bytes, its end, its absence",
        arguments: Loop.Backend.available)
    func leftDuringPause(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        loop.turns(2)
        loop.pauseReading(source)
        loop.turns(2)
        pair.send("last words")
        ce_close(pair.peer)
        loop.turns(3)
        #expect(source.events.isEmpty)
        loop.resumeReading(source)
        #expect(loop.turn { source.events.count == 3 })
        #expect(source.events == [.received(10), .ended, .failed(EPIPE)])
        loop.turns(3)
        #expect(source.events.count == 3)
        loop.end()
    }
}
