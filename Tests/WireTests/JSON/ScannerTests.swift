import Testing
import Wire

/// The verdicts of all that read JSON in this module; they share the scanner, but each drives it in its own way.
private struct Verdicts: Equatable {
    /// As a tree. Names that come twice are its own matter.
    var tree: Bool
    /// As a message, whose syntax is checked before its meaning.
    var message: Bool
    /// Inside a message, where nothing is looked at but syntax.
    var nested: Bool

    init(_ text: [UInt8]) {
        tree = Verdicts.isTree(text)
        message = Verdicts.isMessage(text)
        nested = Verdicts.isMessage(Array(#"{"params":{"x":["#.utf8) + text + Array("]}}".utf8))
    }

    static func isTree(_ text: [UInt8]) -> Bool {
        withExactBytes(text) { bytes in
            do throws(JSONError) {
                _ = try JSONValue.parse(bytes)
                return true
            } catch {
                return error.reason.description == "duplicate member name"
            }
        }
    }

    static func isMessage(_ text: [UInt8]) -> Bool {
        withExactBytes(text) { bytes in
            do throws(EnvelopeError) {
                _ = try Envelope.scan(bytes)
                return true
            } catch {
                if case .syntax = error { return false }
                return true
            }
        }
    }
}

private func nesting(_ depth: Int) -> String {
    String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
}

@Suite struct ScannerTests {
    static let valid: [String] = [
        "null", "true", "false", "0", "-0", "7", "-7", "10", "1234567890123456789012345678901234567890",
        "0.0", "-0.5", "1.25", "1e1", "1E1", "1e+1", "1e-1", "0e0", "1.5E-300", "1e999999",
        #""""#, #""a""#, #""\"\\\/\b\f\n\r\t""#, #""\u0000\u00e9\uD83D\uDE00""#,
        // Lone surrogates are legal JSON (RFC 8259 §8.2).
        #""\uD800""#, #""\uDC00\uD800""#, #""\uabCD""#,
        "\"é\"", "\"\u{7FF}\u{800}\u{FFFF}\u{10000}\u{10FFFF}\"", "\"\u{7F}\"", "\"\u{2028}\"",
        "[]", "[ ]", "[1]", "[1,2]", "[[],[[]]]", " [ 1 , 2 ] ", "[\"a\",{},null]",
        "{}", "{ }", #"{"a":1}"#, #"{"":1}"#, #" { "a" : [ { "b" : null } ] , "c" : "" } "#,
        "\t\r\n1\t\r\n", #"{"a":{"b":{"c":{}}}}"#, nesting(64), "{\"a\":" + nesting(63) + "}",
        "[" + Array(repeating: "1", count: 500).joined(separator: ",") + "]",
    ]

    static let invalid: [String] = [
        "", " ", "\u{FEFF}1", "nul", "nulL", "True", "truefalse", "undefined", "NaN", "Infinity", "-",
        "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e1", "1e", "1e+", "1E-", "1e1.5", "0x1", "1_0", "1a",
        "1 2", "--1", "1,", ",1", #"""#, #"""""#, "'a'", #""a"#, #""a\""#, #""\a""#, #""\U0041""#,
        #""\u004""#,
        #""\u00g0""#, #""\u 041""#, #""\"#, #""\u"#, "\"\u{0}\"", "\"\u{1F}\"", "\"\n\"", "\"\t\"", "\"a",
        "[", "]", "[1", "[1,", "[,]", "[1,]", "[1 2]", "[1,,2]", "[1}", "[\"a\":1]", "[]]", "[[]",
        "{", "}", "{]", #"{"a"}"#, #"{"a":}"#, #"{"a":1,}"#, #"{,"a":1}"#, #"{"a":1"#, #"{"a":1 "b":2}"#,
        #"{"a" 1}"#, #"{a:1}"#, #"{1:1}"#, #"{"a":1]"#, #"{"a"::1}"#, #"{"a":1,,"b":2}"#, #"{"a":1}}"#,
        #"{"a"#,
        #"{"a""#, #"{"a":"#, "1\u{0}", "\u{B}1", "\u{C}1", "\u{A0}1", "// a\n1", "/**/1", "[1]#", nesting(65),
        "{\"a\":" + nesting(64) + "}", String(repeating: "[", count: 10_000),
        String(repeating: "{\"a\":", count: 10_000),
    ]

    /// Bytes of a string that are not UTF-8 (Unicode 16, table 3-7).
    static let malformed: [[UInt8]] = [
        [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xC2], [0xC2, 0x00], [0xC2, 0xC0], [0xE0, 0x80, 0x80],
        [0xE0, 0x9F, 0xBF], [0xE1, 0x80], [0xE1, 0x80, 0x7F], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
        [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x8F, 0xBF, 0xBF], [0xF0, 0x90, 0x80], [0xF4, 0x90, 0x80, 0x80],
        [0xF5, 0x80, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xE2, 0x82, 0x41],
    ]

    @Test("all of JSON is accepted", arguments: valid)
    func accepts(_ text: String) {
        #expect(ReferenceJSON.accepts(Array(text.utf8)))
        var expected = Verdicts(Array(text.utf8))
        // Two levels more than the text itself are too deep for the deepest.
        if text.hasPrefix(nesting(64)) || text.contains(nesting(63)) { expected.nested = true }
        #expect(expected.tree && expected.message && expected.nested)
    }

    @Test("what is not JSON is refused", arguments: invalid)
    func refuses(_ text: String) {
        #expect(!ReferenceJSON.accepts(Array(text.utf8)))
        #expect(!Verdicts.isTree(Array(text.utf8)))
        #expect(!Verdicts.isMessage(Array(text.utf8)))
    }

    @Test("a string that is not UTF-8 is refused, wherever it stands", arguments: malformed)
    func refusesMalformed(_ bytes: [UInt8]) {
        for before in 0..<18 {
            for after in [0, 1, 20] {
                let inside =
                    [UInt8](repeating: 0x61, count: before) + bytes + [UInt8](repeating: 0x62, count: after)
                let text = [0x22] + inside + [0x22]
                #expect(!ReferenceJSON.accepts(text))
                let found = Verdicts(text)
                #expect(!found.tree && !found.message && !found.nested)
            }
        }
    }

    @Test("every byte is judged alike at every place of a string, up to the last byte of the text")
    func positions() {
        let names: [(UInt8, Bool)] = [
            (0x1F, false), (0x00, false), (0x0A, false), (0x20, true), (0x21, true), (0x23, true),
            (0x5B, true),
            (0x5D, true), (0x7E, true), (0x7F, true), (0x80, false), (0xFF, false),
        ]
        for count in 1...40 {
            for at in 0..<count {
                for (byte, isLegal) in names {
                    var text = [UInt8](repeating: 0x61, count: count)
                    text[at] = byte
                    let whole = [0x22] + text + [0x22]
                    #expect(Verdicts.isTree(whole) == isLegal, "byte \(byte) at \(at) of \(count)")
                }
                // A quote ends it: what follows is too much, and nothing must be read beyond it.
                var text = [UInt8](repeating: 0x61, count: count)
                text[at] = 0x22
                #expect(Verdicts.isTree([0x22] + text) == (at == count - 1))
            }
            #expect(!Verdicts.isTree([0x22] + [UInt8](repeating: 0x61, count: count)), "no end")
        }
    }

    @Test("an error tells where it is")
    func offsets() {
        let places: [(String, Int)] = [
            ("", 0), ("  ", 2), ("[1,]", 3), (#"{"a":1,}"#, 7), (#"["a\x"]"#, 3), ("[1 2]", 3), ("1 2", 2),
            (#"{"a" 1}"#, 5), ("[nul]", 1), ("[01]", 2), ("\"a\u{1}\"", 2),
        ]
        for (text, offset) in places {
            #expect(throws: JSONError.self) { try JSONValue.parse(text) }
            do throws(JSONError) { _ = try JSONValue.parse(text) } catch {
                #expect(error.offset == offset, "\(text)")
            }
        }
    }

    @Test(
        "seeded variations get the reference's verdict from every reader",
        arguments: [1, 2, 3, 4] as [UInt64])
    func mutations(_ seed: UInt64) {
        var random = Random64(state: seed)
        let seeds = Self.valid.filter { $0.utf8.count < 200 }.map { Array($0.utf8) }
        let spice = [
            "\"", "\\", "{", "}", "[", "]", ",", ":", "\\u", "e", "-", "0", " ", "\n", "\u{1F600}", "tru",
        ]
        .map { Array($0.utf8) }
        for _ in 0..<4000 {
            let text = mutated(seeds.randomElement(using: &random) ?? [], &random, spice: spice)
            let expected = ReferenceJSON.accepts(text)
            #expect(Verdicts.isTree(text) == expected, "seed \(seed): \(text)")
            #expect(Verdicts.isMessage(text) == expected, "seed \(seed): \(text)")
        }
    }
}
