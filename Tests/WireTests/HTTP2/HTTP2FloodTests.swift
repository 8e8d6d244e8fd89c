import System
import Testing

@testable import Wire

private let enhanceYourCalm: UInt32 = 11

@Suite struct HTTP2FloodTests {
    /// Sends what `frames` makes, up to `count` times; how often until the connection was ended with `code`.
    private func timesUntilEnd(
        _ peer: HTTP2Peer, count: Int = 2000, _ frames: (UInt32) -> [WireFrame]
    ) -> Int? {
        for i in 0..<count {
            peer.send(frames(UInt32(2 * i + 1)))
            if let code = peer.goaway, code != 0 { return code == enhanceYourCalm ? i + 1 : nil }
        }
        return nil
    }

    @Test("rapid reset ends the connection and runs nothing (CVE-2023-44487)")
    func rapidReset() throws {
        let peer = HTTP2Peer.ready()
        let times = try #require(timesUntilEnd(peer) { [.headers($0, Block.get), .reset($0)] })
        #expect(times == HTTP2Limits.resetsBurst + 1)
        #expect(peer.requests.isEmpty)
        #expect(peer.session.isFinished)
    }

    @Test("resets at an honest pace are free")
    func honestResets() {
        let peer = HTTP2Peer.ready()
        for i in 0..<1000 {
            peer.send(.headers(UInt32(2 * i + 1), Block.get), .reset(UInt32(2 * i + 1)))
            if i % 30 == 29 { peer.advance(seconds: 1) }
        }
        #expect(peer.goaway == nil)
    }

    @Test("work goes on counting after its stream was reset")
    func orphans() {
        let peer = HTTP2Peer.ready()
        let session = peer.session
        var taken = 0
        var refused = 0
        // A connection whose work cannot be called off: it never releases.
        for i in 0..<200 {
            let id = UInt32(2 * i + 1)
            withExactBytes(WireFrame.headers(id, Block.get).bytes) { session.receive($0, now: peer.now) }
            while let event = session.nextEvent() {
                guard case .request(let id) = event else { continue }
                _ = session.take(id)
                taken += 1
            }
            if i >= HTTP2Limits.streamsMax { refused += 1 }
            withExactBytes(WireFrame.reset(id).bytes) { session.receive($0, now: peer.now) }
            while session.nextEvent() != nil {}
            if i % 30 == 29 { peer.advance(seconds: 2) }
        }
        #expect(taken == HTTP2Limits.streamsMax)
        #expect(refused == 72)
        // As each ends, one more is taken.
        session.release(1)
        #expect(!peer.begin(3, framing: .none))
        peer.answers = false
        for id: UInt32 in [1001, 1003, 1005] { peer.send(.headers(id, Block.get)) }
        #expect(peer.requests.keys.sorted() == [1001, 1003])
        #expect(peer.resetCode(1005) == 7)
    }

    @Test("resets that the peer makes us send cost what its own do (CVE-2025-8671)")
    func madeYouReset() {
        let ways: [(String, (UInt32) -> [WireFrame])] = [
            ("window overflow", { [.headers($0, Block.get), .windowUpdate($0, 0x7FFF_FFFF)] }),
            (
                "length mismatch",
                {
                    [
                        .headers($0, Block.request("POST", [("content-length", "1")]), end: false),
                        .data($0, [1, 2]),
                    ]
                }
            ),
            ("malformed request", { [.headers($0, Block.request("GET", [("connection", "close")]))] }),
            (
                "trailers without an end",
                { [.headers($0, Block.post, end: false), .headers($0, Block.field("a", "b"), end: false)] }
            ),
            ("half-closed data", { [.headers($0, Block.get), .data($0, [1])] }),
        ]
        for (name, frames) in ways {
            let peer = HTTP2Peer.ready()
            peer.answers = false
            var ended = false
            for i in 0..<(HTTP2Limits.resetsBurst + 5) where !ended {
                peer.send(frames(UInt32(2 * i + 1)))
                ended = (peer.goaway ?? 0) != 0
            }
            #expect(ended, "\(name)")
        }
    }

    @Test("frames that move nothing end the connection", arguments: 0..<7)
    func controls(kind: Int) throws {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.post, end: false))
        let frames: [WireFrame] = [
            .settings([(3, 100)]), .ping(), .priority(3, on: 0), .windowUpdate(0, 1), .windowUpdate(1, 1),
            WireFrame(type: 0x42), .data(1),
        ]
        let times = try #require(timesUntilEnd(peer) { _ in [frames[kind]] })
        #expect(times <= HTTP2Limits.controlsBurst + 1)
        #expect(times >= HTTP2Limits.controlsBurst - 5)
    }

    @Test("frames that move nothing are free at an honest pace")
    func honestControls() {
        let peer = HTTP2Peer.ready()
        for _ in 0..<20 {
            for _ in 0..<90 { peer.send(.ping()) }
            peer.advance(seconds: 1)
        }
        #expect(peer.goaway == nil)
    }

    @Test("a client that opens its windows for each DATA frame of a large answer is honest")
    func windowUpdates() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        peer.send(.headers(1, Block.get))
        peer.answer(1, [UInt8](repeating: 0x61, count: 16_000_000))
        peer.turn()
        var rounds = 0
        while !peer.hasEnded(1), rounds < 2000 {
            rounds += 1
            peer.forget()
            peer.send(.windowUpdate(1, 16384), .windowUpdate(0, 16384))
        }
        #expect(peer.hasEnded(1) && rounds > 900)
        #expect(peer.goaway == nil)
    }

    @Test("a client that opens its window byte by byte is not")
    func tinyWindows() throws {
        let peer = HTTP2Peer.ready(settings: [(4, 0)])
        peer.answers = false
        peer.send(.headers(1, Block.get))
        peer.answer(1, [UInt8](repeating: 0x61, count: 16_000))
        peer.turn()
        let times = try #require(timesUntilEnd(peer) { _ in [.windowUpdate(1, 1)] })
        #expect(times <= HTTP2Limits.controlsBurst)
    }

    @Test("a CONTINUATION flood ends the connection, by number or by size (VU#421644)")
    func continuations() {
        let big = Block.field("x", String(repeating: "a", count: 12_000))
        for (payload, framesMax) in [([], HTTP2Limits.continuationsMax), (big, 2)] {
            let peer = HTTP2Peer.ready()
            peer.send(.headers(1, [], whole: false))
            for _ in 0..<framesMax { peer.send(.continuation(1, payload, whole: false)) }
            #expect(peer.goaway == nil)
            peer.send(.continuation(1, payload, whole: false))
            #expect(peer.goaway == enhanceYourCalm)
            #expect(peer.session.isFinished)
        }
    }

    /// One entry of 4000 bytes, then a byte for each further copy.
    private func bomb(copies: Int) -> [UInt8] {
        let entry = [0x40] + Block.string("a") + Block.string(String(repeating: "b", count: 3900))
        return Block.get + entry + [UInt8](repeating: 0x80 | 62, count: copies)
    }

    @Test("fields over the limit are answered with 431, however few bytes they came in")
    func largeSection() {
        let peer = HTTP2Peer.ready()
        for i in 0..<10 { peer.send(.headers(UInt32(2 * i + 1), bomb(copies: 10))) }
        for i in 0..<10 { #expect(peer.status(UInt32(2 * i + 1)) == ":status: 431") }
        #expect(peer.goaway == nil)
        #expect(peer.requests.isEmpty)
    }

    @Test("an HPACK bomb ends the connection when it is decoded to four times the limit")
    func hpackBomb() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, bomb(copies: 10_000)))
        #expect(peer.goaway == enhanceYourCalm)
        #expect(peer.session.isFinished)
        #expect(peer.requests.isEmpty)
    }

    @Test("a peer that does not read what it provokes is ended when too many frames wait")
    func unread() {
        let peer = HTTP2Peer.ready()
        let session = peer.session
        var now = peer.now
        var frames = 0
        // Slow enough for every budget, and its output is never collected.
        while frames < 5000, session.openStreams >= 0 {
            withExactBytes(WireFrame.ping().bytes) { session.receive($0, now: now) }
            now = now.advanced(milliseconds: 11)
            frames += 1
            if frames == HTTP2Limits.acknowledgementsMax + 10 { break }
        }
        peer.turn()
        #expect(peer.goaway == enhanceYourCalm)
    }

    @Test("a peer that makes us refuse more than it reads is ended too")
    func unreadRefusals() {
        let peer = HTTP2Peer()
        peer.answers = false
        peer.send(HTTP2Peer.preface, .settings())
        var refused = -HTTP2Limits.streamsMax
        var stream: UInt32 = 1
        var now = peer.now
        while peer.session.life == .open, refused < 5000 {
            // Slow enough for every budget.
            now = now.advanced(milliseconds: 250)
            withExactBytes(WireFrame.headers(stream, Block.get).bytes) { peer.session.receive($0, now: now) }
            stream += 2
            refused += 1
        }
        #expect(refused == HTTP2Limits.queuedFramesMax + 1)
        #expect(peer.session.life == .failed)
    }

    @Test("slips are forgiven slowly: three quarters of the budget ask the client to leave, all of it end it")
    func softStage() {
        let peer = HTTP2Peer.ready()
        var drained: Int?
        for i in 0..<(HTTP2Limits.slipsBurst + 1) {
            peer.send(.headers(UInt32(2 * i + 1), Block.request("GET", [("te", "x")])))
            if peer.goaway == 0, drained == nil { drained = i + 1 }
            if peer.goaway == enhanceYourCalm { break }
        }
        #expect(peer.goaway == enhanceYourCalm)
        // A malformed request is a slip for nghttp2's refusal and a reset for ours.
        #expect(drained.map { $0 > 50 && $0 <= 151 } == true)
    }

    @Test("a budget leaks with time and never below empty")
    func budget() {
        var budget = Glitches()
        var now = Instant(nanoseconds: 5_000_000_000)
        for _ in 0..<150 { #expect(budget.note(.reset, at: now) == .fine) }
        for _ in 0..<50 { #expect(budget.note(.reset, at: now) == .leave) }
        #expect(budget.note(.reset, at: now) == .close)
        #expect(budget.note(.slip, at: now) == .fine, "each kind has its own")
        now = now.advanced(milliseconds: 3_000_000_000)
        for _ in 0..<150 { #expect(budget.note(.reset, at: now) == .fine) }
        #expect(budget.note(.reset, at: now) == .leave)
        // A clock that went back changes nothing.
        #expect(budget.note(.reset, at: Instant(nanoseconds: 0)) == .leave)
    }
}
