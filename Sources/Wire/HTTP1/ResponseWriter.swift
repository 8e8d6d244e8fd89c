import System

/// HTTP/1.1 response heads and chunk framing, written straight into where they leave. Never allocates.
public enum ResponseWriter {
    /// How the client is to find the end of the body.
    public enum BodyFraming: Sendable, Equatable {
        /// `Content-Length`; also for the answer to HEAD, whose body is not sent.
        case length(Int)
        /// For HTTP/1.1 clients only.
        case chunked
        /// Until the connection closes: streams to HTTP/1.0 clients.
        case close
        /// 204 and 304, which have no body and no length (RFC 9110 §8.6).
        case none
    }

    /// Bytes that `head` writes at most without `extra`, for content types and dates of up to 64 bytes.
    public static let headBytesMax = 384

    /// Status line, `Date`, `Content-Type`, framing, `Connection`, what `extra` adds by `field`, empty line.
    /// - Parameters:
    ///   - date: an IMF-fixdate (RFC 9110 §5.6.7), which the loop renders once a second.
    ///   - contentType: nil leaves the field out.
    @inlinable
    public static func head<Sink: ByteSink & ~Copyable>(
        status: Int, contentType: StaticString?, framing: BodyFraming, keepAlive: Bool,
        date: UnsafeRawBufferPointer, into out: inout Sink, extra: (inout Sink) -> Void = { _ in }
    ) {
        out.append(StatusLine.text(status))
        out.append("Date: ")
        out.append(date)
        if let contentType {
            out.append("\r\nContent-Type: ")
            out.append(contentType)
        }
        switch framing {
        case .length(let count):
            out.append("\r\nContent-Length: ")
            out.append(decimal: count)
        case .chunked: out.append("\r\nTransfer-Encoding: chunked")
        case .close, .none: break
        }
        out.append(
            keepAlive && framing != .close ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n")
        extra(&out)
        out.append("\r\n")
    }

    /// One more field line, for use inside `extra`. Control characters of `value`, which may come from outside,
    /// become blanks (RFC 9110 §5.5): no value can end its line.
    @inlinable
    public static func field<Sink: ByteSink & ~Copyable>(
        _ name: StaticString, _ value: UnsafeRawBufferPointer, into out: inout Sink
    ) {
        out.append(name)
        out.append(": ")
        appendValue(value, into: &out)
        out.append("\r\n")
    }

    @inlinable
    public static func field<Sink: ByteSink & ~Copyable>(
        _ name: StaticString, _ value: StaticString, into out: inout Sink
    ) {
        out.append(name)
        out.append(": ")
        out.append(value)
        out.append("\r\n")
    }

    /// For names and values made at run time: the control plane's.
    public static func field<Sink: ByteSink & ~Copyable>(
        _ name: String, _ value: String, into out: inout Sink
    ) {
        var name = name
        var value = value
        name.withUTF8 { appendValue(UnsafeRawBufferPointer($0), into: &out) }
        out.append(": ")
        value.withUTF8 { appendValue(UnsafeRawBufferPointer($0), into: &out) }
        out.append("\r\n")
    }

    @usableFromInline
    static func appendValue<Sink: ByteSink & ~Copyable>(_ value: UnsafeRawBufferPointer, into out: inout Sink)
    {
        var start = 0
        for i in 0..<value.count where (value[i] < ASCII.space && value[i] != ASCII.tab) || value[i] == 0x7F {
            out.append(UnsafeRawBufferPointer(rebasing: value[start..<i]))
            out.append(byte: ASCII.space)
            start = i + 1
        }
        out.append(UnsafeRawBufferPointer(rebasing: value[start..<value.count]))
    }

    /// `100 (Continue)`, sent once the head is accepted and before the body is read.
    public static func continue100<Sink: ByteSink & ~Copyable>(into out: inout Sink) {
        out.append("HTTP/1.1 100 Continue\r\n\r\n")
    }

    /// One chunk. An empty one is not written: it would end the body.
    @inlinable
    public static func chunk<Sink: ByteSink & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer, into out: inout Sink
    ) {
        guard !bytes.isEmpty else { return }
        beginChunk(count: bytes.count, into: &out)
        out.append(bytes)
        endChunk(into: &out)
    }

    /// The size line of a chunk whose `count` bytes the caller appends next. `count` is above zero.
    @inlinable
    public static func beginChunk<Sink: ByteSink & ~Copyable>(count: Int, into out: inout Sink) {
        var shift = (Int.bitWidth - max(count, 1).leadingZeroBitCount - 1) & ~3
        while shift >= 0 {
            let digit = UInt8(truncatingIfNeeded: (count >> shift) & 15)
            out.append(byte: digit < 10 ? 0x30 + digit : 0x57 + digit)
            shift -= 4
        }
        out.append("\r\n")
    }

    @inlinable
    public static func endChunk<Sink: ByteSink & ~Copyable>(into out: inout Sink) { out.append("\r\n") }

    /// Ends a chunked body, without trailers.
    @inlinable
    public static func lastChunk<Sink: ByteSink & ~Copyable>(into out: inout Sink) { out.append("0\r\n\r\n") }
}

/// `HTTP/1.1 <code> <reason>` and CRLF for every status the gateway sends.
@usableFromInline enum StatusLine {
    @usableFromInline static func text(_ status: Int) -> StaticString {
        switch status {
        case 200: "HTTP/1.1 200 OK\r\n"
        case 201: "HTTP/1.1 201 Created\r\n"
        case 202: "HTTP/1.1 202 Accepted\r\n"
        case 204: "HTTP/1.1 204 No Content\r\n"
        case 301: "HTTP/1.1 301 Moved Permanently\r\n"
        case 302: "HTTP/1.1 302 Found\r\n"
        case 304: "HTTP/1.1 304 Not Modified\r\n"
        case 307: "HTTP/1.1 307 Temporary Redirect\r\n"
        case 308: "HTTP/1.1 308 Permanent Redirect\r\n"
        case 400: "HTTP/1.1 400 Bad Request\r\n"
        case 401: "HTTP/1.1 401 Unauthorized\r\n"
        case 403: "HTTP/1.1 403 Forbidden\r\n"
        case 404: "HTTP/1.1 404 Not Found\r\n"
        case 405: "HTTP/1.1 405 Method Not Allowed\r\n"
        case 406: "HTTP/1.1 406 Not Acceptable\r\n"
        case 408: "HTTP/1.1 408 Request Timeout\r\n"
        case 409: "HTTP/1.1 409 Conflict\r\n"
        case 410: "HTTP/1.1 410 Gone\r\n"
        case 411: "HTTP/1.1 411 Length Required\r\n"
        case 412: "HTTP/1.1 412 Precondition Failed\r\n"
        case 413: "HTTP/1.1 413 Content Too Large\r\n"
        case 414: "HTTP/1.1 414 URI Too Long\r\n"
        case 415: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case 417: "HTTP/1.1 417 Expectation Failed\r\n"
        case 421: "HTTP/1.1 421 Misdirected Request\r\n"
        case 422: "HTTP/1.1 422 Unprocessable Content\r\n"
        case 429: "HTTP/1.1 429 Too Many Requests\r\n"
        case 431: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case 500: "HTTP/1.1 500 Internal Server Error\r\n"
        case 501: "HTTP/1.1 501 Not Implemented\r\n"
        case 502: "HTTP/1.1 502 Bad Gateway\r\n"
        case 503: "HTTP/1.1 503 Service Unavailable\r\n"
        case 504: "HTTP/1.1 504 Gateway Timeout\r\n"
        case 505: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        case 507: "HTTP/1.1 507 Insufficient Storage\r\n"
        default: "HTTP/1.1 500 Internal Server Error\r\n"
        }
    }
}
