import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

/// Sends of many sources in one turn, which leave together where the backend can.
@Suite("Sending together")
struct DepartureTests {
    private func attached(_ loop: Loop, _ descriptor: Int32, as kind: Loop.Kind = .stream) throws -> Recorder
    {
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: kind)
        return source
    }

    @Test("each of more sources than one call takes gets its own bytes", arguments: Loop.Backend.available)
    func manySources(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pairs = try (0..<(2 * Int(CE_SENDS_PER_CALL) + 7)).map { i in
            i % 3 == 0 ? try Pair.pipe() : try Pair.sockets()
        }
        // Of a pipe, the end that writes is `peer`.
        let sources = try pairs.enumerated().map { i, pair in
            i % 3 == 0 ? try attached(loop, pair.peer, as: .writer) : try attached(loop, pair.ours)
        }
        for (i, source) in sources.enumerated() {
            source.outbox.append("message \(i)")
            // Two pieces for every other one.
            if i % 2 == 0 { source.outbox.append(owned: OwnedBytes([UInt8](repeating: 7, count: 4096))) }
            source.wantsDrained = true
            loop.flushLater(source)
        }
        loop.turn(waitingAtMost: 0)
        for (i, pair) in pairs.enumerated() {
            let reader = i % 3 == 0 ? Pair(ours: pair.peer, peer: pair.ours) : pair
            let tail = [UInt8](repeating: 7, count: i % 2 == 0 ? 4096 : 0)
            #expect(reader.take() == Array("message \(i)".utf8) + tail)
            #expect(sources[i].events == [.drained])
        }
        #expect(loop.counters.writes == UInt64(sources.count))
        for (i, pair) in pairs.enumerated() { ce_close(i % 3 == 0 ? pair.ours : pair.peer) }
        loop.end()
    }

    @Test("more pieces than one batch takes leave in order", arguments: Loop.Backend.available)
    func manyPieces(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pairs = try (0..<80).map { _ in try Pair.sockets() }
        let sources = try pairs.map { try attached(loop, $0.ours) }
        let owned = (0..<60).map { OwnedBytes([UInt8](repeating: UInt8($0), count: 1024)) }
        for source in sources {
            for piece in owned { source.outbox.append(owned: piece) }
            loop.flushLater(source)
        }
        let expected = (0..<60).flatMap { [UInt8](repeating: UInt8($0), count: 1024) }
        var arrived = pairs.map { _ in [UInt8]() }
        for _ in 0..<20 {
            loop.turn(waitingAtMost: 0)
            for (i, pair) in pairs.enumerated() { arrived[i] += pair.take() }
        }
        #expect(arrived.allSatisfy { $0 == expected })
        for pair in pairs { ce_close(pair.peer) }
        loop.end()
    }

    @Test(
        "one that fails, one that is blocked and one that is done do not disturb each other",
        arguments: Loop.Backend.available)
    func mixedOutcomes(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (gone, full, fine) = (try Pair.pipe(), try Pair.sockets(), try Pair.sockets())
        ce_set_send_buffer(full.ours, 4096)
        let failing = try attached(loop, gone.peer, as: .writer)
        let blocked = try attached(loop, full.ours)
        let done = try attached(loop, fine.ours)
        ce_close(gone.ours)
        failing.outbox.append("nobody reads this")
        blocked.outbox.append([UInt8](repeating: 1, count: 1 << 20))
        done.outbox.append("fine")
        done.wantsDrained = true
        for source in [failing, blocked, done] { loop.flushLater(source) }
        #expect(loop.turn { !failing.events.isEmpty })
        #expect(failing.events == [.failed(EPIPE)])
        #expect(blocked.isBlocked && blocked.events.isEmpty)
        #expect(done.events == [.drained])
        #expect(fine.take() == Array("fine".utf8))
        var arrived = 0
        while arrived < 1 << 20 {
            arrived += full.take().count
            loop.turn(waitingAtMost: 0)
        }
        #expect(!blocked.isBlocked)
        ce_close(full.peer)
        ce_close(fine.peer)
        loop.end()
    }

    /// Does something when the loop asks for its last bytes.
    private final class Filling: Source {
        var fill: (() -> Void)?
        override func willFlush() { fill?() }
    }

    @Test(
        "whoever is asked for its last bytes may close others of the same flush, and mark them again",
        arguments: Loop.Backend.available)
    func callbacks(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pairs = try (0..<4).map { _ in try Pair.sockets() }
        let (early, late) = (try attached(loop, pairs[0].ours), try attached(loop, pairs[2].ours))
        let other = try attached(loop, pairs[3].ours)
        let filling = Filling(loop: loop)
        try loop.attach(filling, descriptor: pairs[1].ours, as: .stream)
        filling.fillsBeforeFlush = true
        filling.fill = {
            loop.close(early)
            loop.close(late)
            late.outbox.removeAll()
            other.outbox.append(" more")
            loop.flushLater(other)
            filling.outbox.append("filled")
        }
        for source in [early, late, other] {
            source.outbox.append("bytes")
            source.outbox.append(owned: OwnedBytes([UInt8](repeating: 1, count: 4096)))
        }
        for source: Source in [early, filling, late, other] { loop.flushLater(source) }
        loop.turn(waitingAtMost: 0)
        filling.fill = nil
        #expect(pairs[1].take() == Array("filled".utf8))
        #expect(pairs[2].take().isEmpty)
        let tail = pairs[3].take().suffix(5)
        #expect(tail == Array(" more".utf8)[...])
        #expect(early.events == [.detached] && late.events == [.detached])
        for pair in pairs { ce_close(pair.peer) }
        loop.end()
    }
}
