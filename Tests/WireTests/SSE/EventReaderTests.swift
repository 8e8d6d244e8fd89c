import System
import Testing
import Wire

@Suite struct EventReaderTests {
    struct Seen: Equatable { var type = "", data = "", id = "" }

    private func read(_ bytes: [UInt8], piece: Int, max: Int = 1 << 20) -> (
        events: [Seen], failed: Bool, retry: Int?
    ) {
        var reader = EventReader(eventBytesMax: max)
        var events: [Seen] = []
        var at = 0
        while at < bytes.count {
            let end = min(bytes.count, at + piece)
            let failed = withExactBytes(Array(bytes[at..<end])) { part in
                do {
                    try reader.read(part) { event in
                        events.append(
                            Seen(
                                type: String(decoding: event.type, as: UTF8.self),
                                data: String(decoding: event.data, as: UTF8.self),
                                id: String(decoding: event.lastID, as: UTF8.self)))
                    }
                    return false
                } catch { return true }
            }
            if failed { return (events, true, nil) }
            at = end
        }
        return (events, false, reader.retryMilliseconds)
    }

    static let streams: [(String, [Seen])] = [
        ("data: a\n\n", [Seen(data: "a")]),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\n", [Seen(data: "a"), Seen(data: "b"), Seen(data: "c")]),
        ("\u{FEFF}data: a\n\n", [Seen(data: "a")]),
        ("data: \u{FEFF}a\n\n", [Seen(data: "\u{FEFF}a")]),
        (": ping\n\n:\n\ndata: a\n\n", [Seen(data: "a")]),
        ("data: a\ndata: b\ndata\n\n", [Seen(data: "a\nb\n")]),
        ("data:a\ndata:  b\n\n", [Seen(data: "a\n b")]),
        (
            "event: endpoint\ndata: /m?x\n\ndata: y\n\n",
            [Seen(type: "endpoint", data: "/m?x"), Seen(data: "y")]
        ),
        (
            "id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
            [Seen(data: "a", id: "1"), Seen(data: "b", id: "1"), Seen(data: "c")]
        ),
        ("id: 1\ndata:\n\n", [Seen(data: "", id: "1")]),
        ("event: x\n\ndata: a\n\n", [Seen(data: "a")]),
        ("Data: a\nunknown: b\ndata: 漢字\n\n", [Seen(data: "漢字")]),
        ("data: a\n", []), ("data: a", []), ("\n\n\n", []), ("", []),
        ("id: a\0b\ndata: x\n\n", [Seen(data: "x")]),
    ]

    @Test("a stream gives the same events however it is split", arguments: streams)
    func events(_ stream: String, _ expected: [Seen]) {
        let bytes = Array(stream.utf8)
        for piece in 1...max(1, bytes.count) {
            #expect(read(bytes, piece: piece).events == expected)
        }
    }

    @Test("retry takes digits only")
    func retry() {
        #expect(read(Array("retry: 1500\n\n".utf8), piece: 2).retry == 1500)
        #expect(read(Array("retry: 1s\n\n".utf8), piece: 2).retry == nil)
        #expect(read(Array("retry: 99999999999999999999\n\n".utf8), piece: 2).retry == nil)
    }

    @Test("an event over the limit ends the stream, in one line or many")
    func limit() {
        let line = Array(("data: " + String(repeating: "a", count: 100)).utf8)
        let lines = Array(String(repeating: "data: aaaa\n", count: 30).utf8)
        for piece in [1, 13, 1000] {
            #expect(read(line, piece: piece, max: 99).failed)
            #expect(read(lines, piece: piece, max: 99).failed)
            #expect(!read(line, piece: piece, max: 106).failed)
        }
        #expect(read(Array("id: \(String(repeating: "a", count: 1025))\n\n".utf8), piece: 1).failed)
    }

    @Test("what the writer writes is read back")
    func roundTrip() {
        let bytes = Array(
            written { out in
                EventWriter.comment("ping", chunked: false, into: &out)
                withBytes("{\"a\":\n1}") {
                    EventWriter.event(data: $0, event: "message", chunked: false, into: &out)
                }
            }.utf8)
        for piece in 1...bytes.count {
            #expect(read(bytes, piece: piece).events == [Seen(type: "message", data: "{\"a\":\n1}")])
        }
    }

    @Test("a byte order mark does not count against the limit, in whatever pieces it comes")
    func markAndLimit() {
        let bytes = [0xEF, 0xBB, 0xBF] + Array("data:\(String(repeating: "x", count: 95))\n\n".utf8)
        for piece in 1...bytes.count {
            let (events, failed, _) = read(bytes, piece: piece, max: 100)
            #expect(events.count == 1 && !failed, "pieces of \(piece)")
        }
        for piece in 1...bytes.count {
            #expect(read(bytes, piece: piece, max: 99).failed, "pieces of \(piece)")
        }
    }
}
