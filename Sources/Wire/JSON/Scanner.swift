/// Strict RFC 8259 in one pass: brackets must pair, strings must be UTF-8 without control characters and with
/// known escapes, numbers and literals exact. Nothing is built and nothing recurses: the kinds of open brackets
/// are bits of a word. `\u` escapes of lone surrogates are legal JSON and stay as they are.
///
/// Every read is behind a comparison with `count`.
struct JSONScanner {
    enum Kind: UInt8, Sendable {
        case object, array, string, integer, fraction, literalTrue, literalFalse, null
    }

    /// A member's name: the bytes inside the quotes.
    struct Key {
        var range: ByteRange
        var hasEscapes: Bool
    }

    let base: UnsafePointer<UInt8>
    let count: Int
    var at = 0
    /// A raw CR or LF was seen between tokens.
    var hasLineBreaks = false

    /// Nil when there are no bytes or too many for 32-bit ranges.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard let first = bytes.baseAddress, bytes.count <= WireLimits.jsonBytesMax else { return nil }
        base = first.assumingMemoryBound(to: UInt8.self)
        count = bytes.count
    }

    /// Checks that `bytes` is one JSON text with nothing but blanks around it.
    static func validate(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
        guard var scanner = JSONScanner(bytes) else { throw Self.unscannable(bytes) }
        scanner.skipBlanks()
        _ = try scanner.value(depth: 0)
        try scanner.finish()
    }

    static func unscannable(_ bytes: UnsafeRawBufferPointer) -> JSONError {
        JSONError(offset: 0, reason: bytes.isEmpty ? "empty text" : "text is too long")
    }

    @inline(never) func failure(_ reason: StaticString) -> JSONError { JSONError(offset: at, reason: reason) }

    /// Only blanks may follow.
    mutating func finish() throws(JSONError) {
        skipBlanks()
        guard at == count else { throw failure("bytes after the end of the JSON text") }
    }

    @inline(__always) mutating func skipBlanks() {
        while at < count, base[at] <= ASCII.space {
            switch base[at] {
            case ASCII.space, ASCII.tab: at &+= 1
            case ASCII.lineFeed, ASCII.carriageReturn:
                hasLineBreaks = true
                at &+= 1
            default: return
            }
        }
    }

    // MARK: Members

    /// Enters the object at `at`; its first name with `at` on the value, or nil when it is empty and left.
    @inline(__always) mutating func firstKey() throws(JSONError) -> Key? {
        at &+= 1
        skipBlanks()
        if at < count, base[at] == 0x7D {
            at &+= 1
            return nil
        }
        return try key()
    }

    /// After a value: the next name with `at` on its value, or nil when the object has ended.
    @inline(__always) mutating func nextKey() throws(JSONError) -> Key? {
        skipBlanks()
        guard at < count else { throw failure("unterminated object") }
        if base[at] == 0x7D {
            at &+= 1
            return nil
        }
        guard base[at] == ASCII.comma else { throw failure("expected ',' or '}'") }
        at &+= 1
        skipBlanks()
        return try key()
    }

    @inline(__always) private mutating func key() throws(JSONError) -> Key {
        guard at < count, base[at] == ASCII.quote else { throw failure("expected a member name") }
        let start = at &+ 1
        let hasEscapes = try string()
        let range = ByteRange(from: start, to: at &- 1)
        skipBlanks()
        guard at < count, base[at] == ASCII.colon else { throw failure("expected ':'") }
        at &+= 1
        skipBlanks()
        return Key(range: range, hasEscapes: hasEscapes)
    }

    // MARK: Values

    /// Skips the value at `at`. `depth` brackets are open around it.
    mutating func value(depth outer: Int) throws(JSONError) -> Kind {
        let first = try opening()
        guard first == .object || first == .array else { return first }
        let most = WireLimits.jsonDepthMax - outer
        var open = 0
        /// Bit 0 is the innermost open bracket: 1 for an object.
        var kinds: UInt64 = 0
        var kind = first
        while true {
            // `at` is on the bracket of `kind`, or just after a scalar of `kind`.
            if kind == .object || kind == .array {
                guard open < most else { throw failure("nested too deeply") }
                open &+= 1
                kinds = kinds << 1 | (kind == .object ? 1 : 0)
                if kind == .object ? try firstKey() != nil : try firstElement() {
                    kind = try opening()
                    continue
                }
                open &-= 1
                kinds >>= 1
            }
            // After a value: leave every bracket that closes here.
            while open > 0, try !(kinds & 1 == 1 ? nextKey() != nil : nextElement()) {
                open &-= 1
                kinds >>= 1
            }
            if open == 0 { return first }
            kind = try opening()
        }
    }

    /// Reads a scalar whole; of an object or array only says which it is and stays on the bracket.
    @inline(__always) mutating func opening() throws(JSONError) -> Kind {
        guard at < count else { throw failure("unexpected end of text") }
        switch base[at] {
        case ASCII.quote:
            _ = try string()
            return .string
        case 0x7B: return .object
        case 0x5B: return .array
        case 0x2D, 0x30...0x39: return try number()
        case 0x74:
            try literal("true")
            return .literalTrue
        case 0x66:
            try literal("false")
            return .literalFalse
        case 0x6E:
            try literal("null")
            return .null
        default: throw failure("expected a value")
        }
    }

    /// Enters the array at `at`: false when it is empty and left.
    @inline(__always) mutating func firstElement() throws(JSONError) -> Bool {
        at &+= 1
        skipBlanks()
        if at < count, base[at] == 0x5D {
            at &+= 1
            return false
        }
        return true
    }

    /// After an element: true with `at` on the next, false when the array has ended.
    @inline(__always) mutating func nextElement() throws(JSONError) -> Bool {
        skipBlanks()
        guard at < count else { throw failure("unterminated array") }
        if base[at] == 0x5D {
            at &+= 1
            return false
        }
        guard base[at] == ASCII.comma else { throw failure("expected ',' or ']'") }
        at &+= 1
        skipBlanks()
        return true
    }

    private mutating func literal(_ text: StaticString) throws(JSONError) {
        let length = text.utf8CodeUnitCount
        guard length <= count - at else { throw failure("expected a value") }
        for i in 0..<length where base[at + i] != text.utf8Start[i] { throw failure("expected a value") }
        at += length
    }
}
