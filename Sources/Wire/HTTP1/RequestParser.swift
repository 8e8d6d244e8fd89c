import Glibc

/// HTTP/1.1 request heads (RFC 9112), strict: one reading of every accepted head, all else refused. Sans-I/O:
/// the caller keeps the bytes that have arrived and asks again when there are more.
public enum RequestParser {
    /// The head at the start of `bytes`, or nil while it is incomplete. `resumeAt` is 0 for a new head and is
    /// kept by the caller between calls with the same, longer, bytes: lines already seen are not searched again.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, resumeAt: inout Int
    ) throws(Refusal) -> RequestHead? {
        var head = RequestHead()
        return try parse(bytes, resumeAt: &resumeAt, into: &head) ? head : nil
    }

    /// The same into memory of the caller's; false while the head is incomplete. What `head` holds then, or
    /// after a refusal, means nothing.
    public static func parse(
        _ bytes: UnsafeRawBufferPointer, resumeAt: inout Int, into head: inout RequestHead
    ) throws(Refusal) -> Bool {
        guard let first = try skipEmptyLines(bytes) else { return false }
        // Nearly every head comes whole, and is read without a search for its end before. Whether one that
        // cannot be read is wrong or unfinished, its end decides.
        if resumeAt == 0 {
            do throws(Refusal) {
                try read(bytes, from: first, end: min(bytes.count, WireLimits.headBytesMax), into: &head)
                return true
            } catch {}
        }
        guard let end = try HeadEnd.find(bytes, first: first, resumeAt: &resumeAt) else { return false }
        resumeAt = 0
        try read(bytes, from: first, end: end, into: &head)
        return true
    }

    /// The head must end before `end`.
    private static func read(
        _ bytes: UnsafeRawBufferPointer, from first: Int, end: Int, into head: inout RequestHead
    ) throws(Refusal) {
        head.reset()
        let fields = try RequestLine.parse(bytes, from: first, end: end, into: &head)
        head.length = try FieldLines.parse(bytes, from: fields, end: end, into: &head)
        try checkHost(&head, bytes)
        head.preferAuthority()
        head.framing = try Framing.decide(&head, bytes)
        head.keepAlive = !head.connectionClose && (!head.isHTTP10 || head.connectionKeepAlive)
        try settleExpectation(&head, bytes)
    }

    /// Offset of the request line; nil when nothing but empty lines has come yet.
    private static func skipEmptyLines(_ bytes: UnsafeRawBufferPointer) throws(Refusal) -> Int? {
        var i = 0
        while i < bytes.count, bytes[i] == ASCII.carriageReturn || bytes[i] == ASCII.lineFeed {
            guard bytes[i] == ASCII.carriageReturn else { throw .bad("bare LF before the request line") }
            guard i + 1 < bytes.count else { return nil }
            guard bytes[i + 1] == ASCII.lineFeed else { throw .bad("bare CR before the request line") }
            i += 2
            guard i <= 2 * WireLimits.leadingEmptyLinesMax else {
                throw .bad("too many empty lines before the request line")
            }
        }
        return i < bytes.count ? i : nil
    }

    // The head is passed in place though it does not change: it is large, and would be copied for each.

    /// RFC 9112 §3.2: exactly one in HTTP/1.1, and a valid one.
    private static func checkHost(_ head: inout RequestHead, _ bytes: UnsafeRawBufferPointer) throws(Refusal)
    {
        guard let host = head[.host] else {
            if head.isHTTP10 { return }
            throw .bad("no Host")
        }
        guard !head.isDuplicated(.host) else { throw .bad("Host twice") }
        try Host.check(host.of(bytes))
    }

    /// RFC 9110 §10.1.1: the one expectation there is; ignored from an HTTP/1.0 client.
    private static func settleExpectation(
        _ head: inout RequestHead, _ bytes: UnsafeRawBufferPointer
    ) throws(Refusal) {
        guard let expectation = head[.expect], !head.isHTTP10 else { return }
        guard !head.isDuplicated(.expect), ASCII.matches(expectation.of(bytes), "100-continue") else {
            throw Refusal(417, "the only expectation is 100-continue")
        }
        head.expectsContinue = head.framing.hasBody
    }
}

/// Finds the empty line that ends a head, and refuses early what can never become one: a client that speaks
/// another protocol gets its answer at once instead of a timeout.
private enum HeadEnd {
    /// Offset just after the empty line, or nil. Afterwards `resumeAt` is the start of the last, unfinished line.
    static func find(
        _ bytes: UnsafeRawBufferPointer, first: Int, resumeAt: inout Int
    ) throws(Refusal) -> Int? {
        let count = min(bytes.count, WireLimits.headBytesMax)
        var line = resumeAt > first && resumeAt <= count ? resumeAt : first
        let wasFirst = line == first
        while let i = index(of: ASCII.carriageReturn, in: bytes, from: line, to: count), i + 1 < count {
            guard bytes[i + 1] == ASCII.lineFeed else { throw .bad("bare CR") }
            if i == line { return i + 2 }
            line = i + 2
        }
        if index(of: ASCII.lineFeed, in: bytes, from: line, to: count) != nil { throw .bad("bare LF") }
        if line == first {
            guard count - first <= WireLimits.targetBytesMax + 2 * WireLimits.methodBytesMax else {
                throw Refusal(414, "request line is too long")
            }
        } else if wasFirst {
            var scratch = RequestHead()
            _ = try RequestLine.parse(bytes, from: first, end: line, into: &scratch)
        }
        guard bytes.count < WireLimits.headBytesMax else { throw Refusal(431, "request head is too large") }
        resumeAt = line
        return nil
    }

    private static func index(
        of byte: UInt8, in bytes: UnsafeRawBufferPointer, from start: Int, to end: Int
    ) -> Int? {
        guard start < end, let base = bytes.baseAddress,
            let found = memchr(base + start, Int32(byte), end - start)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }
}
