/// The first line of a request (RFC 9112 §3): method, target, version, one space between, nothing around.
enum RequestLine {
    /// Reads the line at `start` into `head`; returns where the field lines begin. The caller has seen a CRLF
    /// before `end`.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, from start: Int, end: Int, into head: inout RequestHead
    ) throws(Refusal) -> Int {
        var i = start
        while i < end, ASCII.isToken(bytes[i]) { i += 1 }
        guard i > start, i < end, bytes[i] == ASCII.space else {
            throw .bad("malformed method in request line")
        }
        guard i - start <= WireLimits.methodBytesMax else { throw Refusal(501, "method is too long") }
        head.methodRange = ByteRange(from: start, to: i)
        head.method = method(head.methodRange.of(bytes))

        let target = i + 1
        i = Scan.hidden(bytes, from: target, end: end)
        guard i - target <= WireLimits.targetBytesMax else {
            throw Refusal(414, "request target is too long")
        }
        guard i > target, i < end else { throw .bad("malformed request target") }
        guard bytes[i] == ASCII.space else {
            throw .bad(
                bytes[i] == ASCII.carriageReturn
                    ? "no HTTP version in request line" : "illegal character in request target")
        }
        head.target = ByteRange(from: target, to: i)
        try version(bytes, at: i + 1, end: end, into: &head)
        try splitTarget(bytes, from: target, to: i, into: &head)
        return i + 1 + 8 + 2
    }

    /// `HTTP/1.1` or `HTTP/1.0`, then CRLF. The name is case-sensitive (RFC 9112 §2.3).
    private static func version(
        _ bytes: UnsafeRawBufferPointer, at i: Int, end: Int, into head: inout RequestHead
    ) throws(Refusal) {
        let name: StaticString = "HTTP/"
        guard i + 10 <= end else { throw .bad("malformed HTTP version") }
        for k in 0..<5 where bytes[i + k] != name.utf8Start[k] { throw .bad("malformed HTTP version") }
        guard ASCII.isDigit(bytes[i + 5]), bytes[i + 6] == 0x2E, ASCII.isDigit(bytes[i + 7]),
            bytes[i + 8] == ASCII.carriageReturn, bytes[i + 9] == ASCII.lineFeed
        else { throw .bad("malformed HTTP version") }
        guard bytes[i + 5] == 0x31, bytes[i + 7] <= 0x31 else {
            throw Refusal(505, "only HTTP/1.1 and HTTP/1.0 are spoken here")
        }
        head.isHTTP10 = bytes[i + 7] == 0x30
    }

    /// The four forms of RFC 9112 §3.2. A fragment is not part of any.
    private static func splitTarget(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int, into head: inout RequestHead
    ) throws(Refusal) {
        for i in start..<end where bytes[i] == 0x23 { throw .bad("fragment in request target") }
        var path = start
        if head.method == .connect {
            try Host.check(head.target.of(bytes))
            return
        }
        if bytes[start] == 0x2A {
            guard end == start + 1, head.method == .options else { throw .bad("malformed request target") }
        } else if bytes[start] != 0x2F {
            guard let authority = authorityOfAbsolute(bytes, from: start, to: end) else {
                throw .bad("malformed request target")
            }
            try Host.check(authority.of(bytes))
            head.authority = authority
            path = authority.end
        }
        var i = path
        while true {
            i = Scan.notPath(bytes, from: i, end: end)
            guard i < end, bytes[i] != 0x3F else { break }
            guard ASCII.isPathByte(bytes[i]) else { throw .bad("illegal character in the path") }
            if bytes[i] == 0x25 { try escape(bytes, at: i, end: end) }
            i += 1
        }
        head.path = ByteRange(from: path, to: i)
        if i < end { head.query = ByteRange(from: i + 1, to: end) }
    }

    /// RFC 3986 §2.1: two hexadecimal digits behind the `%`.
    private static func escape(_ bytes: UnsafeRawBufferPointer, at i: Int, end: Int) throws(Refusal) {
        guard i + 2 < end, ASCII.hexValue(bytes[i + 1]) != nil, ASCII.hexValue(bytes[i + 2]) != nil else {
            throw .bad("malformed escape in the path")
        }
    }

    private static func authorityOfAbsolute(
        _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int
    ) -> ByteRange? {
        let target = ByteRange(from: start, to: end).of(bytes)
        let scheme = hasPrefix(target, "http://") ? 7 : hasPrefix(target, "https://") ? 8 : 0
        guard scheme > 0 else { return nil }
        var i = start + scheme
        while i < end, bytes[i] != 0x2F, bytes[i] != 0x3F { i += 1 }
        return ByteRange(from: start + scheme, to: i)
    }

    /// Letter case aside. Unlike `ASCII.matches` this is exact for `:` and `/` as well.
    private static func hasPrefix(_ bytes: UnsafeRawBufferPointer, _ lowercase: StaticString) -> Bool {
        guard bytes.count >= lowercase.utf8CodeUnitCount else { return false }
        for i in 0..<lowercase.utf8CodeUnitCount {
            let lower = bytes[i] &- 0x41 < 26 ? bytes[i] | 0x20 : bytes[i]
            if lower != lowercase.utf8Start[i] { return false }
        }
        return true
    }

    private static func method(_ token: UnsafeRawBufferPointer) -> Method {
        switch token.count {
        case 3: equal(token, "GET") ? .get : equal(token, "PUT") ? .put : .other
        case 4: equal(token, "POST") ? .post : equal(token, "HEAD") ? .head : .other
        case 5: equal(token, "PATCH") ? .patch : equal(token, "TRACE") ? .trace : .other
        case 6: equal(token, "DELETE") ? .delete : .other
        case 7: equal(token, "OPTIONS") ? .options : equal(token, "CONNECT") ? .connect : .other
        default: .other
        }
    }

    private static func equal(_ token: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        for i in 0..<min(token.count, text.utf8CodeUnitCount) where token[i] != text.utf8Start[i] {
            return false
        }
        return token.count == text.utf8CodeUnitCount
    }
}
