/// One `name: value` line (RFC 9112 §5). Names are tokens with no blank before the colon, values are visible
/// characters, blanks and bytes from 0x80 up; every other control byte is refused, which also ends obs-fold
/// (§5.2), bare CR and bare LF.
struct FieldLine {
    var name: ByteRange
    var value: ByteRange
    /// Where the next line begins.
    var next: Int

    /// The line at `at`, or nil for the empty line that ends the section. Never reads at or past `end`.
    @inline(__always) static func parse(
        _ bytes: UnsafeRawBufferPointer, at: Int, end: Int
    ) throws(Refusal) -> FieldLine? {
        var i = Scan.notName(bytes, from: at, end: end)
        while i < end, bytes[i] != ASCII.colon, ASCII.isToken(bytes[i]) { i &+= 1 }
        guard i < end else { throw unfinished }
        guard i > at, bytes[i] == ASCII.colon else {
            try endOfSection(bytes, at: at, found: i, end: end)
            return nil
        }
        let name = ByteRange(from: at, to: i)
        i &+= 1
        while i < end, bytes[i] == ASCII.space || bytes[i] == ASCII.tab { i &+= 1 }
        let start = i
        i = Scan.control(bytes, from: i, end: end)
        while i < end, bytes[i] == ASCII.tab { i = Scan.control(bytes, from: i &+ 1, end: end) }
        guard i &+ 1 < end, bytes[i] == ASCII.carriageReturn, bytes[i &+ 1] == ASCII.lineFeed else {
            throw endOfValue(bytes, at: i, end: end)
        }
        let next = i &+ 2
        while i > start, bytes[i &- 1] == ASCII.space || bytes[i &- 1] == ASCII.tab { i &-= 1 }
        return FieldLine(name: name, value: ByteRange(from: start, to: i), next: next)
    }

    private static var unfinished: Refusal { .bad("field line without an end") }

    /// Returns when `at` is an empty line; `found` is where the name that begins there ends, and no colon.
    @inline(never) private static func endOfSection(
        _ bytes: UnsafeRawBufferPointer, at: Int, found i: Int, end: Int
    ) throws(Refusal) {
        guard i == at else {
            throw .bad(
                bytes[i] == ASCII.space || bytes[i] == ASCII.tab
                    ? "blank between field name and colon" : "illegal character in field name")
        }
        switch bytes[i] {
        case ASCII.carriageReturn where i + 1 < end && bytes[i + 1] == ASCII.lineFeed: return
        case ASCII.space, ASCII.tab: throw .bad("folded field line")
        case ASCII.colon: throw .bad("empty field name")
        case ASCII.carriageReturn, ASCII.lineFeed: throw .bad("bare CR or LF")
        default: throw .bad("illegal character in field name")
        }
    }

    /// Why the value that stops at `i` does not end in CRLF.
    @inline(never) private static func endOfValue(
        _ bytes: UnsafeRawBufferPointer, at i: Int, end: Int
    ) -> Refusal {
        guard i < end else { return unfinished }
        switch bytes[i] {
        case ASCII.carriageReturn: return .bad("bare CR in field value")
        case ASCII.lineFeed: return .bad("bare LF in field value")
        default: return .bad("control character in field value")
        }
    }
}

/// The field section of a head.
enum FieldLines {
    /// Reads every line from `start` into `head`, up to and with the empty line; returns the offset after it.
    /// Nothing from `end` on is looked at.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, from start: Int, end: Int, into head: inout RequestHead
    ) throws(Refusal) -> Int {
        head.fieldsStart = start
        var at = start
        var count = 0
        while let line = try FieldLine.parse(bytes, at: at, end: end) {
            count += 1
            guard count <= WireLimits.fieldLinesMax else { throw Refusal(431, "too many field lines") }
            at = line.next
            let name = line.name.of(bytes)
            if let field = Field.named(name) {
                note(field, line.value, bytes, into: &head)
            } else if isParam(name) {
                head.hasParamHeaders = true
            }
        }
        return at + 2
    }

    private static func note(
        _ field: Field, _ value: ByteRange, _ bytes: UnsafeRawBufferPointer, into head: inout RequestHead
    ) {
        head.record(field, value)
        if field == .connection { connectionOptions(value.of(bytes), into: &head) }
    }

    /// `Mcp-Param-` and at least one character more.
    private static func isParam(_ name: UnsafeRawBufferPointer) -> Bool {
        guard name.count > 10 else { return false }
        return ASCII.matches(UnsafeRawBufferPointer(rebasing: name[0..<10]), "mcp-param-")
    }

    /// A comma-separated list, over all lines of that name (RFC 9110 §7.6.1).
    private static func connectionOptions(_ list: UnsafeRawBufferPointer, into head: inout RequestHead) {
        var at = 0
        while let token = TokenList.next(list, &at) {
            if ASCII.matches(token, "close") { head.connectionClose = true }
            if ASCII.matches(token, "keep-alive") { head.connectionKeepAlive = true }
        }
    }
}

/// Walks `#token` lists (RFC 9110 §5.6.1): commas between, blanks around, empty elements allowed.
enum TokenList {
    /// The next non-empty element from `at` on, trimmed; nil at the end.
    static func next(_ list: UnsafeRawBufferPointer, _ at: inout Int) -> UnsafeRawBufferPointer? {
        while at < list.count {
            var start = at
            while at < list.count, list[at] != ASCII.comma { at += 1 }
            var end = at
            at += 1
            while start < end, list[start] == ASCII.space || list[start] == ASCII.tab { start += 1 }
            while end > start, list[end - 1] == ASCII.space || list[end - 1] == ASCII.tab { end -= 1 }
            if end > start { return UnsafeRawBufferPointer(rebasing: list[start..<end]) }
        }
        return nil
    }
}
