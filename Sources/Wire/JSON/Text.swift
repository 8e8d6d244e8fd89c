import System

/// JSON strings: from raw bytes between quotes to what they mean, and back.
public enum JSONText {
    /// Appends `bytes` as a JSON string with its quotes. Quotes, backslashes and control characters are
    /// escaped; `bytes` that are not UTF-8 would not be JSON, so each byte that is not part of a well-formed
    /// sequence becomes U+FFFD.
    public static func appendString<Sink: ByteSink & ~Copyable>(
        _ bytes: UnsafeRawBufferPointer, into out: inout Sink
    ) {
        out.append(byte: ASCII.quote)
        var start = 0
        var i = 0
        while i < bytes.count {
            let byte = bytes[i]
            if byte >= 0x80 {
                let length = sequenceLength(bytes, at: i)
                if length == 0 {
                    out.append(UnsafeRawBufferPointer(rebasing: bytes[start..<i]))
                    out.append("\u{FFFD}")
                    i += 1
                    start = i
                } else {
                    i += length
                }
            } else if byte < ASCII.space || byte == ASCII.quote || byte == ASCII.backslash || byte == 0x7F {
                out.append(UnsafeRawBufferPointer(rebasing: bytes[start..<i]))
                appendEscape(byte, into: &out)
                i += 1
                start = i
            } else {
                i += 1
            }
        }
        out.append(UnsafeRawBufferPointer(rebasing: bytes[start..<bytes.count]))
        out.append(byte: ASCII.quote)
    }

    /// The same for a `String`, which is always UTF-8.
    public static func appendString<Sink: ByteSink & ~Copyable>(_ text: String, into out: inout Sink) {
        var text = text
        text.withUTF8 { appendString(UnsafeRawBufferPointer($0), into: &out) }
    }

    private static func appendEscape<Sink: ByteSink & ~Copyable>(_ byte: UInt8, into out: inout Sink) {
        switch byte {
        case ASCII.quote: out.append("\\\"")
        case ASCII.backslash: out.append("\\\\")
        case ASCII.lineFeed: out.append("\\n")
        case ASCII.carriageReturn: out.append("\\r")
        case ASCII.tab: out.append("\\t")
        default:
            out.append("\\u00")
            out.append(byte: 0x30 + (byte >> 4))
            let low = byte & 15
            out.append(byte: low < 10 ? 0x30 + low : 0x57 + low)
        }
    }

    /// Bytes of the UTF-8 sequence at `i`, 0 when it is malformed.
    private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at i: Int) -> Int {
        let second: UInt8 = i + 1 < bytes.count ? bytes[i + 1] : 0
        let (length, low, high): (Int, UInt8, UInt8) =
            switch bytes[i] {
            case 0xC2...0xDF: (2, 0x80, 0xBF)
            case 0xE0: (3, 0xA0, 0xBF)
            case 0xED: (3, 0x80, 0x9F)
            case 0xE1...0xEF: (3, 0x80, 0xBF)
            case 0xF0: (4, 0x90, 0xBF)
            case 0xF1...0xF3: (4, 0x80, 0xBF)
            case 0xF4: (4, 0x80, 0x8F)
            default: (0, 1, 0)
            }
        guard second >= low, second <= high, i + length <= bytes.count else { return 0 }
        for k in 2..<max(length, 2) where bytes[i + k] & 0xC0 != 0x80 { return 0 }
        return length
    }

    /// Appends what the raw bytes inside the quotes of a validated JSON string mean.
    public static func decode(_ raw: UnsafeRawBufferPointer, into out: inout ByteQueue) {
        var bytes = JSONStringBytes(raw)
        while let byte = bytes.next() { out.append(byte: byte) }
    }

    /// The same into fixed memory: the count of bytes written, nil when they do not fit.
    public static func decode(_ raw: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) -> Int?
    {
        var bytes = JSONStringBytes(raw)
        var count = 0
        while let byte = bytes.next() {
            guard count < out.count else { return nil }
            out[count] = byte
            count += 1
        }
        return count
    }

    /// The same as a `String`; lone surrogates become U+FFFD.
    public static func string(_ raw: UnsafeRawBufferPointer) -> String {
        guard raw.contains(ASCII.backslash) else { return String(decoding: raw, as: UTF8.self) }
        var decoded: [UInt8] = []
        decoded.reserveCapacity(raw.count)
        var bytes = JSONStringBytes(raw)
        while let byte = bytes.next() { decoded.append(byte) }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Whether the raw bytes inside the quotes of a JSON string mean `text`.
    public static func equals(_ raw: UnsafeRawBufferPointer, _ text: UnsafeRawBufferPointer) -> Bool {
        var bytes = JSONStringBytes(raw)
        var i = 0
        while let byte = bytes.next() {
            guard i < text.count, text[i] == byte else { return false }
            i += 1
        }
        return i == text.count
    }
}

/// The meaning of a JSON string's raw bytes, one byte after the other; ends at an unescaped quote. A lone
/// surrogate comes out as its three-byte form, so that different texts stay different. Malformed escapes, which
/// validated text does not have, come out as they are.
struct JSONStringBytes {
    private let raw: UnsafeRawBufferPointer
    private var at = 0
    /// Bytes of the current character still to be given, the next one lowest; `left` of them.
    private var pending: UInt32 = 0
    private var left = 0

    init(_ raw: UnsafeRawBufferPointer) { self.raw = raw }

    mutating func next() -> UInt8? {
        if left > 0 {
            left -= 1
            let byte = UInt8(truncatingIfNeeded: pending)
            pending >>= 8
            return byte
        }
        guard at < raw.count, raw[at] != ASCII.quote else { return nil }
        let byte = raw[at]
        at += 1
        guard byte == ASCII.backslash, at < raw.count else { return byte }
        let kind = raw[at]
        at += 1
        switch kind {
        case 0x62: return 0x08
        case 0x66: return 0x0C
        case 0x6E: return 0x0A
        case 0x72: return 0x0D
        case 0x74: return 0x09
        case 0x75: return unicode()
        default: return kind
        }
    }

    /// After `\u`.
    private mutating func unicode() -> UInt8 {
        guard var scalar = hex4(at) else { return 0x75 }
        at += 4
        if scalar & 0xFC00 == 0xD800, at + 6 <= raw.count, raw[at] == ASCII.backslash, raw[at + 1] == 0x75,
            let low = hex4(at + 2), low & 0xFC00 == 0xDC00
        {
            scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
            at += 6
        }
        return encode(scalar)
    }

    private func hex4(_ start: Int) -> UInt32? {
        guard start + 4 <= raw.count else { return nil }
        var value: UInt32 = 0
        for i in start..<(start + 4) {
            guard let digit = ASCII.hexValue(raw[i]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }

    private mutating func encode(_ scalar: UInt32) -> UInt8 {
        func tail(_ shift: UInt32) -> UInt32 { 0x80 | (scalar >> shift) & 0x3F }
        switch scalar {
        case 0..<0x80:
            return UInt8(truncatingIfNeeded: scalar)
        case 0x80..<0x800:
            (pending, left) = (tail(0), 1)
            return UInt8(truncatingIfNeeded: 0xC0 | scalar >> 6)
        case 0x800..<0x10000:
            (pending, left) = (tail(6) | tail(0) << 8, 2)
            return UInt8(truncatingIfNeeded: 0xE0 | scalar >> 12)
        default:
            (pending, left) = (tail(12) | tail(6) << 8 | tail(0) << 16, 3)
            return UInt8(truncatingIfNeeded: 0xF0 | scalar >> 18)
        }
    }
}
