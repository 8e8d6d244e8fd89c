import Testing

@testable import Gateway

@Suite struct CallIDTests {
    private func parse(_ text: String) -> CallID? {
        Array(text.utf8).withUnsafeBytes { CallID(decimal: $0) }
    }

    @Test(
        "what a child sends as an id is digits below 2^53 or nothing",
        arguments: [
            "", "-1", "1.0", "1e3", "\"1\"", "null", "9007199254740992", "99999999999999999999", " 1", "0x1",
        ])
    func refused(_ text: String) {
        #expect(parse(text) == nil)
    }

    @Test("slot and generation survive the way through a child")
    func roundTrip() throws {
        let id = CallID(slot: (1 << 20) - 1, generation: .max)
        let back = try #require(parse(String(id.value)))
        #expect(back == id)
        #expect(back.slot == (1 << 20) - 1)
        #expect(back.generation == .max)
        #expect(id.value < 1 << 53)
    }

    @Test("the id of a line that is too long is found at its start")
    func found() {
        func find(_ text: String) -> CallID? { Array(text.utf8).withUnsafeBytes { CallID(findingIn: $0) } }
        #expect(find(#"{"jsonrpc":"2.0","id":77,"result":{"#)?.value == 77)
        #expect(find(#"{"jsonrpc":"2.0","id": 78,"result"#)?.value == 78)
        #expect(find(#"{"jsonrpc":"2.0","id":"x","result"#) == nil)
        #expect(find(#"{"jsonrpc":"2.0","result":{}"#) == nil)
    }
}

@Suite struct LineRingTests {
    private func feed(_ ring: inout LineRing, _ text: String) {
        Array(text.utf8).withUnsafeBytes { ring.append($0) }
    }

    @Test("the last lines are kept, each cut, whatever the pieces they come in")
    func lines() {
        var ring = LineRing(lines: 2, lineBytes: 5)
        feed(&ring, "one\ntw")
        feed(&ring, "o\r\n\nthree-and-more\nfo")
        #expect(ring.lines == ["two", "three"])
    }

    @Test("bytes that are no UTF-8 do not stop the ring")
    func notUTF8() {
        var ring = LineRing(lines: 1, lineBytes: 10)
        [0xff, 0xfe, 0x0a].withUnsafeBytes { ring.append(UnsafeRawBufferPointer($0)) }
        #expect(ring.lines.count == 1)
    }
}
