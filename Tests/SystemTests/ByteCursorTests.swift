import System
import Testing

@Suite("ByteCursor") struct ByteCursorTests {
    /// What `write` appends to an outbox, and what it counts.
    private func written(room: Int = 200, _ write: (inout ByteCursor) -> Void) -> String {
        var outbox = Outbox(pool: ChunkPool())
        outbox.append("<")
        outbox.write(atMost: room, write)
        outbox.append(">")
        let all = outbox.takeAll()
        return all.withBytes { String(decoding: $0, as: UTF8.self) }
    }

    @Test("pieces stand one behind the other")
    func pieces() {
        let text = written { out in
            out.append("ab")
            out.append(byte: 0x63)
            [UInt8]("de".utf8).withUnsafeBytes { out.append($0) }
            out.append(UnsafeRawBufferPointer(start: nil, count: 0))
            #expect(out.count == 5)
        }
        #expect(text == "<abcde>")
    }

    @Test(
        "numbers are written in decimal",
        arguments: [0, 1, 9, 10, 11, 99, 100, 101, -1, -9, -10, -100, 1_234_567, .max, .min])
    func decimals(_ value: Int) {
        #expect(written { $0.append(decimal: value) } == "<\(value)>")
    }

    @Test("exactly the room that was asked for can be filled")
    func full() {
        #expect(written(room: 3) { $0.append("abc") } == "<abc>")
        #expect(written(room: 0) { _ in } == "<>")
        #expect(written(room: 2) { $0.append(decimal: -7) } == "<-7>")
    }

    @Test("writes of every size keep their order, across chunks of both kinds")
    func sizes() {
        let pool = ChunkPool()
        var outbox = Outbox(pool: pool)
        var expected: [UInt8] = []
        for (i, size) in [1, 900, 200, 5000, 1, 12_000, 4000, 16_000, 3, 1100].enumerated() {
            let piece = [UInt8](repeating: UInt8(i), count: size)
            outbox.write(atMost: size + i) { out in piece.withUnsafeBytes { out.append($0) } }
            expected += piece
            #expect(outbox.count == expected.count)
        }
        while !outbox.isEmpty { outbox.sent(min(outbox.count, 777)) }
        for _ in 0..<3 { outbox.write(atMost: 50) { $0.append("again") } }
        outbox.takeAll().withBytes { #expect(String(decoding: $0, as: UTF8.self) == "againagainagain") }
    }
}
