import Testing
import Wire

@Suite struct HTTP2BodyTests {
    private func post(_ stream: UInt32, length: Int? = nil, _ more: [(String, String)] = []) -> WireFrame {
        let lines = (length.map { [("content-length", String($0))] } ?? []) + more
        return .headers(stream, Block.request("POST", lines), end: false)
    }

    private func piece(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x61, count: count) }

    /// Bytes of window that were given back to `stream`.
    private func opened(_ peer: HTTP2Peer, _ stream: UInt32) -> Int {
        peer.frames.filter { $0.type == 8 && $0.stream == stream }.reduce(0) {
            $0 + Int(WireFrame.number($1.payload))
        }
    }

    @Test("content-length must be what arrives", arguments: [0, 1, 3, 4])
    func contentLength(sent: Int) {
        let peer = HTTP2Peer.ready()
        peer.send(post(1, length: 2), .data(1, piece(sent), end: true))
        #expect(peer.resetCode(1) == 1)
        #expect(peer.requests.isEmpty)
        peer.send(post(3, length: 2), .data(3, piece(1)), .data(3, piece(1), end: true))
        #expect(peer.requests[3]?.body.count == 2)
    }

    @Test("a body over the limit is answered with 413, by its length or once it is too long")
    func tooLong() {
        let peer = HTTP2Peer.ready(bodyBytesMax: 1000)
        peer.send(post(1, length: 1001))
        #expect(peer.status(1) == ":status: 413")
        peer.send(post(3), .data(3, piece(1000)))
        #expect(peer.status(3) == nil)
        peer.send(.data(3, piece(1)))
        #expect(peer.status(3) == ":status: 413")
        // What was on its way is dropped, and what comes after is served.
        peer.send(.data(3, piece(10), end: true), post(5), .data(5, piece(1000), end: true))
        #expect(peer.requests[5]?.body.count == 1000)
        #expect(peer.requests.count == 1)
        #expect(peer.isAlive)
    }

    @Test("100 is sent only to a client that waits for it, and only once its head is accepted")
    func expectContinue() {
        let peer = HTTP2Peer.ready(bodyBytesMax: 1000)
        peer.send(post(1, length: 2, [("expect", "100-continue")]))
        #expect(peer.heads[1] == [[":status: 100"]])
        peer.send(.data(1, piece(2), end: true))
        #expect(peer.status(1) == ":status: 200")
        peer.send(post(3, length: 2000, [("expect", "100-continue")]))
        #expect(peer.heads[3]?.count == 1)
        #expect(peer.status(3) == ":status: 413")
        peer.send(.headers(5, Block.request("POST", [("expect", "100-continue")])))
        #expect(peer.heads[5]?.count == 1)
    }

    @Test("a large body gets through, its window opened as it comes")
    func large() {
        let peer = HTTP2Peer.ready()
        let total = 1_000_000
        var sent = 0
        var window = HTTP2Limits.streamWindowBytes
        peer.answers = false
        peer.send(post(1, length: total))
        while sent < total {
            let count = min(16384, total - sent, window)
            guard count > 0 else { break }
            sent += count
            window -= count
            let before = opened(peer, 1)
            peer.send(.data(1, piece(count), end: sent == total))
            window += opened(peer, 1) - before
        }
        #expect(sent == total)
        #expect(peer.requests[1]?.body.count == total)
        #expect(opened(peer, 0) > total / 2)
    }

    @Test("a body within one window costs no WINDOW_UPDATE of its stream")
    func small() {
        let peer = HTTP2Peer.ready()
        peer.send(post(1, length: 60000))
        for _ in 0..<4 { peer.send(.data(1, piece(15000))) }
        #expect(opened(peer, 1) == 0)
        peer.send(.data(1, end: true))
        #expect(peer.requests[1]?.body.count == 60000)
    }

    @Test("more data than the window allows ends the stream or the connection")
    func overWindow() {
        // Another stream holds all the room, so that this window stays shut.
        let held = HTTP2Peer.ready(bodyBytesMax: 8 << 20)
        held.send(post(1, length: 8 << 20), post(3, length: 100_000))
        for _ in 0..<4 { held.send(.data(3, piece(16000))) }
        #expect(opened(held, 3) == 0)
        held.send(.data(3, piece(2000)))
        #expect(held.resetCode(3) == 3 || held.goaway == 3)
    }

    @Test("bodies that need more than a window take turns, in order")
    func turns() {
        let peer = HTTP2Peer.ready(bodyBytesMax: 4 << 20)
        peer.answers = false
        // Two fill the room; the third and fourth wait.
        for stream: UInt32 in [1, 3, 5, 7] { peer.send(post(stream, length: 4 << 20)) }
        for stream: UInt32 in [1, 3, 5, 7] { for _ in 0..<3 { peer.send(.data(stream, piece(16000))) } }
        #expect(opened(peer, 1) > 0)
        #expect(opened(peer, 3) > 0)
        #expect(opened(peer, 5) == 0)
        #expect(opened(peer, 7) == 0)
        peer.send(.reset(3))
        #expect(opened(peer, 5) > 0)
        #expect(opened(peer, 7) == 0)
        peer.send(.reset(5))
        #expect(opened(peer, 7) > 0)
        // A small one never waits.
        peer.send(post(9), .data(9, piece(10), end: true))
        #expect(peer.requests[9] != nil)
    }

    @Test("a request that is reset before it is looked at was never there")
    func resetUnseen() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.get), .reset(1), .headers(3, Block.get))
        #expect(peer.events == [.request(3)])
        #expect(peer.session.take(1) == nil)
    }

    @Test("padding is not part of the body")
    func padding() {
        let peer = HTTP2Peer.ready()
        peer.send(
            post(1, length: 2), WireFrame(type: 0, flags: 0x9, stream: 1, payload: [3, 0x61, 0x62, 0, 0, 0]))
        #expect(peer.requests[1].map { Array($0.body) } == [0x61, 0x62])
    }
}
