import Glibc
import MCP
import System
import Wire

/// Guided fuzzing of what reads bytes from outside: whatever comes, nothing traps, and what holds for a whole input
/// holds for its pieces. The first byte of an input chooses the reader, the second where it is cut.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 2 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start + 2, count: count - 2)
    let cut = min(Int(start[1]) * input.count / 255, input.count)
    switch start[0] % 7 {
    case 0: requestHead(input, cut)
    case 1: chunks(input, cut)
    case 2: message(input)
    case 3: http2(input, cut)
    case 4: events(input, cut)
    case 5: value(input)
    default: preface(input, cut)
    }
    return 0
}

private typealias Arguments = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

/// libFuzzer as a library: the package manager gives `main` a name of its own.
@_silgen_name("LLVMFuzzerRunDriver")
private func drive(
    _ count: UnsafeMutablePointer<CInt>, _ arguments: UnsafeMutablePointer<Arguments?>,
    _ body: @convention(c) (UnsafePointer<UInt8>, Int) -> CInt
) -> CInt

@_cdecl("Fuzz_main")
public func start(_ count: CInt, _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?) -> CInt {
    var (count, arguments) = (count, arguments)
    return drive(&count, &arguments) { fuzz($0, $1) }
}

private func check(_ holds: Bool, _ what: StaticString) {
    guard !holds else { return }
    fatalError("does not hold: \(what)")
}

private func part(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[range])
}

// MARK: HTTP/1.1

/// What a head was read as; `refused` and `more` are no heads.
private enum HeadReading: Equatable {
    case refused(Int)
    case more
    case head(length: Int, target: [UInt8], keepAlive: Bool)
}

private func read(_ bytes: UnsafeRawBufferPointer, _ resumeAt: inout Int) -> HeadReading {
    do {
        guard let head = try RequestParser.parse(bytes, resumeAt: &resumeAt) else { return .more }
        check(head.length <= bytes.count, "a head is no longer than its bytes")
        return .head(length: head.length, target: Array(head.target.of(bytes)), keepAlive: head.keepAlive)
    } catch {
        return .refused(error.status)
    }
}

private func requestHead(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    var fresh = 0
    var resumed = 0
    let whole = read(input, &fresh)
    let first = read(part(input, 0..<cut), &resumed)
    guard case .more = first else { return }
    let second = read(input, &resumed)
    check(whole == second, "a head that came in two pieces is the same")
}

private func chunks(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    func decode(_ pieces: [UnsafeRawBufferPointer]) -> (body: [UInt8], isDone: Bool, isRefused: Bool) {
        var decoder = ChunkDecoder()
        var body = ByteQueue()
        var isDone = false
        for piece in pieces where !isDone {
            do {
                let step = try decoder.decode(piece, into: &body, bodyBytesMax: 4096)
                check(step.consumed <= piece.count, "no more is used than is there")
                isDone = step.isDone
            } catch {
                return (Array(body.bytes), false, true)
            }
        }
        check(body.count <= 4096, "a body is within its limit")
        return (Array(body.bytes), isDone, false)
    }
    let whole = decode([input])
    let pieces = decode([part(input, 0..<cut), part(input, cut..<input.count)])
    check(
        whole.isDone == pieces.isDone && whole.isRefused == pieces.isRefused && whole.body == pieces.body,
        "a body that came in two pieces is the same")
}

// MARK: JSON-RPC

/// A server's line in each role that it can have, to clients of either era: what goes out is one message.
private func message(_ input: UnsafeRawBufferPointer) {
    guard let envelope = try? Envelope.scan(input) else { return }
    let id: StaticString = "17"
    let method = MethodName.allCases[input.count % MethodName.allCases.count]
    for isModern in [false, true] {
        for server in Era.allCases {
            let call = ResponseRewriter.Call(
                id: UnsafeRawBufferPointer(start: id.utf8Start, count: id.utf8CodeUnitCount), method: method,
                isModern: isModern, server: server)
            guard let response = try? ResponseRewriter.rewrite(input, envelope, for: call) else { continue }
            var out = ByteCollector()
            response.body.write(into: &out)
            check(out.bytes.count == response.body.count, "the length that is announced is that of the body")
            check(!out.bytes.contains(10) && !out.bytes.contains(13), "an answer is one line")
            let isMessage = out.bytes.withUnsafeBytes { (try? Envelope.scan($0)) != nil }
            check(isMessage, "an answer is a message")
        }
    }
}

private func value(_ input: UnsafeRawBufferPointer) {
    guard let value = try? JSONValue.parse(input) else { return }
    let written = value.serialized()
    check((try? JSONValue.parse(written)) == value, "a value that is written and read is the same")
}

// MARK: Streams

private func events(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    func read(_ pieces: [UnsafeRawBufferPointer]) -> (events: [[UInt8]], isRefused: Bool) {
        var reader = EventReader(eventBytesMax: 1024)
        var found: [[UInt8]] = []
        for piece in pieces {
            do {
                try reader.read(piece) {
                    found.append(Array($0.type) + [0] + Array($0.data) + [0] + Array($0.lastID))
                }
            } catch {
                return (found, true)
            }
        }
        return (found, false)
    }
    let whole = read([input])
    let pieces = read([part(input, 0..<cut), part(input, cut..<input.count)])
    check(
        whole.events == pieces.events && whole.isRefused == pieces.isRefused,
        "events in two pieces are the same")
}

/// Of the one thread that fuzzes.
nonisolated(unsafe) private let pool = ChunkPool()

/// Frames after a good beginning; every request is answered.
private func http2(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    let beginning: [UInt8] = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
    let session = HTTP2Session(pool: pool, bodyBytesMax: 2000, now: Instant(nanoseconds: 0))
    beginning.withUnsafeBytes { session.receive($0, now: Instant(nanoseconds: 0)) }
    serve(session, [part(input, 0..<cut), part(input, cut..<input.count)])
}

/// The same from the first byte on.
private func preface(_ input: UnsafeRawBufferPointer, _ cut: Int) {
    _ = HTTP2Preface.sniff(input)
    _ = HTTP2Preface.isNeither(input)
    let session = HTTP2Session(pool: pool, bodyBytesMax: 2000, now: Instant(nanoseconds: 0))
    serve(session, [part(input, 0..<cut), part(input, cut..<input.count)])
}

private func serve(_ session: HTTP2Session, _ pieces: [UnsafeRawBufferPointer]) {
    var outbox = Outbox(pool: pool)
    for (number, piece) in pieces.enumerated() {
        session.receive(piece, now: Instant(nanoseconds: 1_000_000 * UInt64(number)))
        while let event = session.nextEvent() { answer(session, event) }
        _ = session.collectOutput(into: &outbox)
        outbox.removeAll()
        check(session.openStreams <= HTTP2Limits.streamsMax, "streams are within their limit")
    }
    session.tick(Instant(nanoseconds: 60_000_000_000))
    session.abandon()
    while let event = session.nextEvent() { answer(session, event) }
    _ = session.collectOutput(into: &outbox)
}

private func answer(_ session: HTTP2Session, _ event: HTTP2Event) {
    let date: StaticString = "Sun, 29 Nov 2026 00:00:00 GMT"
    let dateBytes = UnsafeRawBufferPointer(start: date.utf8Start, count: date.utf8CodeUnitCount)
    switch event {
    case .request(let id):
        guard let request = session.take(id) else { return }
        check(request.body.count <= 2000, "a body is within its limit")
        guard session.begin(id, status: 200, contentType: "text/plain", framing: .chunked, date: dateBytes)
        else { return }
        _ = session.write(id) { $0.append(request.body) }
        if id % 3 != 0 { session.end(id) }
    case .refused(let id, let refusal):
        guard
            session.begin(id, status: refusal.status, contentType: nil, framing: .length(0), date: dateBytes)
        else {
            return
        }
        session.end(id)
    case .reset(let id, _): session.release(id)
    case .writable: return
    }
}
