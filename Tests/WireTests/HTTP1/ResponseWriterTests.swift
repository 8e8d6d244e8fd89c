import System
import Testing
import Wire

@Suite struct ResponseWriterTests {
    private func head(
        _ status: Int, _ type: StaticString?, _ framing: ResponseWriter.BodyFraming, keepAlive: Bool = true,
        extra: (inout ByteQueue) -> Void = { _ in }
    ) -> String {
        written { out in
            withBytes("Sun, 06 Nov 1994 08:49:37 GMT") { date in
                ResponseWriter.head(
                    status: status, contentType: type, framing: framing, keepAlive: keepAlive, date: date,
                    into: &out, extra: extra)
            }
        }
    }

    @Test("a head carries date, type, length and connection")
    func plain() {
        #expect(
            head(200, "application/json", .length(12))
                == "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: application/json\r\n"
                + "Content-Length: 12\r\nConnection: keep-alive\r\n\r\n")
    }

    @Test("framing decides the fields")
    func framing() {
        #expect(head(200, nil, .chunked).contains("\r\nTransfer-Encoding: chunked\r\n"))
        #expect(!head(204, nil, .none).contains("Content-Length"))
        #expect(head(200, nil, .close).contains("\r\nConnection: close\r\n"))
        #expect(head(200, nil, .length(0), keepAlive: false).contains("\r\nConnection: close\r\n"))
    }

    @Test("a value from outside cannot end its line")
    func splitting() {
        let text = head(200, nil, .none) { out in
            withBytes("a\r\nSet-Cookie: b\0c\td") { ResponseWriter.field("X", $0, into: &out) }
            ResponseWriter.field("Y\r\nZ", "1\n2", into: &out)
        }
        #expect(text.hasSuffix("\r\nX: a  Set-Cookie: b c\td\r\nY  Z: 1 2\r\n\r\n"))
    }

    @Test("chunks carry their size in hexadecimal", arguments: [1, 9, 15, 16, 255, 256, 4095, 4096, 65_537])
    func chunks(_ count: Int) {
        let body = [UInt8](repeating: 0x61, count: count)
        let text = written { out in
            body.withUnsafeBytes { ResponseWriter.chunk($0, into: &out) }
            ResponseWriter.lastChunk(into: &out)
        }
        #expect(
            text == String(count, radix: 16) + "\r\n" + String(repeating: "a", count: count) + "\r\n0\r\n\r\n"
        )
    }

    @Test("an empty chunk is not written")
    func emptyChunk() {
        #expect(
            written { ResponseWriter.chunk(UnsafeRawBufferPointer(start: nil, count: 0), into: &$0) } == "")
    }

    @Test(
        "every status that is refused with has its own line", arguments: [400, 413, 414, 417, 431, 501, 505])
    func statusLines(_ status: Int) {
        #expect(head(status, nil, .length(0), keepAlive: false).hasPrefix("HTTP/1.1 \(status) "))
    }
}
