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
}
