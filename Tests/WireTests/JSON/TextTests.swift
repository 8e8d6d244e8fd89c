import System
import Testing
import Wire

/// What the raw inside of a JSON string means.
private func decoded(_ raw: String) -> [UInt8] {
    withBytes(raw) { bytes in
        var queue = ByteQueue()
        JSONText.decode(bytes, into: &queue)
        return Array(queue.bytes)
    }
}

@Suite struct TextTests {
    static let meanings: [(String, String)] = [
        ("", ""), ("abc", "abc"), (#"\"\\\/"#, #""\/"#), (#"\b\f\n\r\t"#, "\u{8}\u{C}\n\r\t"),
        (#"\u0041\u00e9\u20AC"#, "Aé€"), (#"\uD83D\uDE00x"#, "😀x"), (#"é\u0000"#, "é\0"), ("😀", "😀"),
    ]

    @Test("escapes mean their characters", arguments: meanings)
    func decodes(_ raw: String, _ meaning: String) {
        #expect(decoded(raw) == Array(meaning.utf8))
        withBytes(raw) { bytes in
            #expect(JSONText.string(bytes) == meaning)
            #expect(withBytes(meaning) { JSONText.equals(bytes, $0) })
            #expect(withBytes(meaning + "x") { !JSONText.equals(bytes, $0) })
        }
    }

    @Test("a lone surrogate keeps what it was, so that different names stay different")
    func surrogates() {
        #expect(decoded(#"\uD800"#) == [0xED, 0xA0, 0x80])
        #expect(decoded(#"\uDFFF"#) == [0xED, 0xBF, 0xBF])
        #expect(decoded(#"\uD800\uD800"#) == [0xED, 0xA0, 0x80, 0xED, 0xA0, 0x80])
        #expect(decoded(#"\uD800A"#) == [0xED, 0xA0, 0x80, 0x41])
        #expect(withBytes(#"\uD800"#) { JSONText.string($0).unicodeScalars.allSatisfy { $0 == "\u{FFFD}" } })
    }

    @Test("fixed memory is never overrun")
    func fixedMemory() {
        withBytes(#"a\u00e9b"#) { raw in
            for room in 0...6 {
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: room, alignment: 1)
                defer { memory.deallocate() }
                #expect(JSONText.decode(raw, into: memory) == (room >= 4 ? 4 : nil))
            }
        }
    }

    @Test("a text is written so that it reads back the same", arguments: [11, 12] as [UInt64])
    func roundTrip(_ seed: UInt64) throws {
        var random = Random64(state: seed)
        for _ in 0..<500 {
            let scalars = (0..<Int.random(in: 0..<20, using: &random)).compactMap { _ in
                UnicodeScalar(
                    UInt32.random(
                        in: 0..<[0x80, 0x800, 0x110000].randomElement(using: &random)!, using: &random))
            }
            let text = String(String.UnicodeScalarView(scalars))
            let quoted = written { JSONText.appendString(text, into: &$0) }
            #expect(ReferenceJSON.accepts(Array(quoted.utf8)), "seed \(seed)")
            #expect(try JSONValue.parse(quoted) == .string(text), "seed \(seed)")
        }
    }

    @Test("bytes that are not UTF-8 are written as U+FFFD")
    func malformed() {
        for bytes in ScannerTests.malformed {
            let quoted = written { out in
                withExactBytes([0x61] + bytes) { JSONText.appendString($0, into: &out) }
            }
            #expect(ReferenceJSON.accepts(Array(quoted.utf8)))
            #expect(quoted.hasPrefix("\"a\u{FFFD}"))
        }
    }

    @Test("control characters, quotes and backslashes are written as escapes")
    func escapes() {
        #expect(
            written { JSONText.appendString("\0\u{1F}\u{7F}\n\r\t\"\\/", into: &$0) }
                == #""\u0000\u001f\u007f\n\r\t\"\\/""#)
    }
}
