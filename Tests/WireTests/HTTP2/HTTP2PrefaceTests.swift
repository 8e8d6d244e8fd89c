import Testing
import Wire

@Suite struct HTTP2PrefaceTests {
    @Test("the preface is told from every HTTP/1.1 method, at the earliest byte")
    func sniff() {
        let table: [(String, HTTP2Preface.Verdict)] = [
            ("", .needMore), ("P", .needMore), ("PR", .needMore),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r", .needMore),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", .http2), ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nmore", .http2),
            ("G", .http1), ("PO", .http1), ("PU", .http1), ("PA", .http1), ("PRO", .http1),
            ("PRI * HTTP/2.0\r\n\r\nSMx", .http1), ("\u{16}\u{3}\u{1}", .http1),
        ]
        for (text, verdict) in table {
            #expect(withBytes(text) { HTTP2Preface.sniff($0) } == verdict, "\(text)")
        }
    }

    @Test(
        "a first line of neither version is told from requests, good and bad",
        arguments: [
            ("INVALID CONNECTION PREFACE\r\n\r\n", true), ("hello\n", true), ("EHLO mail.example\r\n", true),
            ("GET / HTTP/1.1\r\n", false), ("GET /\r\n", false), ("BREW / HTTP/1.1\r\n", false),
            ("\r\n", false),
            ("INVALID CONNECTION", false), ("PRI * HTTP/3.0\r\n", false), ("get / HTTP/1.1\r\n", false),
            (String(repeating: "x", count: 300) + "\r\n", false),
        ])
    func neither(_ text: String, _ expected: Bool) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { HTTP2Preface.isNeither($0) } == expected)
    }

    @Test("its farewell is one whole GOAWAY of PROTOCOL_ERROR")
    func farewell() {
        let bytes = HTTP2Preface.farewell
        #expect(Int(bytes[2]) + 9 == bytes.count)
        #expect(bytes[3] == 7)
        #expect(Array(bytes[13..<17]) == [0, 0, 0, 1])
    }
}
