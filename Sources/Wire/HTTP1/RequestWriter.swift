import System

/// Heads of requests that the gateway makes of servers behind it.
public enum RequestWriter {
    /// Request line, `Host`, `Content-Length` of a body, then what `extra` adds by `ResponseWriter.field`, and the
    /// empty line.
    ///
    /// - Parameters:
    ///   - target: origin form, percent-encoded already.
    ///   - bodyCount: nil for a request without a body.
    public static func head<Sink: ByteSink & ~Copyable>(
        method: StaticString, target: String, host: String, bodyCount: Int?, into out: inout Sink,
        extra: (inout Sink) -> Void = { _ in }
    ) {
        out.append(method)
        out.append(" ")
        append(target, into: &out)
        out.append(" HTTP/1.1\r\nHost: ")
        append(host, into: &out)
        out.append("\r\n")
        if let bodyCount {
            out.append("Content-Length: ")
            out.append(decimal: bodyCount)
            out.append("\r\n")
        }
        extra(&out)
        out.append("\r\n")
    }

    /// Blanks and control characters cannot be in either; what slipped through must not end the line.
    private static func append<Sink: ByteSink & ~Copyable>(_ text: String, into out: inout Sink) {
        for byte in text.utf8 where byte > ASCII.space && byte != 0x7F { out.append(byte: byte) }
    }
}
