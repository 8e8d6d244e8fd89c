import Glibc

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
        if at < count, base[at] <= ASCII.space { skipRun() }
    }

    @inline(never) private mutating func skipRun() {
        while at < count {
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
    mutating func firstKey() throws(JSONError) -> Key? {
        at &+= 1
        skipBlanks()
        if at < count, base[at] == 0x7D {
            at &+= 1
            return nil
        }
        return try key()
    }

    /// After a value: the next name with `at` on its value, or nil when the object has ended.
    mutating func nextKey() throws(JSONError) -> Key? {
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
        guard at < count else { throw failure("unexpected end of text") }
        switch base[at] {
        case ASCII.quote:
            _ = try string()
            return .string
        case 0x7B:
            try nested(most: WireLimits.jsonDepthMax - outer)
            return .object
        case 0x5B:
            try nested(most: WireLimits.jsonDepthMax - outer)
            return .array
        default: return try scalar()
        }
    }

    /// Skips the object or array at `at`, of which at most `most` may be inside one another.
    private mutating func nested(most: Int) throws(JSONError) {
        var open = 0
        /// Bit 0 is the innermost open bracket: 1 for an object.
        var kinds: UInt64 = 0
        while true {
            // `at` is on a value.
            guard at < count else { throw failure("unexpected end of text") }
            let byte = base[at]
            if byte == ASCII.quote {
                _ = try string()
            } else if byte | 0x20 == 0x7B {
                guard open < most else { throw failure("nested too deeply") }
                open &+= 1
                kinds = kinds << 1 | (byte == 0x7B ? 1 : 0)
                if try isEntered(object: byte == 0x7B) { continue }
                open &-= 1
                kinds >>= 1
            } else {
                _ = try scalar()
            }
            // After a value: leave every bracket that closes here.
            while open > 0, try !hasNext(inObject: kinds & 1 == 1) {
                open &-= 1
                kinds >>= 1
            }
            if open == 0 { return }
        }
    }

    /// Enters the bracket at `at`: true with `at` on the first value, false when it is empty and left.
    @inline(__always) private mutating func isEntered(object isObject: Bool) throws(JSONError) -> Bool {
        at &+= 1
        skipBlanks()
        if at < count, base[at] == (isObject ? 0x7D : 0x5D) {
            at &+= 1
            return false
        }
        if isObject { _ = try key() }
        return true
    }

    /// After a value: true with `at` on the next one, false when the bracket has closed.
    @inline(__always) private mutating func hasNext(inObject isObject: Bool) throws(JSONError) -> Bool {
        skipBlanks()
        guard at < count else {
            throw failure(isObject ? "unterminated object" : "unterminated array")
        }
        if base[at] == (isObject ? 0x7D : 0x5D) {
            at &+= 1
            return false
        }
        guard base[at] == ASCII.comma else {
            throw failure(isObject ? "expected ',' or '}'" : "expected ',' or ']'")
        }
        at &+= 1
        skipBlanks()
        if isObject { _ = try key() }
        return true
    }

    /// Reads a scalar whole; of an object or array only says which it is and stays on the bracket.
    mutating func opening() throws(JSONError) -> Kind {
        guard at < count else { throw failure("unexpected end of text") }
        switch base[at] {
        case ASCII.quote:
            _ = try string()
            return .string
        case 0x7B: return .object
        case 0x5B: return .array
        default: return try scalar()
        }
    }

    /// Reads a number or a literal.
    private mutating func scalar() throws(JSONError) -> Kind {
        switch base[at] {
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

    @inline(__always) private mutating func literal(_ text: StaticString) throws(JSONError) {
        let length = text.utf8CodeUnitCount
        guard length <= count - at, memcmp(base + at, text.utf8Start, length) == 0 else {
            throw failure("expected a value")
        }
        at += length
    }
}
