import Glibc

/// HTTP/1.1 response heads (RFC 9112), as strict as those of requests: what two readers could read differently is
/// refused, for a server behind the gateway is as much a stranger as a client before it.
public enum ResponseParser {
    /// The head at the start of `bytes`, or nil while it is incomplete. `resumeAt` is 0 for a new head and kept by
    /// the caller between calls with the same, longer, bytes.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, resumeAt: inout Int
    ) throws(ResponseFault) -> ResponseHead? {
        guard let end = try end(bytes, resumeAt: &resumeAt) else { return nil }
        resumeAt = 0
        var head = ResponseHead()
        let fields = try statusLine(bytes, end: end, into: &head)
        do {
            try readFields(bytes, from: fields, end: end, into: &head)
        } catch {
            throw ResponseFault(error.reason)
        }
        head.length = end
        head.framing = try framing(head, bytes)
        if head.framing == .untilClose { head.keepAlive = false }
        return head
    }

    /// Offset after the empty line.
    private static func end(
        _ bytes: UnsafeRawBufferPointer, resumeAt: inout Int
    ) throws(ResponseFault) -> Int? {
        let count = min(bytes.count, WireLimits.headBytesMax)
        var line = min(max(resumeAt, 0), count)
        while let i = index(ASCII.lineFeed, bytes, line, count) {
            guard i > 0, bytes[i - 1] == ASCII.carriageReturn else {
                throw ResponseFault("bare LF in the head")
            }
            if i - 1 == line { return i + 1 }
            line = i + 1
        }
        // Told early: something else than HTTP answers.
        if bytes.count >= 5,
            !UnsafeRawBufferPointer(rebasing: bytes[0..<5]).elementsEqual("HTTP/".utf8)
        {
            throw ResponseFault("no HTTP response")
        }
        guard bytes.count < WireLimits.headBytesMax else { throw ResponseFault("response head is too large") }
        resumeAt = line
        return nil
    }

    private static func index(
        _ byte: UInt8, _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int
    ) -> Int? {
        guard start < end, let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(byte), end - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    /// `HTTP/1.1 200 OK`; the reason may be empty, the blank before it may not be missing. Returns where the
    /// fields begin.
    private static func statusLine(
        _ bytes: UnsafeRawBufferPointer, end: Int, into head: inout ResponseHead
    ) throws(ResponseFault) -> Int {
        let name: StaticString = "HTTP/1."
        guard end >= 15 else { throw ResponseFault("malformed status line") }
        for i in 0..<7 where bytes[i] != name.utf8Start[i] { throw ResponseFault("no HTTP/1.1 response") }
        guard bytes[7] == 0x30 || bytes[7] == 0x31, bytes[8] == ASCII.space else {
            throw ResponseFault("malformed HTTP version")
        }
        head.isHTTP10 = bytes[7] == 0x30
        head.keepAlive = !head.isHTTP10
        for i in 9..<12 {
            guard ASCII.isDigit(bytes[i]) else { throw ResponseFault("malformed status") }
            head.status = head.status * 10 + Int(bytes[i] - 0x30)
        }
        guard head.status >= 100, head.status <= 599 else { throw ResponseFault("status out of range") }
        var i = 12
        guard bytes[i] == ASCII.space || bytes[i] == ASCII.carriageReturn else {
            throw ResponseFault("malformed status line")
        }
        while i < end, bytes[i] != ASCII.carriageReturn {
            guard bytes[i] >= ASCII.space && bytes[i] != 0x7F || bytes[i] == ASCII.tab else {
                throw ResponseFault("control character in the status line")
            }
            i += 1
        }
        guard i + 1 < end, bytes[i + 1] == ASCII.lineFeed else { throw ResponseFault("bare CR in the head") }
        return i + 2
    }

    private static func readFields(
        _ bytes: UnsafeRawBufferPointer, from start: Int, end: Int, into head: inout ResponseHead
    ) throws(Refusal) {
        var at = start
        var count = 0
        while let line = try FieldLine.parse(bytes, at: at, end: end) {
            count += 1
            guard count <= WireLimits.fieldLinesMax else { throw .bad("too many field lines") }
            at = line.next
            guard let field = ResponseField.named(line.name.of(bytes)) else { continue }
            head.record(field, line.value)
            if field == .connection { options(line.value.of(bytes), into: &head) }
        }
        guard at + 2 == end else { throw .bad("empty line inside the head") }
    }

    private static func options(_ list: UnsafeRawBufferPointer, into head: inout ResponseHead) {
        var at = 0
        while let token = TokenList.next(list, &at) {
            if ASCII.matches(token, "close") { head.keepAlive = false }
            if ASCII.matches(token, "keep-alive"), head.isHTTP10 { head.keepAlive = true }
        }
    }

    /// RFC 9112 §6.3, for answers to GET, POST and DELETE.
    private static func framing(
        _ head: ResponseHead, _ bytes: UnsafeRawBufferPointer
    ) throws(ResponseFault) -> ResponseFraming {
        let coding = head[.transferEncoding]
        let length = head[.contentLength]
        guard coding == nil || length == nil else {
            throw ResponseFault("both Content-Length and Transfer-Encoding")
        }
        guard !head.isDuplicated(.contentLength), !head.isDuplicated(.transferEncoding) else {
            throw ResponseFault("the length of the body is told twice")
        }
        if head.status < 200 || head.status == 204 || head.status == 304 { return .none }
        if let coding {
            guard !head.isHTTP10, ASCII.matches(coding.of(bytes), "chunked") else {
                throw ResponseFault("the only transfer coding is chunked")
            }
            return .chunked
        }
        guard let length else { return .untilClose }
        guard let count = Self.decimal(length.of(bytes)) else {
            throw ResponseFault("malformed Content-Length")
        }
        return .length(count)
    }

    /// `1*DIGIT`, at most what fits.
    static func decimal(_ digits: UnsafeRawBufferPointer) -> Int? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var value = 0
        for digit in digits {
            guard ASCII.isDigit(digit) else { return nil }
            value = value * 10 + Int(digit - 0x30)
        }
        return value
    }
}
