import System
import Testing
import Wire

/// A frame as it goes over the wire.
struct WireFrame: Equatable {
    var type: UInt8
    var flags: UInt8 = 0
    var stream: UInt32 = 0
    var payload: [UInt8] = []

    static let endStream: UInt8 = 0x1
    static let ack: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8

    var bytes: [UInt8] { Self.header(payload.count, type, flags, stream) + payload }

    static func header(_ length: Int, _ type: UInt8, _ flags: UInt8, _ stream: UInt32) -> [UInt8] {
        [UInt8(length >> 16), UInt8(length >> 8 & 0xFF), UInt8(length & 0xFF), type, flags] + word(stream)
    }

    static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xFF), UInt8(value >> 8 & 0xFF), UInt8(value & 0xFF)]
    }

    static func number(_ bytes: some Sequence<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

    // The frames of RFC 9113 §6.

    static func data(_ stream: UInt32, _ payload: [UInt8] = [], end: Bool = false) -> WireFrame {
        WireFrame(type: 0, flags: end ? endStream : 0, stream: stream, payload: payload)
    }

    static func headers(_ stream: UInt32, _ block: [UInt8], end: Bool = true, whole: Bool = true) -> WireFrame
    {
        WireFrame(
            type: 1, flags: (end ? endStream : 0) | (whole ? endHeaders : 0), stream: stream, payload: block)
    }

    static func continuation(_ stream: UInt32, _ block: [UInt8], whole: Bool = true) -> WireFrame {
        WireFrame(type: 9, flags: whole ? endHeaders : 0, stream: stream, payload: block)
    }

    static func priority(_ stream: UInt32, on dependency: UInt32) -> WireFrame {
        WireFrame(type: 2, stream: stream, payload: word(dependency) + [15])
    }

    static func reset(_ stream: UInt32, _ code: UInt32 = 8) -> WireFrame {
        WireFrame(type: 3, stream: stream, payload: word(code))
    }

    static func settings(_ entries: [(UInt16, UInt32)] = []) -> WireFrame {
        WireFrame(
            type: 4, payload: entries.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xFF)] + word($0.1) })
    }

    static let settingsAck = WireFrame(type: 4, flags: ack)

    static func ping(_ text: String = "12345678") -> WireFrame {
        WireFrame(type: 6, payload: Array(text.utf8))
    }

    static func goaway(_ last: UInt32 = 0, _ code: UInt32 = 0) -> WireFrame {
        WireFrame(type: 7, payload: word(last) + word(code))
    }

    static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> WireFrame {
        WireFrame(type: 8, stream: stream, payload: word(increment))
    }
}

/// Field blocks without Huffman codes and without the dynamic table (RFC 7541 §6.2.2).
enum Block {
    static func fields(_ lines: [(String, String)]) -> [UInt8] { lines.flatMap { field($0.0, $0.1) } }

    static func field(_ name: String, _ value: String) -> [UInt8] { [0] + string(name) + string(value) }

    static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        return integer(bytes.count, bits: 7, prefix: 0) + bytes
    }

    static func integer(_ value: Int, bits: Int, prefix: UInt8) -> [UInt8] {
        let mask = (1 << bits) - 1
        guard value >= mask else { return [prefix | UInt8(value)] }
        var rest = value - mask
        var bytes = [prefix | UInt8(mask)]
        while rest >= 128 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        return bytes + [UInt8(rest)]
    }

    static func request(
        _ method: String = "GET", _ path: String = "/", authority: String? = "a.example",
        _ more: [(String, String)] = []
    ) -> [UInt8] {
        fields(
            [(":method", method), (":scheme", "http"), (":path", path)]
                + (authority.map { [(":authority", $0)] } ?? []) + more)
    }

    static func request(_ method: String = "GET", _ more: [(String, String)]) -> [UInt8] {
        request(method, "/", more)
    }

    static let get = request()
    static let post = request("POST")
}

/// A client that writes frames by hand, and the session it speaks to, with a clock that is stepped.
final class HTTP2Peer {
    let pool = ChunkPool()
    let session: HTTP2Session
    private(set) var now = Instant(nanoseconds: 1_000_000_000_000)
    private var output: Outbox
    private var decoder = HPACKDecoder()
    /// What the session has said since the last `forget`.
    private(set) var frames: [WireFrame] = []
    /// Field lines of the HEADERS among them.
    private(set) var heads: [UInt32: [[String]]] = [:]
    private(set) var events: [HTTP2Event] = []
    /// Requests that were taken, by stream.
    private(set) var requests: [UInt32: HTTP2Request] = [:]
    /// Answers each request at once: 200 with its body, or `hello`.
    var answers = true
    private let date = Array("Thu, 01 Jan 1970 00:00:00 GMT".utf8)

    init(bodyBytesMax: Int = 4 << 20, idleSeconds: Int = 620) {
        session = HTTP2Session(pool: pool, bodyBytesMax: bodyBytesMax, idleSeconds: idleSeconds, now: now)
        output = Outbox(pool: pool)
    }

    /// A peer that has exchanged SETTINGS.
    static func ready(bodyBytesMax: Int = 4 << 20, settings: [(UInt16, UInt32)] = []) -> HTTP2Peer {
        let peer = HTTP2Peer(bodyBytesMax: bodyBytesMax)
        peer.send(preface, .settings(settings), .settingsAck)
        peer.forget()
        return peer
    }

    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    // MARK: Speaking

    func send(_ bytes: [UInt8], _ frames: WireFrame...) { send(bytes: bytes + frames.flatMap(\.bytes)) }

    func send(_ frames: WireFrame...) { send(bytes: frames.flatMap(\.bytes)) }

    func send(_ frames: [WireFrame]) { send(bytes: frames.flatMap(\.bytes)) }

    func send(bytes: [UInt8]) {
        withExactBytes(bytes) { session.receive($0, now: now) }
        turn()
    }

    func advance(seconds: Int) {
        for _ in 0..<seconds {
            now = now.advanced(milliseconds: 1000)
            session.tick(now)
            turn()
        }
    }

    func forget() {
        frames = []
        heads = [:]
        events = []
    }

    // MARK: Answering

    /// One turn of the connection, with all output collected.
    func turn() {
        handleEvents()
        while session.collectOutput(into: &output) { read() }
        read()
        handleEvents()
    }

    private func handleEvents() {
        while let event = session.nextEvent() {
            events.append(event)
            switch event {
            case .request(let id):
                guard let request = session.take(id) else { continue }
                requests[id] = request
                if answers { answer(id, request.body.isEmpty ? Array("hello".utf8) : Array(request.body)) }
            case .refused(let id, let refusal): answer(id, Array("no".utf8), status: refusal.status)
            case .reset(let id, _): session.release(id)
            case .writable: continue
            }
        }
    }

    func answer(_ id: UInt32, _ body: [UInt8], status: Int = 200) {
        begin(id, status: status, framing: .length(body.count))
        session.write(id) { $0.append(body) }
        session.end(id)
    }

    @discardableResult
    func begin(
        _ id: UInt32, status: Int = 200, framing: ResponseWriter.BodyFraming, lines: String = ""
    ) -> Bool {
        date.withUnsafeBytes {
            session.begin(id, status: status, contentType: "text/plain", framing: framing, date: $0) {
                $0.append(lines)
            }
        }
    }

    func write(_ id: UInt32, _ text: String) { session.write(id) { $0.append(text) } }

    // MARK: Reading

    private func read() {
        let bytes = output.takeAll()
        var rest = Array(bytes.bytes)[...]
        while rest.count >= 9 {
            let head = Array(rest.prefix(9))
            let length = Int(WireFrame.number(head[0..<3]))
            guard rest.count >= 9 + length else { break }
            let payload = Array(rest.dropFirst(9).prefix(length))
            rest = rest.dropFirst(9 + length)
            let frame = WireFrame(
                type: head[3], flags: head[4], stream: WireFrame.number(head[5..<9]), payload: payload)
            frames.append(frame)
            if frame.type == 1 {
                heads[frame.stream, default: []].append((try? decoder.decode(payload)) ?? ["malformed"])
            }
        }
        #expect(rest.isEmpty, "output ends inside a frame")
    }

    /// The code of the GOAWAY that ends the connection; nil while there is none, 0 when it drains.
    var goaway: UInt32? { frames.last { $0.type == 7 }.map { WireFrame.number($0.payload[4..<8]) } }

    func resetCode(_ stream: UInt32) -> UInt32? {
        frames.last { $0.type == 3 && $0.stream == stream }.map { WireFrame.number($0.payload) }
    }

    func body(_ stream: UInt32) -> String {
        String(
            decoding: frames.filter { $0.type == 0 && $0.stream == stream }.flatMap(\.payload), as: UTF8.self)
    }

    func status(_ stream: UInt32) -> String? { heads[stream]?.last?.first }

    func hasEnded(_ stream: UInt32) -> Bool {
        frames.contains { ($0.type == 0 || $0.type == 1) && $0.stream == stream && $0.flags & 1 != 0 }
    }

    /// Whether the connection still does its work.
    var isAlive: Bool {
        send(.ping("alive??!"))
        return frames.contains(WireFrame(type: 6, flags: WireFrame.ack, payload: Array("alive??!".utf8)))
    }
}
