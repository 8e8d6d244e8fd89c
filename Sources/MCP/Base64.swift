/// RFC 4648 base64, canonical only: one text for each value, so that a decoded value can stand for its text.
enum Base64 {
    enum Alphabet {
        /// `+` and `/`, padded with `=`.
        case standard
        /// `-` and `_`, not padded.
        case url
    }

    static func encodedCount(_ count: Int, _ alphabet: Alphabet) -> Int {
        switch alphabet {
        case .standard: (count + 2) / 3 * 4
        case .url: (count * 4 + 2) / 3
        }
    }

    /// Writes `bytes` to `out`, which holds at least `encodedCount` bytes; returns what was written.
    static func encode(
        _ bytes: UnsafeRawBufferPointer, _ alphabet: Alphabet, into out: UnsafeMutableRawBufferPointer
    ) -> Int {
        precondition(out.count >= encodedCount(bytes.count, alphabet), "base64 target too small")
        var written = 0
        var i = 0
        while i < bytes.count {
            let left = min(3, bytes.count - i)
            var group = UInt32(bytes[i]) << 16
            if left > 1 { group |= UInt32(bytes[i + 1]) << 8 }
            if left > 2 { group |= UInt32(bytes[i + 2]) }
            for k in 0...left {
                out[written] = digit(UInt8((group >> (18 - 6 * UInt32(k))) & 63), alphabet)
                written += 1
            }
            i += 3
        }
        guard alphabet == .standard else { return written }
        while written % 4 != 0 {
            out[written] = UInt8(ascii: "=")
            written += 1
        }
        return written
    }

    /// The number of bytes written to `out`, or nil when `text` is not canonical base64 of that alphabet
    /// (wrong characters or padding, or spare bits that are not zero) or does not fit.
    static func decode(
        _ text: UnsafeRawBufferPointer, _ alphabet: Alphabet, into out: UnsafeMutableRawBufferPointer
    ) -> Int? {
        var digits = text.count
        if alphabet == .standard {
            guard text.count % 4 == 0 else { return nil }
            if digits > 0, text[digits - 1] == UInt8(ascii: "=") { digits -= 1 }
            if digits > 0, digits % 4 == 3, text[digits - 1] == UInt8(ascii: "=") { digits -= 1 }
        }
        guard digits % 4 != 1, out.count >= digits * 3 / 4 else { return nil }
        var written = 0
        var group: UInt32 = 0
        var bits: UInt32 = 0
        for i in 0..<digits {
            guard let value = value(text[i], alphabet) else { return nil }
            group = (group << 6) | UInt32(value)
            bits += 6
            if bits >= 8 {
                bits -= 8
                out[written] = UInt8(truncatingIfNeeded: group >> bits)
                written += 1
            }
        }
        guard group & ((1 << bits) - 1) == 0 else { return nil }
        return written
    }

    private static func digit(_ value: UInt8, _ alphabet: Alphabet) -> UInt8 {
        switch value {
        case 0..<26: UInt8(ascii: "A") + value
        case 26..<52: UInt8(ascii: "a") + (value - 26)
        case 52..<62: UInt8(ascii: "0") + (value - 52)
        case 62: alphabet == .url ? UInt8(ascii: "-") : UInt8(ascii: "+")
        default: alphabet == .url ? UInt8(ascii: "_") : UInt8(ascii: "/")
        }
    }

    private static func value(_ digit: UInt8, _ alphabet: Alphabet) -> UInt8? {
        switch digit {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit - UInt8(ascii: "A")
        case UInt8(ascii: "a")...UInt8(ascii: "z"): digit - UInt8(ascii: "a") + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0") + 52
        case UInt8(ascii: "-"): alphabet == .url ? 62 : nil
        case UInt8(ascii: "_"): alphabet == .url ? 63 : nil
        case UInt8(ascii: "+"): alphabet == .standard ? 62 : nil
        case UInt8(ascii: "/"): alphabet == .standard ? 63 : nil
        default: nil
        }
    }
}
