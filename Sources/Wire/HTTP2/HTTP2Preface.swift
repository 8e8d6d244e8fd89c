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
}
