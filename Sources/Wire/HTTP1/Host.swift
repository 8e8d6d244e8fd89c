/// What may stand in `Host` and in the authority of an absolute target: `name[:port]`, `1.2.3.4[:port]` or
/// `[v6][:port]`. No user information, no percent-encoding, no zone: nobody sends them and each has been a way
/// to make two parsers see two hosts.
enum Host {
    static func check(_ value: UnsafeRawBufferPointer) throws(Refusal) {
        guard !value.isEmpty, value.count <= WireLimits.hostBytesMax else {
            throw .bad("empty or overlong Host")
        }
        guard let end = value[0] == 0x5B ? endOfLiteral(value) : endOfName(value) else {
            throw .bad("illegal character in Host")
        }
        guard isPort(value, from: end) else { throw .bad("malformed port in Host") }
    }

    private static func endOfName(_ value: UnsafeRawBufferPointer) -> Int? {
        var i = 0
        while i < value.count, value[i] != ASCII.colon {
            switch value[i] {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: i += 1
            default: return nil
            }
        }
        return i > 0 ? i : nil
    }

    /// `[`, hexadecimal digits, colons and dots, `]`; whether it is an address is decided where it is used.
    private static func endOfLiteral(_ value: UnsafeRawBufferPointer) -> Int? {
        var i = 1
        while i < value.count, value[i] != 0x5D {
            guard ASCII.hexValue(value[i]) != nil || value[i] == ASCII.colon || value[i] == 0x2E else {
                return nil
            }
            i += 1
        }
        return i > 2 && i < value.count ? i + 1 : nil
    }

    /// Nothing, or a colon and at most five digits up to 65535 (RFC 3986 §3.2.3 allows an empty port).
    private static func isPort(_ value: UnsafeRawBufferPointer, from start: Int) -> Bool {
        guard start < value.count else { return true }
        guard value[start] == ASCII.colon, value.count - start <= 6 else { return false }
        var port = 0
        for i in (start + 1)..<value.count {
            guard ASCII.isDigit(value[i]) else { return false }
            port = port * 10 + Int(value[i] - 0x30)
        }
        return port <= 65535
    }
}
