import System
import Testing
import Wire

@Suite struct HTTP2AnswerTests {
    private func waiting(_ blocks: [UInt8]..., settings: [(UInt16, UInt32)] = []) -> HTTP2Peer {
        let peer = HTTP2Peer.ready(settings: settings)
        peer.answers = false
        for (i, block) in blocks.enumerated() { peer.send(.headers(UInt32(2 * i + 1), block)) }
        peer.forget()
        return peer
    }

    @Test("status, date, type, length and further lines, all names in lower case, none of the connection's")
    func head() {
        let peer = waiting(Block.get)
        peer.begin(
            1, framing: .length(2),
            lines:
                "Mcp-Session-Id: AbC\r\nConnection: close\r\nKeep-Alive: 1\r\nVary: Origin\r\nVary: Accept\r\n"
        )
        peer.write(1, "ok")
        peer.session.end(1)
        peer.turn()
        #expect(
            peer.heads[1] == [
                [
                    ":status: 200", "date: Thu, 01 Jan 1970 00:00:00 GMT", "content-type: text/plain",
                    "content-length: 2", "mcp-session-id: AbC", "vary: Origin", "vary: Accept",
                ]
            ])
        #expect(peer.body(1) == "ok")
        #expect(peer.hasEnded(1))
        #expect(peer.session.openStreams == 0)
    }

    @Test("a session id and a length are never put into the compression table")
    func secrets() {
        let peer = waiting(Block.get)
        peer.begin(1, framing: .length(0), lines: "Mcp-Session-Id: AbC\r\n")
        peer.turn()
        let block = peer.frames.first { $0.type == 1 }.map(\.payload) ?? []
        // RFC 7541 §6.2.3, never indexed: 0001 and the name's index, 28 for content-length.
        #expect(block.contains { $0 == 0x10 })
        #expect(block.firstRange(of: [0x1F, 28 - 15]) != nil)
    }

    @Test("heads without a body end the stream: HEAD, 204, 304, a length of 0")
    func noBody() {
        let peer = waiting(Block.request("HEAD"), Block.get, Block.get, Block.get)
        peer.begin(1, framing: .length(5))
        peer.begin(3, status: 204, framing: .none)
        peer.begin(5, status: 304, framing: .none)
        peer.begin(7, framing: .length(0))
        for stream: UInt32 in [1, 3, 5, 7] {
            peer.write(stream, "hello")
            peer.session.end(stream)
        }
        peer.turn()
        for stream: UInt32 in [1, 3, 5, 7] {
            #expect(peer.hasEnded(stream))
            #expect(peer.body(stream) == "")
        }
        #expect(peer.heads[1]?.last?.contains("content-length: 5") == true)
        #expect(peer.heads[3]?.last?.contains { $0.hasPrefix("content-length") } == false)
    }

    @Test("everything a turn wrote to a stream leaves in one DATA frame")
    func batch() {
        let peer = waiting(Block.get, Block.get)
        for stream: UInt32 in [1, 3] {
            peer.begin(stream, framing: .chunked)
            for i in 0..<5 { peer.write(stream, "\(i)") }
        }
        peer.turn()
        #expect(peer.frames.filter { $0.type == 0 }.count == 2)
        #expect(peer.body(1) == "01234" && peer.body(3) == "01234")
    }

    @Test("an event stream idles without output and goes on with each event")
    func eventStream() {
        let peer = waiting(Block.get)
        peer.begin(1, framing: .chunked)
        peer.turn()
        #expect(peer.status(1) == ":status: 200")
        peer.advance(seconds: 3600)
        for i in 0..<3 {
            peer.write(1, "data: \(i)\n\n")
            peer.turn()
            #expect(peer.frames.last == .data(1, Array("data: \(i)\n\n".utf8)))
        }
        peer.session.end(1)
        peer.turn()
        #expect(peer.frames.last == .data(1, end: true))
        #expect(peer.isAlive)
    }

    @Test("trailers follow the body and end the stream")
    func trailers() {
        let peer = waiting(Block.get, Block.get)
        for stream: UInt32 in [1, 3] { peer.begin(stream, framing: .chunked) }
        peer.write(1, "a")
        peer.session.end(1, trailers: Array("Grpc-Status: 0\r\n".utf8))
        peer.session.end(3, trailers: Array("X: y\r\n".utf8))
        peer.turn()
        #expect(peer.body(1) == "a" && peer.hasEnded(1) && peer.hasEnded(3))
        #expect(peer.heads[1]?.last == ["grpc-status: 0"])
        #expect(peer.heads[3]?.last == ["x: y"])
        #expect(peer.session.openStreams == 0)
    }

    @Test("a head that cannot be sent resets its stream alone")
    func badHead() {
        let peer = waiting(Block.get, Block.get)
        #expect(!peer.begin(1, framing: .none, lines: "no colon\r\n"))
        #expect(!peer.begin(3, framing: .none, lines: (0..<70).map { "a\($0): b\r\n" }.joined()))
        peer.turn()
        #expect(peer.resetCode(1) == 2 && peer.resetCode(3) == 2)
        #expect(peer.isAlive)
    }

    @Test("answers to streams that are gone, or were answered, are dropped")
    func stale() {
        let peer = waiting(Block.get)
        #expect(peer.begin(1, framing: .length(1)))
        #expect(!peer.begin(1, framing: .length(1)))
        #expect(!peer.begin(99, framing: .length(1)))
        peer.write(1, "a")
        peer.session.end(1)
        #expect(!peer.session.write(1) { $0.append("b") })
        peer.session.end(1)
        peer.turn()
        #expect(!peer.session.write(1) { $0.append("b") })
        #expect(peer.body(1) == "a")
    }

    @Test(
        "after an early answer the rest of the upload is read and dropped, then the stream is reset without blame"
    )
    func early() {
        let peer = HTTP2Peer.ready(bodyBytesMax: 10)
        let post = Block.request("POST", [("content-length", "70000")])
        peer.send(.headers(1, post, end: false), .headers(3, post, end: false))
        for stream: UInt32 in [1, 3] {
            #expect(peer.status(stream) == ":status: 413")
            #expect(peer.hasEnded(stream))
            for _ in 0..<4 { peer.send(.data(stream, [UInt8](repeating: 0x61, count: 16_000))) }
            #expect(peer.frames.contains { $0.type == 8 && $0.stream == stream }, "its window is kept open")
        }
        peer.send(.data(3, [UInt8](repeating: 0x61, count: 6000), end: true))
        #expect(peer.session.openStreams == 1 && peer.resetCode(3) == nil)
        peer.advance(seconds: 10)
        #expect(peer.resetCode(1) == nil)
        peer.advance(seconds: 1)
        #expect(peer.resetCode(1) == 0)
        #expect(peer.session.openStreams == 0 && peer.requests.isEmpty)
        peer.send(.data(1, [1]))
        #expect(peer.isAlive)
    }

    @Test("no more is dropped than its limit")
    func dropped() {
        let peer = HTTP2Peer.ready(bodyBytesMax: 10)
        peer.send(.headers(1, Block.post, end: false))
        var sent = 0
        while peer.resetCode(1) == nil, sent < 20 << 20 {
            peer.send(.data(1, [UInt8](repeating: 0x61, count: 16_000)))
            sent += 16_000
        }
        #expect(peer.status(1) == ":status: 413" && peer.resetCode(1) == 0)
        #expect(sent > HTTP2Limits.droppedBodyBytes && sent < HTTP2Limits.droppedBodyBytes + 32_100)
        #expect(peer.goaway == nil)
    }

    // MARK: Flow control

    @Test("§6.9: a stream with no window keeps its data, says so, and goes on when the window opens")
    func zeroWindow() {
        let peer = waiting(Block.get, Block.get, settings: [(4, 0)])
        peer.answer(1, Array("hello".utf8))
        peer.turn()
        #expect(peer.body(1) == "" && peer.session.pendingBytes(1) == 5)
        peer.send(.windowUpdate(1, 2))
        #expect(peer.body(1) == "he" && peer.session.pendingBytes(1) == 3)
        // A new initial size counts for open streams too (§6.9.2).
        peer.send(.settings([(4, 1)]))
        #expect(peer.body(1) == "hel")
        peer.send(.windowUpdate(1, 100))
        #expect(peer.body(1) == "hello" && peer.hasEnded(1))
    }

    @Test("§6.9.2: a window may become negative")
    func negativeWindow() {
        let peer = waiting(Block.get, settings: [(4, 3)])
        peer.answer(1, Array("hello".utf8))
        peer.turn()
        peer.send(.settings([(4, 2)]))
        peer.send(.windowUpdate(1, 1))
        #expect(peer.body(1) == "hel")
        peer.send(.windowUpdate(1, 1))
        #expect(peer.body(1) == "hell")
    }

    @Test("one stream without a window does not hold up another")
    func independent() {
        let peer = waiting(Block.get, Block.get)
        peer.answer(1, [UInt8](repeating: 0x61, count: 70_000))
        peer.turn()
        #expect(peer.session.pendingBytes(1) == 70_000 - 65_535)
        peer.send(.windowUpdate(0, 65_535))
        peer.answer(3, Array("ok".utf8))
        peer.turn()
        #expect(peer.body(3) == "ok")
    }

    @Test("large answers share the connection: no stream waits for another to end")
    func fairness() {
        let peer = waiting(Block.get, Block.get, settings: [(4, 1 << 20)])
        peer.send(.windowUpdate(0, 1 << 20))
        for stream: UInt32 in [1, 3] { peer.answer(stream, [UInt8](repeating: 0x61, count: 200_000)) }
        peer.turn()
        let order = peer.frames.filter { $0.type == 0 }.map(\.stream)
        #expect(order.prefix(4).contains(1) && order.prefix(4).contains(3))
    }

    @Test("no more leaves a turn than the outbox may hold, and the rest comes later")
    func outputLimit() {
        let peer = waiting(Block.get, settings: [(4, 1 << 24)])
        peer.send(.windowUpdate(0, 1 << 24))
        peer.begin(1, framing: .length(3 << 20))
        let body = OwnedBytes([UInt8](repeating: 0x61, count: 3 << 20))
        peer.session.write(1) { $0.append(owned: body) }
        peer.session.end(1)
        var outbox = Outbox(pool: peer.pool)
        let isFull = peer.session.collectOutput(into: &outbox)
        var total = outbox.count
        #expect(isFull)
        #expect(total >= HTTP2Limits.outputBytes)
        #expect(total < HTTP2Limits.outputBytes + 17_000)
        while true {
            outbox.removeAll()
            let isMore = peer.session.collectOutput(into: &outbox)
            total += outbox.count
            if !isMore { break }
        }
        #expect(total > 3 << 20 && peer.session.openStreams == 0)
    }

    @Test("a writer hears when what waits on its congested stream has halved")
    func congestion() {
        let peer = waiting(Block.get)
        peer.begin(1, framing: .chunked)
        peer.session.write(1) { $0.append([UInt8](repeating: 0x61, count: 300_000)) }
        peer.turn()
        #expect(peer.session.isCongested(1) && peer.events.isEmpty)
        peer.send(.windowUpdate(0, 1 << 20), .windowUpdate(1, 100_000))
        #expect(peer.session.isCongested(1) && peer.events.isEmpty)
        peer.send(.windowUpdate(1, 100_000))
        #expect(!peer.session.isCongested(1) && peer.events == [.writable(1)])
    }

    @Test("large pieces leave by reference, in frames of the peer's size")
    func references() {
        let peer = waiting(Block.get)
        let body = OwnedBytes((0..<40_000).map { UInt8(truncatingIfNeeded: $0) })
        peer.begin(1, framing: .length(40_000))
        peer.session.write(1) { $0.append(owned: body) }
        peer.session.end(1)
        peer.turn()
        let data = peer.frames.filter { $0.type == 0 }
        #expect(data.map(\.payload.count) == [16384, 16384, 7232])
        #expect(data.flatMap(\.payload) == (0..<40_000).map { UInt8(truncatingIfNeeded: $0) })
    }
}
