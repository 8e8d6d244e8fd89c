import System
import Testing
import Wire

@Suite struct EventWriterTests {
    private func event(_ data: String, id: String? = nil, event: StaticString? = nil, chunked: Bool = false)
        -> String
    {
        written { out in
            withBytes(data) { data in
                if let id {
                    withBytes(id) {
                        EventWriter.event(data: data, id: $0, event: event, chunked: chunked, into: &out)
                    }
                } else {
                    EventWriter.event(data: data, event: event, chunked: chunked, into: &out)
                }
            }
        }
    }

    static let plain: [(String, String)] = [
        ("{}", "data: {}\n\n"), ("", "data: \n\n"), ("a\nb", "data: a\ndata: b\n\n"),
        ("a\r\nb\rc", "data: a\ndata: b\ndata: c\n\n"), ("a\n", "data: a\ndata: \n\n"),
    ]

    @Test("every line of the data is its own data line", arguments: plain)
    func lines(_ data: String, _ wire: String) { #expect(event(data) == wire) }

    @Test("id and type come first, and none that could break the line")
    func names() {
        #expect(event("x", id: "7", event: "endpoint") == "event: endpoint\nid: 7\ndata: x\n\n")
        #expect(event("x", id: "7\ndata: y") == "data: x\n\n")
    }

    @Test(
        "one chunk holds exactly one event",
        arguments: ["{}", "", "a\nb\r\nc", String(repeating: "x", count: 300)])
    func chunked(_ data: String) {
        let plain = event(data, id: "1", event: "message")
        let size = String(plain.utf8.count, radix: 16)
        #expect(event(data, id: "1", event: "message", chunked: true) == "\(size)\r\n\(plain)\r\n")
    }

    @Test("an event that primes a stream has an id, a pause and no content; its chunk size is right")
    func primes() {
        func prime(_ id: String, chunked: Bool) -> String {
            written { out in
                Array(id.utf8).withUnsafeBytes {
                    EventWriter.prime(id: $0, retryMilliseconds: 1000, chunked: chunked, into: &out)
                }
            }
        }
        let plain = prime("ab-0-1", chunked: false)
        #expect(plain == "id: ab-0-1\nretry: 1000\ndata: \n\n")
        let size = String(plain.utf8.count, radix: 16)
        #expect(prime("ab-0-1", chunked: true) == "\(size)\r\n\(plain)\r\n")
        #expect(prime("a\nb", chunked: true) == "")
    }

    @Test("comments and retry have the right chunk size")
    func others() {
        #expect(written { EventWriter.comment("ping", chunked: false, into: &$0) } == ": ping\n")
        #expect(written { EventWriter.comment("ping", chunked: true, into: &$0) } == "7\r\n: ping\n\r\n")
        #expect(
            written { EventWriter.retry(milliseconds: 1500, chunked: true, into: &$0) }
                == "d\r\nretry: 1500\n\n\r\n")
        #expect(written { EventWriter.retry(milliseconds: -1, chunked: false, into: &$0) } == "retry: 0\n\n")
    }
}
