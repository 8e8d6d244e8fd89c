import Testing
import Wire

private let enhanceYourCalm: UInt32 = 11

@Suite struct HTTP2LifeTests {
    // MARK: Deadlines

    @Test("a client that never sends SETTINGS is ended after 10 s, half a preface or not")
    func noSettings() {
        for bytes in [[], Array(HTTP2Peer.preface.prefix(10)), HTTP2Peer.preface] {
            let peer = HTTP2Peer()
            peer.send(bytes: bytes)
            peer.advance(seconds: 10)
            #expect(peer.goaway == nil)
            peer.advance(seconds: 1)
            #expect(peer.goaway == 4)
            #expect(peer.session.isFinished)
        }
    }

    @Test("a field section that does not end is ended after 10 s, wherever it stops")
    func halfHead() {
        let starts: [[UInt8]] = [
            WireFrame.headers(1, Block.get, whole: false).bytes,
            Array(WireFrame.headers(1, Block.get).bytes.dropLast()),
            WireFrame.headers(1, [], whole: false).bytes + WireFrame.continuation(1, [0], whole: false).bytes,
        ]
        for bytes in starts {
            let peer = HTTP2Peer.ready()
            peer.advance(seconds: 100)
            peer.send(bytes: bytes)
            peer.advance(seconds: 10)
            #expect(peer.goaway == nil)
            peer.advance(seconds: 1)
            #expect(peer.goaway == enhanceYourCalm)
        }
    }

    @Test("refused and malformed heads leave no deadline behind")
    func noStaleDeadline() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.request("GET", [("te", "x")])))
        peer.advance(seconds: 60)
        #expect(peer.goaway == nil)
        #expect(peer.isAlive)
    }

    @Test("a body that does not come is answered with 408, later for a longer one")
    func slowBody() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.request("POST", [("content-length", "10")]), end: false))
        peer.send(.headers(3, Block.request("POST", [("content-length", "163840")]), end: false))
        peer.advance(seconds: 30)
        #expect(peer.heads.isEmpty)
        peer.advance(seconds: 1)
        #expect(peer.status(1) == ":status: 408")
        #expect(peer.status(3) == nil)
        peer.advance(seconds: 10)
        #expect(peer.status(3) == ":status: 408")
        #expect(peer.isAlive)
    }

    @Test("a body that waits for its turn is not late; its time runs from then")
    func waitingBody() {
        let peer = HTTP2Peer.ready()
        for stream: UInt32 in [1, 3, 5] {
            peer.send(.headers(stream, Block.request("POST", [("content-length", "\(4 << 20)")]), end: false))
        }
        peer.advance(seconds: 286)
        #expect(peer.heads.isEmpty)
        peer.advance(seconds: 1)
        #expect(peer.status(1) == ":status: 408" && peer.status(3) == ":status: 408")
        peer.advance(seconds: 286)
        #expect(peer.status(5) == nil)
        peer.advance(seconds: 1)
        #expect(peer.status(5) == ":status: 408")
    }

    @Test("an answer that makes no progress for 30 s is reset, and its writer hears of it")
    func stalled() {
        let peer = HTTP2Peer.ready(settings: [(4, 0)])
        peer.answers = false
        peer.send(.headers(1, Block.get), .headers(3, Block.get), .headers(5, Block.get))
        peer.answer(1, Array("hello".utf8))
        peer.begin(3, framing: .chunked)
        peer.write(3, "event")
        peer.begin(5, framing: .chunked)
        peer.turn()
        peer.advance(seconds: 30)
        #expect(peer.resetCode(1) == nil && peer.resetCode(3) == nil)
        peer.advance(seconds: 1)
        #expect(peer.resetCode(1) == 8 && peer.resetCode(3) == 8)
        #expect(peer.events.contains(.reset(3, .cancel)) && !peer.events.contains(.reset(1, .cancel)))
        // An idle stream has nothing to get on with.
        peer.advance(seconds: 600)
        #expect(peer.resetCode(5) == nil)
        #expect(!peer.session.write(3) { $0.append("late") })
    }

    @Test("a byte now and then is no progress; a kilobyte is")
    func dribble() {
        let peer = HTTP2Peer.ready(settings: [(4, 0)])
        peer.answers = false
        peer.send(.headers(1, Block.get), .headers(3, Block.get))
        for stream: UInt32 in [1, 3] { peer.answer(stream, [UInt8](repeating: 0x61, count: 100_000)) }
        peer.turn()
        for _ in 0..<5 {
            peer.advance(seconds: 10)
            peer.send(.windowUpdate(1, 1), .windowUpdate(3, 400))
        }
        #expect(peer.resetCode(1) == 8)
        #expect(peer.resetCode(3) == nil)
    }

    // MARK: Endings

    @Test("§6.8: draining announces the end, serves what races it, then refuses, then finishes")
    func drain() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        peer.send(.headers(1, Block.get))
        peer.session.drain()
        peer.turn()
        #expect(
            peer.frames.last == WireFrame(type: 7, payload: WireFrame.word(0x7FFF_FFFF) + WireFrame.word(0)))
        peer.send(.headers(3, Block.get))
        #expect(peer.requests[3] != nil)
        peer.advance(seconds: 1)
        #expect(peer.frames.last == WireFrame(type: 7, payload: WireFrame.word(3) + WireFrame.word(0)))
        peer.send(.headers(5, Block.get), .headers(7, Block.post, end: false), .data(7, [1]))
        #expect(peer.requests[5] == nil && peer.requests[7] == nil)
        #expect(!peer.session.isFinished)
        for stream: UInt32 in [1, 3] { peer.answer(stream, Array("ok".utf8)) }
        peer.turn()
        #expect(peer.body(1) == "ok" && peer.body(3) == "ok")
        #expect(peer.session.isFinished)
        #expect(peer.goaway == 0)
    }

    @Test("a connection without streams ends in peace after its idle time; a PING is no reason to live")
    func idle() {
        let peer = HTTP2Peer.ready()
        for _ in 0..<619 {
            peer.send(.ping())
            peer.advance(seconds: 1)
        }
        #expect(peer.goaway == nil)
        peer.advance(seconds: 1)
        #expect(peer.goaway == 0)
        peer.advance(seconds: 1)
        #expect(peer.session.isFinished)
    }

    @Test("a connection with one silent event stream is not idle")
    func notIdle() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        peer.send(.headers(1, Block.get))
        peer.begin(1, framing: .chunked)
        peer.advance(seconds: 2000)
        #expect(peer.goaway == nil)
        peer.send(.reset(1))
        peer.advance(seconds: 619)
        #expect(peer.goaway == nil)
        peer.advance(seconds: 1)
        #expect(peer.goaway == 0)
    }

    @Test("a client that says goodbye is served to the end of what it asked, then the session is finished")
    func clientLeaves() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        peer.send(.headers(1, Block.get), .goaway())
        #expect(!peer.session.isFinished)
        peer.answer(1, Array("ok".utf8))
        peer.turn()
        #expect(peer.body(1) == "ok" && peer.session.isFinished)
    }

    @Test("a reset by the peer is told once, to whoever works on the exchange")
    func resets() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        for stream: UInt32 in [1, 3, 5] { peer.send(.headers(stream, Block.get)) }
        peer.send(.headers(7, Block.post, end: false))
        peer.begin(3, framing: .chunked)
        peer.answer(5, Array("ok".utf8))
        peer.forget()
        peer.send(.reset(1), .reset(3), .reset(5), .reset(7))
        #expect(peer.events == [.reset(1, .cancel), .reset(3, .cancel)])
        #expect(peer.session.openStreams == 0)
    }

    @Test("when the connection ends, every exchange that is worked on is told")
    func abandon() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        for stream: UInt32 in [1, 3, 5] { peer.send(.headers(stream, Block.get)) }
        peer.begin(3, framing: .chunked)
        peer.answer(5, Array("ok".utf8))
        peer.forget()
        peer.send(.data(0, [1]))
        #expect(peer.goaway == 1)
        peer.session.fail(.protocolError)
        peer.session.abandon()
        peer.turn()
        #expect(peer.events == [.reset(1, .cancel), .reset(3, .cancel)])
        peer.session.abandon()
        #expect(peer.session.nextEvent() == nil)
    }

    @Test("nothing is read after the end")
    func deaf() {
        let peer = HTTP2Peer.ready()
        peer.session.fail(.enhanceYourCalm)
        peer.send(.headers(1, Block.get))
        #expect(peer.requests.isEmpty)
        #expect(peer.frames.map(\.type) == [7])
        #expect(peer.session.isFinished)
    }

    @Test("our reset drops what waits, and frames that were on their way are ignored")
    func ownReset() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.post, end: false))
        peer.session.reset(1, .cancel)
        peer.turn()
        #expect(peer.resetCode(1) == 8)
        peer.send(.data(1, [1, 2, 3]), .headers(1, Block.field("a", "b")), .windowUpdate(1, 5), .reset(1))
        #expect(peer.goaway == nil)
        #expect(peer.events.isEmpty)
        #expect(peer.isAlive)
    }
}
