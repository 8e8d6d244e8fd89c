/// One `name: value` line (RFC 9112 §5). Names are tokens with no blank before the colon, values are visible
/// characters, blanks and bytes from 0x80 up; every other control byte is refused, which also ends obs-fold
/// (§5.2), bare CR and bare LF.
struct FieldLine {
    var name: ByteRange
    var value: ByteRange
    /// Where the next line begins.
    var next: Int

    /// The line at `at`, or nil for the empty line that ends the section. Never reads at or past `end`.
    static func parse(_ bytes: UnsafeRawBufferPointer, at: Int, end: Int) throws(Refusal) -> FieldLine? {
        var i = at
        while i < end, ASCII.isToken(bytes[i]) { i += 1 }
        guard i < end else { throw .bad("field line without an end") }
        if i == at { return try emptyLine(bytes, at: at, end: end) }
        guard bytes[i] == ASCII.colon else {
            throw .bad(
                bytes[i] == ASCII.space || bytes[i] == ASCII.tab
                    ? "blank between field name and colon" : "illegal character in field name")
        }
        let name = ByteRange(from: at, to: i)
        i += 1
        while i < end, bytes[i] == ASCII.space || bytes[i] == ASCII.tab { i += 1 }
        let start = i
        i = try endOfValue(bytes, from: i, end: end)
        let next = i + 2
        while i > start, bytes[i - 1] == ASCII.space || bytes[i - 1] == ASCII.tab { i -= 1 }
        return FieldLine(name: name, value: ByteRange(from: start, to: i), next: next)
    }

    private static func emptyLine(
        _ bytes: UnsafeRawBufferPointer, at i: Int, end: Int
    ) throws(Refusal) -> FieldLine? {
        switch bytes[i] {
        case ASCII.carriageReturn where i + 1 < end && bytes[i + 1] == ASCII.lineFeed: return nil
        case ASCII.space, ASCII.tab: throw .bad("folded field line")
        case ASCII.colon: throw .bad("empty field name")
        case ASCII.carriageReturn, ASCII.lineFeed: throw .bad("bare CR or LF")
        default: throw .bad("illegal character in field name")
        }
    }

    /// Offset of the CRLF that ends the value.
    private static func endOfValue(
        _ bytes: UnsafeRawBufferPointer, from start: Int, end: Int
    ) throws(Refusal) -> Int {
        var i = start
        while i < end {
            if i &+ 8 <= end {
                let word = bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)
                let hits = ASCII.bytesBelowSpace(word) | ASCII.bytesEqual(word, to: 0x7F7F_7F7F_7F7F_7F7F)
                guard hits != 0 else {
                    i &+= 8
                    continue
                }
                i &+= hits.trailingZeroBitCount >> 3
            }
            switch bytes[i] {
            case ASCII.carriageReturn:
                guard i + 1 < end, bytes[i + 1] == ASCII.lineFeed else {
                    throw .bad("bare CR in field value")
                }
                return i
            case ASCII.tab: i &+= 1
            case ASCII.lineFeed: throw .bad("bare LF in field value")
            case 0..<ASCII.space, 0x7F: throw .bad("control character in field value")
            default: i &+= 1
            }
        }
        throw .bad("field line without an end")
    }
}

/// The field section of a head.
enum FieldLines {
    /// Reads every line from `start` into `head`; `end` is just after the empty line.
    static func parse(
        _ bytes: UnsafeRawBufferPointer, from start: Int, end: Int, into head: inout RequestHead
    ) throws(Refusal) {
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
        guard at + 2 == end else { throw .bad("empty line inside the head") }
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
