import Testing

@testable import Wire

/// nghttp2 stops most of this before; the spelling as text must be safe without it.
@Suite struct HeadAssemblyTests {
    /// The head that `lines` become as text; nil when they are malformed or refused.
    private func spelled(_ lines: [(String, String)]) -> String? {
        var assembly = HeadAssembly()
        assembly.begin(isTrailer: false)
        for (name, value) in lines {
            withBytes(name) { name in withBytes(value) { assembly.add(name, $0) } }
        }
        guard (try? assembly.finish(endsStream: true)) != nil else { return nil }
        return String(decoding: assembly.bytes, as: UTF8.self)
    }

    private let start = [(":method", "GET"), (":path", "/"), (":authority", "a")]

    @Test("the fields of a request are spelled as one HTTP/1.1 head")
    func spelling() {
        #expect(spelled(start + [("x", "y")]) == "GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n")
    }

    @Test("no field can become two, or two words of the first line")
    func injection() {
        for bad in ["\r\nx: y", "\n", "\r", "\0"] {
            #expect(spelled(start + [("a", "b" + bad)]) == nil)
            for i in 0..<3 {
                var lines = start
                lines[i].1 += bad
                #expect(spelled(lines) == nil)
            }
        }
        for i in 0..<3 {
            var lines = start
            lines[i].1 += " HTTP/1.1"
            #expect(spelled(lines) == nil)
        }
        #expect(spelled(start + [("a: b\r\nc", "d")]) == nil)
    }

    @Test("nothing is left of the request before")
    func reuse() throws {
        var assembly = HeadAssembly()
        for value in ["first", "2"] {
            assembly.begin(isTrailer: false)
            for (name, value) in start + [("x", value)] {
                withBytes(name) { name in withBytes(value) { assembly.add(name, $0) } }
            }
            _ = try assembly.finish(endsStream: true)
            #expect(
                String(decoding: assembly.bytes, as: UTF8.self)
                    == "GET / HTTP/1.1\r\nhost: a\r\nx: \(value)\r\n\r\n")
        }
    }
}
