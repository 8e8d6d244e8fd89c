import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

/// What a completion backend adds: the kernel works on memory of ours, and reads ahead.
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
        // The end arrives behind what had left: nothing in the kernel keeps the socket open.
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
        "a detached descriptor keeps the order of bytes, read ahead or not",
        arguments: Loop.Backend.available)
    func detachUnread(_ backend: Loop.Backend) throws {
        let (loop, other) = (try Loop(index: 0, backend: backend), try Loop(index: 1, backend: backend))
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        loop.turns(2)
        pair.send("first ")
        // One event is delivered; what comes after the pause is the kernel's or the poller's to keep.
        #expect(loop.turn { !source.events.isEmpty })
        loop.pauseReading(source)
        pair.send("second ")
        pair.send("third ")
        loop.turns(3)
        let (descriptor, unread) = loop.detach(source)
        pair.send("fourth")
        let moved = try attached(other, descriptor)
        let ahead = unread.map { owned in withExtendedLifetime(owned) { Array(owned.bytes) } } ?? []
        let expected = Array("second third fourth".utf8)
        #expect(other.turn { ahead.count + moved.bytes.count == expected.count })
        #expect(source.bytes == Array("first ".utf8))
        #expect(ahead + moved.bytes == expected)
        ce_close(pair.peer)
        loop.end()
        other.end()
    }

    @Test("bytes that the kernel has already taken are handed over with the descriptor")
    func detachInBatch() throws {
        guard Loop.Backend.available.contains(.uring) else { return }
        let loop = try Loop(index: 0, backend: .uring)
        let (first, second) = (try Pair.sockets(), try Pair.sockets())
        let sources = [try attached(loop, first.ours), try attached(loop, second.ours)]
        loop.turns(2)
        var unread: [UInt8] = []
        var descriptor: Int32 = -1
        // Whichever comes first gives the other away, whose bytes are in the same batch.
        for (i, source) in sources.enumerated() {
            source.then = { _, _ in
                guard descriptor < 0 else { return }
                let taken = loop.detach(sources[1 - i])
                descriptor = taken.descriptor
                unread =
                    taken.unread.map { owned in withExtendedLifetime(owned) { Array(owned.bytes) } } ?? []
            }
        }
        first.send("bytes")
        second.send("bytes")
        #expect(loop.turn { descriptor >= 0 })
        #expect(unread == Array("bytes".utf8))
        for source in sources { source.then = nil }
        for leftover in [descriptor, first.peer, second.peer] { ce_close(leftover) }
        loop.end()
    }

    @Test(
        "bytes that left of a send under way are not sent again after a detach",
        arguments: Loop.Backend.available)
    func detachWhileSending(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = try attached(loop, pair.ours)
        let bytes = Random.bytes(2 << 20)
        source.outbox.append(owned: OwnedBytes(bytes))
        loop.flushLater(source)
        loop.turns(3)
        let (descriptor, _) = loop.detach(source)
        try loop.attach(source, descriptor: descriptor, as: .stream)
        var arrived: [UInt8] = []
        while arrived.count < bytes.count {
            let piece = pair.take()
            arrived += piece
            if piece.isEmpty, source.outbox.isEmpty { break }
            loop.turn(waitingAtMost: 0)
        }
        let isSame = arrived == bytes
        #expect(isSame, "\(arrived.count) bytes of \(bytes.count)")
        ce_close(pair.peer)
        loop.end()
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

    @Test("connections accepted ahead are closed with their listener", arguments: Loop.Backend.available)
    func listenerClosedInBatch(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let descriptor = try listen(host: "127.0.0.1", port: 0, backlog: 128, reusePort: false)
        let port = Int32(try localPort(of: descriptor))
        let listener = Recorder(loop: loop)
        try loop.attach(listener, descriptor: descriptor, as: .listener)
        loop.turns(2)
        let clients = try (0..<100).map { _ in
            try Errno.check(ce_connect_tcp("127.0.0.1", port), "connecting")
        }
        #expect(loop.turn { !listener.acceptedDescriptors.isEmpty })
        let accepted = listener.acceptedDescriptors
        #expect(accepted.count <= Int(CE_ACCEPTS_PER_TURN))
        loop.close(listener)
        loop.turns(2)
        #expect(listener.acceptedDescriptors == accepted)
        // Nobody is left hanging: each of the others sees an end or a reset.
        for fd in accepted { ce_close(fd) }
        var byte: UInt8 = 0
        for client in clients {
            #expect(ce_read(client, &byte, 1) <= 0)
            ce_close(client)
        }
        loop.end()
    }
}
