import Testing
import Wire

/// What must follow; stream errors are those of stream 1.
enum Outcome: Sendable, Equatable {
    case fine
    case connection(UInt32)
    case stream(UInt32)
}

struct Breach: Sendable, CustomTestStringConvertible {
    let name: String
    let outcome: Outcome
    let bytes: [UInt8]

    init(_ name: String, _ outcome: Outcome, _ frames: WireFrame...) {
        (self.name, self.outcome) = (name, outcome)
        bytes = frames.flatMap(\.bytes)
    }

    init(_ name: String, _ outcome: Outcome, raw: [UInt8]) {
        (self.name, self.outcome, bytes) = (name, outcome, raw)
    }

    var testDescription: String { name }
}

private let protocolError: UInt32 = 1
private let flowControlError: UInt32 = 3
private let streamClosed: UInt32 = 5
private let frameSizeError: UInt32 = 6
private let compressionError: UInt32 = 9

private func raw(_ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8])
    -> [UInt8]
{
    WireFrame.header(length, type, flags, stream) + payload
}

private func padded(_ frame: WireFrame, _ count: UInt8, _ padding: Int) -> WireFrame {
    var frame = frame
    frame.flags |= WireFrame.padded
    frame.payload = [count] + frame.payload + [UInt8](repeating: 0, count: padding)
    return frame
}

private let open = WireFrame.headers(1, Block.post, end: false)
private let whole = WireFrame.headers(1, Block.get)
private let half = WireFrame.headers(1, Block.get, whole: false)
private let unknown = WireFrame(type: 0x16, payload: [0, 0, 0])

@Suite struct HTTP2ConformanceTests {
    static let frames: [Breach] = [
        // §4.1 frame format, §5.5 extensions
        .init("unknown frame type", .fine, unknown),
        .init("unknown frame type on a stream", .fine, WireFrame(type: 0xFF, flags: 0xFF, stream: 1)),
        .init("undefined flags", .fine, raw: raw(8, 6, 0x16, 0, Array("12345678".utf8))),
        .init("reserved bit", .fine, raw: raw(8, 6, 0, 0x8000_0000, Array("12345678".utf8))),
        .init("unknown frame inside a field section", .connection(protocolError), half, unknown),
        // §4.2 frame size
        .init(
            "DATA of 16384 bytes", .fine, open, .data(1, [UInt8](repeating: 0x61, count: 16384), end: true)),
        .init(
            "frame over SETTINGS_MAX_FRAME_SIZE", .connection(frameSizeError), raw: raw(16385, 0, 0, 1, [])),
        .init(
            "HEADERS over SETTINGS_MAX_FRAME_SIZE", .connection(frameSizeError), raw: raw(16385, 1, 4, 1, [])),
        // §4.3 field section compression
        .init(
            "malformed field block", .connection(compressionError), .headers(1, [0, 0, 0, 0, 1, 0x40, 0xFF])),
        .init("PRIORITY inside a field section", .connection(protocolError), half, .priority(3, on: 1)),
        .init(
            "HEADERS of another stream inside a field section", .connection(protocolError), half,
            .headers(3, Block.get)),
        // §6.1 DATA
        .init("DATA on stream 0", .connection(protocolError), .data(0, [1])),
        .init(
            "DATA with too much padding", .connection(protocolError), open, padded(.data(1, [1]), 9, 0)),
        .init("DATA with padding", .fine, open, padded(.data(1, [1], end: true), 9, 9)),
        // §6.2 HEADERS
        .init("HEADERS on stream 0", .connection(protocolError), .headers(0, Block.get)),
        .init("HEADERS with too much padding", .connection(protocolError), padded(whole, 255, 0)),
        .init("HEADERS with padding", .fine, padded(whole, 5, 5)),
        .init(
            "HEADERS that depends on itself", .connection(protocolError),
            WireFrame(type: 1, flags: 0x25, stream: 1, payload: [0, 0, 0, 1, 255] + Block.get)),
        // §6.3 PRIORITY
        .init("PRIORITY of an idle stream", .fine, .priority(3, on: 0)),
        .init("PRIORITY on stream 0", .connection(protocolError), .priority(0, on: 1)),
        .init("PRIORITY that depends on itself", .connection(protocolError), .priority(1, on: 1)),
        .init(
            "PRIORITY of 4 bytes", .connection(frameSizeError),
            WireFrame(type: 2, stream: 1, payload: [0, 0, 0, 3])),
        // §6.4 RST_STREAM
        .init("RST_STREAM on stream 0", .connection(protocolError), .reset(0)),
        .init("RST_STREAM on an idle stream", .connection(protocolError), .reset(1)),
        .init(
            "RST_STREAM of 3 bytes", .connection(frameSizeError), open,
            WireFrame(type: 3, stream: 1, payload: [0, 0, 0])),
        // §6.5 SETTINGS
        .init(
            "SETTINGS ACK with a payload", .connection(frameSizeError),
            WireFrame(type: 4, flags: 1, payload: [0, 3, 0, 0, 0, 1])),
        .init(
            "SETTINGS on a stream", .connection(protocolError),
            WireFrame(type: 4, stream: 1, payload: [0, 3, 0, 0, 0, 1])),
        .init("SETTINGS of 3 bytes", .connection(frameSizeError), WireFrame(type: 4, payload: [0, 3, 0])),
        .init("ENABLE_PUSH of 2", .connection(protocolError), .settings([(2, 2)])),
        .init("INITIAL_WINDOW_SIZE of 2^31", .connection(flowControlError), .settings([(4, 1 << 31)])),
        .init("MAX_FRAME_SIZE of 16383", .connection(protocolError), .settings([(5, 16383)])),
        .init("MAX_FRAME_SIZE of 2^24", .connection(protocolError), .settings([(5, 1 << 24)])),
        .init("unknown setting", .fine, .settings([(0xFF, 1)])),
        // §6.6 PUSH_PROMISE
        .init(
            "PUSH_PROMISE", .connection(protocolError), open,
            WireFrame(type: 5, flags: 4, stream: 1, payload: [0, 0, 0, 3] + Block.get)),
        // §6.7 PING
        .init("PING ACK unasked", .fine, WireFrame(type: 6, flags: 1, payload: Array("12345678".utf8))),
        .init(
            "PING on a stream", .connection(protocolError),
            WireFrame(type: 6, stream: 1, payload: Array("12345678".utf8))),
        .init(
            "PING of 6 bytes", .connection(frameSizeError), WireFrame(type: 6, payload: [1, 2, 3, 4, 5, 6])),
        // §6.8 GOAWAY
        .init(
            "GOAWAY on a stream", .connection(protocolError),
            WireFrame(type: 7, stream: 1, payload: [UInt8](repeating: 0, count: 8))),
        // §6.9 WINDOW_UPDATE
        .init("WINDOW_UPDATE of 0", .connection(protocolError), .windowUpdate(0, 0)),
        // Stricter than §6.9, which asks for a stream error: nghttp2 ends the connection.
        .init("WINDOW_UPDATE of 0 on a stream", .connection(protocolError), open, .windowUpdate(1, 0)),
        .init(
            "WINDOW_UPDATE of 3 bytes", .connection(frameSizeError), WireFrame(type: 8, payload: [0, 0, 1])),
        .init(
            "connection window over 2^31-1", .connection(flowControlError), .windowUpdate(0, 0x7FFF_FFFF)),
        .init(
            "stream window over 2^31-1", .stream(flowControlError), open, .windowUpdate(1, 0x7FFF_FFFF)),
        // Milder than §6.9.2, which asks for a connection error: nghttp2 resets the stream.
        .init(
            "stream window over 2^31-1 by SETTINGS", .stream(flowControlError), open,
            .windowUpdate(1, 0x7FFF_0000), .settings([(4, 0x7FFF_FFFF)])),
        // §6.10 CONTINUATION
        .init(
            "two CONTINUATION frames", .fine, .headers(1, Array(Block.get.prefix(3)), whole: false),
            .continuation(1, Array(Block.get.dropFirst(3).prefix(10)), whole: false),
            .continuation(1, Array(Block.get.dropFirst(13)))),
        .init("DATA inside a field section", .connection(protocolError), half, .data(1, [1])),
        .init("CONTINUATION on stream 0", .connection(protocolError), half, .continuation(0, [])),
        .init("CONTINUATION of another stream", .connection(protocolError), half, .continuation(3, [])),
        .init("CONTINUATION after END_HEADERS", .connection(protocolError), open, .continuation(1, [])),
        .init(
            "CONTINUATION after DATA", .connection(protocolError), open, .data(1, [1]), .continuation(1, [])),
    ]

    static let streams: [Breach] = [
        // §5.1 stream states: idle
        .init("DATA on an idle stream", .connection(protocolError), .data(1, [1], end: true)),
        .init("WINDOW_UPDATE on an idle stream", .connection(protocolError), .windowUpdate(1, 100)),
        .init("CONTINUATION on an idle stream", .connection(protocolError), .continuation(1, Block.get)),
        // closed; each request here is answered at once
        .init("DATA after the end", .connection(streamClosed), whole, .data(1, [1], end: true)),
        .init("HEADERS after the end", .connection(streamClosed), whole, whole),
        .init("CONTINUATION after the end", .connection(protocolError), whole, .continuation(1, Block.get)),
        .init("DATA after RST_STREAM", .connection(streamClosed), open, .reset(1), .data(1, [1])),
        .init("HEADERS after RST_STREAM", .connection(streamClosed), open, .reset(1), whole),
        .init(
            "CONTINUATION after RST_STREAM", .connection(protocolError), open, .reset(1),
            .continuation(1, Block.get)),
        .init("WINDOW_UPDATE after the end", .fine, whole, .windowUpdate(1, 100)),
        .init("RST_STREAM after the end", .fine, whole, .reset(1)),
        .init("PRIORITY after the end", .fine, whole, .priority(1, on: 0)),
        // §5.1.1 stream identifiers
        .init("even stream", .connection(protocolError), .headers(2, Block.get)),
        .init(
            "stream below the last one", .connection(protocolError), .headers(5, Block.get),
            .headers(3, Block.get)),
        // §7 error codes
        .init("GOAWAY with an unknown code", .fine, .goaway(0, 0xFF)),
        .init("RST_STREAM with an unknown code", .fine, open, .reset(1, 0xFF)),
    ]

    static let hpack: [Breach] = [
        .init("index of no entry", .connection(compressionError), .headers(1, Block.get + [0x80 | 70])),
        .init("index 0", .connection(compressionError), .headers(1, Block.get + [0x80])),
        .init(
            "name index of no entry", .connection(compressionError),
            .headers(1, Block.get + Block.integer(70, bits: 6, prefix: 0x40) + Block.string("v"))),
        .init(
            "table size update at the end", .connection(compressionError), .headers(1, Block.get + [0x20 | 1])
        ),
        .init(
            "table size over the limit", .connection(compressionError),
            .headers(1, Block.integer(4097, bits: 5, prefix: 0x20) + Block.get)),
        .init("table size 0", .fine, .headers(1, [0x20] + Block.get)),
        .init(
            "Huffman padding over 7 bits", .connection(compressionError),
            .headers(1, Block.get + [0] + Block.string("x") + [0x82, 0x1F, 0xFF])),
        .init(
            "Huffman padding with zeros", .connection(compressionError),
            .headers(1, Block.get + [0] + Block.string("x") + [0x81, 0x18])),
        .init(
            "Huffman EOS symbol", .connection(compressionError),
            .headers(1, Block.get + [0] + Block.string("x") + [0x84, 0xFF, 0xFF, 0xFF, 0xFC])),
        .init(
            "integer without an end", .connection(compressionError),
            .headers(1, Block.get + [0xFF] + [UInt8](repeating: 0xFF, count: 12))),
        .init("string over its block", .connection(compressionError), .headers(1, [0, 0x7F, 0x10, 0x61])),
    ]

    @Test("RFC 9113 §4 and §6: each frame has the effect it must", arguments: frames)
    func frame(breach: Breach) { check(breach) }

    @Test("RFC 9113 §5 and §7: each frame is judged by the state of its stream", arguments: streams)
    func stream(breach: Breach) { check(breach) }

    @Test("RFC 7541: a field block that cannot be read ends the connection", arguments: hpack)
    func fieldBlock(breach: Breach) { check(breach) }

    private func check(_ breach: Breach) {
        // In one piece, and byte by byte: the verdict is the same.
        for step in [breach.bytes.count, 1] {
            let peer = HTTP2Peer.ready()
            var at = 0
            while at < breach.bytes.count {
                peer.send(bytes: Array(breach.bytes[at..<min(at + step, breach.bytes.count)]))
                at += step
            }
            switch breach.outcome {
            case .fine:
                #expect(peer.goaway == nil)
                #expect(peer.resetCode(1) == nil)
                #expect(peer.isAlive || breach.name.hasPrefix("GOAWAY"))
            case .connection(let code):
                #expect(peer.goaway == code)
                #expect(peer.session.isFinished)
                #expect(!peer.isAlive)
            case .stream(let code):
                #expect(peer.resetCode(1) == code)
                #expect(peer.goaway == nil)
                #expect(peer.isAlive)
            }
        }
    }

    @Test("§3.4: a connection that does not begin with the preface and SETTINGS is ended")
    func preface() {
        var wrong = HTTP2Peer.preface
        wrong[20] ^= 1
        let starts: [[UInt8]] = [
            wrong, HTTP2Peer.preface + WireFrame.ping().bytes,
            HTTP2Peer.preface + WireFrame.settingsAck.bytes,
            HTTP2Peer.preface + whole.bytes,
        ]
        for start in starts {
            let peer = HTTP2Peer()
            peer.send(bytes: start)
            #expect(peer.goaway == protocolError)
            #expect(peer.session.isFinished)
            #expect(peer.requests.isEmpty)
        }
    }

    @Test("§3.4: the session's own SETTINGS come first, before a byte of the client")
    func ownSettings() {
        let peer = HTTP2Peer()
        peer.turn()
        #expect(peer.frames.first?.type == 4)
        #expect(peer.frames.first?.payload.count == 18)
    }

    @Test("§5.1.2: a stream beyond the announced number is refused and harms no other")
    func concurrency() {
        let peer = HTTP2Peer.ready()
        peer.answers = false
        for i in 0..<HTTP2Limits.streamsMax { peer.send(.headers(UInt32(2 * i + 1), Block.get)) }
        #expect(peer.requests.count == HTTP2Limits.streamsMax)
        #expect(peer.goaway == nil)
        // nghttp2 takes one stream too many for a breach once the client has confirmed the number.
        peer.send(.headers(UInt32(2 * HTTP2Limits.streamsMax + 1), Block.get))
        #expect(peer.requests.count == HTTP2Limits.streamsMax)
        #expect(peer.goaway == protocolError)
    }

    @Test("§5.1.2: before the client knows the number, more streams are refused for another try")
    func concurrencyUnconfirmed() {
        let peer = HTTP2Peer()
        peer.answers = false
        peer.send(HTTP2Peer.preface, .settings())
        for i in 0...HTTP2Limits.streamsMax { peer.send(.headers(UInt32(2 * i + 1), Block.get)) }
        #expect(peer.requests.count == HTTP2Limits.streamsMax)
        #expect(peer.resetCode(UInt32(2 * HTTP2Limits.streamsMax + 1)) == 7)
        #expect(peer.isAlive)
    }

    @Test("§6.5.3: SETTINGS are confirmed, and PING answered with its own bytes")
    func acknowledgements() {
        let peer = HTTP2Peer.ready()
        peer.send(.settings([(4, 100), (4, 1)]), .ping("abcdefgh"))
        #expect(peer.frames.contains(.settingsAck))
        #expect(peer.frames.contains(WireFrame(type: 6, flags: 1, payload: Array("abcdefgh".utf8))))
    }
}
