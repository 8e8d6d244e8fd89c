import CEpollShim

extension JSONScanner {
    /// Skips the string whose opening quote is at `at`; true when it has escapes.
    @inline(__always) mutating func string() throws(JSONError) -> Bool {
        let i = ce_find_json(base, at &+ 1, count)
        if i < count, base[i] == ASCII.quote {
            at = i &+ 1
            return false
        }
        return try rest(from: i)
    }

    /// The rest of a string from its first byte on that is no plain character.
    @inline(never) private mutating func rest(from start: Int) throws(JSONError) -> Bool {
        var hasEscapes = false
        var i = start
        while true {
            guard i < count else {
                at = i
                throw failure("unterminated string")
            }
            let byte = base[i]
            if byte == ASCII.quote {
                at = i &+ 1
                return hasEscapes
            }
            if byte == ASCII.backslash {
                i = try escape(i)
                hasEscapes = true
            } else if byte >= 0x80 {
                i = try sequences(i)
            } else {
                at = i
                throw failure("control character in string")
            }
            i = ce_find_json(base, i, count)
        }
    }

    /// Offset after the escape whose backslash is at `i`.
    private mutating func escape(_ i: Int) throws(JSONError) -> Int {
        at = i
        guard i + 1 < count else { throw failure("unterminated string") }
        switch base[i + 1] {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return i + 2
        case 0x75:
            guard i + 6 <= count else { throw failure("unterminated string") }
            for k in 2..<6 where ASCII.hexValue(base[i + k]) == nil { throw failure("malformed \\u escape") }
            return i + 6
        default: throw failure("unknown escape")
        }
    }

    /// Offset after the run of well-formed multi-byte UTF-8 sequences that begins at `i` (Unicode, table 3-7:
    /// no overlong form, no surrogate, nothing above U+10FFFF).
    private mutating func sequences(_ start: Int) throws(JSONError) -> Int {
        var i = start
        while i < count, base[i] >= 0x80 {
            let lead = base[i]
            let second: UInt8 = i + 1 < count ? base[i + 1] : 0
            var length = 0
            switch lead {
            case 0xC2...0xDF: length = isContinuation(second) ? 2 : 0
            case 0xE0: length = second >= 0xA0 && second <= 0xBF ? 3 : 0
            case 0xED: length = second >= 0x80 && second <= 0x9F ? 3 : 0
            case 0xE1...0xEF: length = isContinuation(second) ? 3 : 0
            case 0xF0: length = second >= 0x90 && second <= 0xBF ? 4 : 0
            case 0xF1...0xF3: length = isContinuation(second) ? 4 : 0
            case 0xF4: length = second >= 0x80 && second <= 0x8F ? 4 : 0
            default: break
            }
            at = i
            guard length != 0, i + length <= count else { throw failure("malformed UTF-8") }
            if length > 2, !isContinuation(base[i + 2]) { throw failure("malformed UTF-8") }
            if length > 3, !isContinuation(base[i + 3]) { throw failure("malformed UTF-8") }
            i += length
        }
        return i
    }

    @inline(__always) private func isContinuation(_ byte: UInt8) -> Bool { byte & 0xC0 == 0x80 }

    /// Skips the number at `at` (RFC 8259 §6). An integer has neither a fraction nor an exponent.
    @inline(__always) mutating func number() throws(JSONError) -> Kind {
        if base[at] == 0x2D { at &+= 1 }
        guard at < count, ASCII.isDigit(base[at]) else { throw failure("malformed number") }
        if base[at] == 0x30 {
            at &+= 1
            if at < count, ASCII.isDigit(base[at]) { throw failure("number with a leading zero") }
        } else {
            skipDigits()
        }
        guard at < count, base[at] == 0x2E || base[at] | 0x20 == 0x65 else { return .integer }
        return try fraction()
    }

    private mutating func fraction() throws(JSONError) -> Kind {
        if base[at] == 0x2E {
            at += 1
            guard at < count, ASCII.isDigit(base[at]) else { throw failure("malformed number") }
            skipDigits()
        }
        if at < count, base[at] | 0x20 == 0x65 {
            at += 1
            if at < count, base[at] == 0x2B || base[at] == 0x2D { at += 1 }
            guard at < count, ASCII.isDigit(base[at]) else { throw failure("malformed number") }
            skipDigits()
        }
        return .fraction
    }

    @inline(__always) private mutating func skipDigits() {
        while at < count, ASCII.isDigit(base[at]) { at &+= 1 }
    }
}
