/// Character classes and word-at-a-time tests that HTTP, SSE and JSON share. All take values that are already
/// loaded; none touches memory but `matches`, whose bounds its caller's buffer gives.
@usableFromInline enum ASCII {
    @usableFromInline static let tab: UInt8 = 0x09
    @usableFromInline static let lineFeed: UInt8 = 0x0A
    @usableFromInline static let carriageReturn: UInt8 = 0x0D
    @usableFromInline static let space: UInt8 = 0x20
    @usableFromInline static let comma: UInt8 = 0x2C
    @usableFromInline static let colon: UInt8 = 0x3A
    @usableFromInline static let quote: UInt8 = 0x22
    @usableFromInline static let backslash: UInt8 = 0x5C

    /// `tchar` of RFC 9110 §5.6.2: `1` at each code that is one. A row is sixteen codes. One load for each byte
    /// of a field name is half the work of shifting through a bit set.
    private static let tokens: StaticString = """
        0000000000000000\
        0000000000000000\
        0101111100110110\
        1111111111000000\
        0111111111111111\
        1111111111100011\
        1111111111111111\
        1111111111101010\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\

        """

    @inline(__always) static func isToken(_ byte: UInt8) -> Bool {
        tokens.utf8Start[Int(byte)] == UInt8(ascii: "1")
    }

    /// `pchar` of RFC 3986 §3.3, `/` and the `%` of an escape.
    private static let pathBytes: StaticString = """
        0000000000000000\
        0000000000000000\
        0100111111111111\
        1111111111110100\
        1111111111111111\
        1111111111100001\
        0111111111111111\
        1111111111100010\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\
        0000000000000000\

        """

    @inline(__always) static func isPathByte(_ byte: UInt8) -> Bool {
        pathBytes.utf8Start[Int(byte)] == UInt8(ascii: "1")
    }

    @inline(__always) static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

    /// The value of a hexadecimal digit, or nil.
    @inline(__always) static func hexValue(_ byte: UInt8) -> UInt8? {
        let digit = byte &- 0x30
        if digit < 10 { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }

    // A zero byte of `x` sets its high bit in `(x - 0x01…) & ~x & 0x80…`. Borrows may set bits above the first
    // true hit, never below it, so the lowest bit set is right.

    @inline(__always) static func bytesEqual(_ word: UInt64, to pattern: UInt64) -> UInt64 {
        let x = word ^ pattern
        return (x &- 0x0101_0101_0101_0101) & ~x & 0x8080_8080_8080_8080
    }

    /// Whether `name` is `lowercase`, letter case aside. `lowercase` is of `[a-z0-9-]` and `name` has no control
    /// characters: only those, and capitals, become one of that set by setting bit 5.
    @inline(__always) static func matches(_ name: UnsafeRawBufferPointer, _ lowercase: StaticString) -> Bool {
        let count = lowercase.utf8CodeUnitCount
        guard name.count == count, let left = name.baseAddress else { return false }
        let right = UnsafeRawPointer(lowercase.utf8Start)
        var i = 0
        while i &+ 8 <= count {
            let word = left.loadUnaligned(fromByteOffset: i, as: UInt64.self) | 0x2020_2020_2020_2020
            if word != right.loadUnaligned(fromByteOffset: i, as: UInt64.self) { return false }
            i &+= 8
        }
        while i < count {
            if left.load(fromByteOffset: i, as: UInt8.self) | 0x20
                != right.load(fromByteOffset: i, as: UInt8.self)
            {
                return false
            }
            i &+= 1
        }
        return true
    }
}
