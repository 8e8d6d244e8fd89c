import System
import Testing
import Wire

@Suite struct ChunkDecoderTests {
    /// Body, bytes consumed and whether it ended; or the status of the refusal.
    private enum Outcome: Equatable {
        case decoded(String, Int, Bool)
        case refused(Int)
    }

    private func decode(_ bytes: UnsafeRawBufferPointer, piece: Int, max: Int = 1 << 20) -> Outcome {
        var decoder = ChunkDecoder()
        var body = ByteQueue()
        var at = 0
        while at < bytes.count {
            let part = UnsafeRawBufferPointer(rebasing: bytes[at..<min(bytes.count, at + piece)])
            do {
                let (consumed, isDone) = try decoder.decode(part, into: &body, bodyBytesMax: max)
                at += consumed
                if isDone { return .decoded(String(decoding: body.bytes, as: UTF8.self), at, true) }
            } catch {
                return .refused(error.status)
            }
        }
        return .decoded(String(decoding: body.bytes, as: UTF8.self), at, false)
    }

    static let refused: [Verdict] = [
        .init("0x prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        .init("plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        .init("minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        .init("underscore", "1_0\r\n"),
        .init("leading space", " 5\r\nhello\r\n0\r\n\r\n"),
        .init("trailing space", "5 \r\nhello\r\n0\r\n\r\n"),
        .init("empty size", "\r\nhello\r\n"),
        .init("only an extension", ";a\r\nhello\r\n"),
        .init("not hexadecimal", "g\r\n"),
        .init("sixteen digits", "0000000000000005\r\nhello\r\n", 413),
        .init("2^64 wrap", "10000000000000005\r\nhello\r\n", 413),
        .init("2^60 - 1", "fffffffffffffff\r\nhello\r\n", 413),
        .init("LF after size", "5\nhello\r\n0\r\n\r\n"),
        .init("CR without LF after size", "5\rhello\r\n0\r\n\r\n"),
        .init("LF in extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        .init("CR in extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        .init("NUL in extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
        .init("data longer than size", "5\r\nhello!\r\n0\r\n\r\n"),
        .init("data shorter than size", "6\r\nhello\r\n0\r\n\r\n"),
        .init("LF after data", "5\r\nhello\n0\r\n\r\n"),
        .init("bare LF as the end", "0\r\n\n"),
        .init("bare CR as the end", "0\r\n\rX"),
        .init("folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
        .init("trailer with space before colon", "0\r\nA : b\r\n\r\n"),
        .init("trailer without colon", "0\r\nA\r\n\r\n"),
        .init("NUL in trailer", "0\r\nA: \0\r\n\r\n"),
        .init("too many trailers", "0\r\n" + String(repeating: "A: b\r\n", count: 101) + "\r\n", 431),
        .init("extension over the limit", "5;" + String(repeating: "a", count: 17_000) + "\r\n", 431),
        .init("trailer over the limit", "0\r\nA: " + String(repeating: "a", count: 17_000) + "\r\n", 431),
        .init("many small extensions", String(repeating: "1;abcdefgh\r\na\r\n", count: 2_000), 431),
    ]

    @Test("a malformed chunk is refused, however it is split", arguments: refused)
    func refuses(_ vector: Verdict) {
        withBytes(vector.bytes) { bytes in
            for piece in [1, 2, 7, bytes.count] {
                #expect(decode(bytes, piece: piece) == .refused(vector.status))
            }
        }
    }

    static let accepted: [(String, String)] = [
        ("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ("A\r\n0123456789\r\n00\r\n\r\n", "0123456789"),
        ("a;x=\"y\"\r\n0123456789\r\n0;z\r\n\r\n", "0123456789"),
        ("005\r\nhello\r\n0\r\nTrailer: a\r\nX: \tb\r\n\r\n", "hello"),
        ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"),
    ]

    @Test("chunks join to the body and the next request is left alone", arguments: accepted)
    func accepts(_ wire: String, _ body: String) {
        withBytes(wire + "GET /") { bytes in
            for piece in 1...bytes.count {
                #expect(decode(bytes, piece: piece) == .decoded(body, wire.utf8.count, true))
            }
        }
    }

    @Test("a body one byte over the limit is refused before its bytes are kept")
    func bodyLimit() {
        withBytes("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n") { bytes in
            #expect(decode(bytes, piece: 3, max: 6) == .decoded("hello!", bytes.count, true))
            #expect(decode(bytes, piece: 3, max: 5) == .refused(413))
            #expect(decode(bytes, piece: 3, max: 4) == .refused(413))
        }
    }

    @Test("an unfinished body is not done")
    func unfinished() {
        withBytes("5\r\nhello\r\n0\r\n\r") { bytes in
            #expect(decode(bytes, piece: 100) == .decoded("hello", bytes.count, false))
        }
    }
}
