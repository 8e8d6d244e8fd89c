/// Tells HTTP/2 with prior knowledge (RFC 9113 §3.3) from HTTP/1.1 by the first bytes of a connection.
public enum HTTP2Preface {
    public enum Verdict: Sendable, Equatable {
        case http1, http2
        /// All bytes so far are those of the preface.
        case needMore
    }

    /// RFC 9113 §3.4. No HTTP/1.1 request can begin so: its version is wrong.
    public static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    /// Looks at the first 24 bytes. They are consumed by nobody: an HTTP/2 session is fed all of them.
    public static func sniff(_ bytes: UnsafeRawBufferPointer) -> Verdict {
        let count = min(bytes.count, text.utf8CodeUnitCount)
        for i in 0..<count where bytes[i] != text.utf8Start[i] { return .http1 }
        return count == text.utf8CodeUnitCount ? .http2 : .needMore
    }

    /// True when the first line of a connection is a request of neither version: no method that is in use at its
    /// front, and no `HTTP/` at its end. False while the line is not whole.
    public static func isNeither(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let start = bytes.prefix(neitherBytesMax)
        // Nearly every connection: nothing is taken apart for it.
        if methods.contains(where: { start.starts(with: $0.utf8) }) { return false }
        guard let end = start.firstIndex(of: 10) else { return false }
        let words = start[..<end].split(whereSeparator: { $0 == 32 || $0 == 13 })
        guard let last = words.last else { return false }
        return !last.starts(with: "HTTP/".utf8)
    }

    /// What such a client is told before the connection ends (RFC 9113 §3.4 asks for a PROTOCOL_ERROR): GOAWAY, whose
    /// debug data a person can read.
    public static let farewell: [UInt8] = {
        let text = Array("This is neither an HTTP/1.1 request nor the connection preface of HTTP/2.\r\n".utf8)
        let (goaway, protocolError) = (UInt8(7), UInt8(1))
        let length = UInt8(truncatingIfNeeded: 8 + text.count)
        return [0, 0, length, goaway, 0, 0, 0, 0, 0] + [0, 0, 0, 0, 0, 0, 0, protocolError] + text
    }()

    /// Bytes of a first line that are looked at: a request line that long has its end looked at by the parser.
    private static let neitherBytesMax = 256
    private static let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI",
    ]
}
