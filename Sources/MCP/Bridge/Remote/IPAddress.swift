/// An IP address as a number.
public enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    /// The upper and the lower 64 bits.
    case v6(UInt64, UInt64)

    /// Four decimal numbers without leading zeros, or RFC 4291 §2.2 text without a zone. Nothing else that C
    /// libraries read as an address.
    public init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard bytes.count <= 45 else { return nil }
        if bytes.contains(0x3A) {
            guard let groups = Self.groups(bytes) else { return nil }
            let high = groups[..<4].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
            let low = groups[4...].reduce(UInt64(0)) { $0 << 16 | UInt64($1) }
            self = .v6(high, low)
        } else {
            guard let number = Self.dotted(bytes[...]) else { return nil }
            self = .v4(number)
        }
    }

    /// Network byte order, as in `sockaddr_in` and `sockaddr_in6`: 4 or 16 bytes.
    public init?(networkBytes bytes: UnsafeRawBufferPointer) {
        switch bytes.count {
        case 4: self = .v4(UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self)))
        case 16:
            self = .v6(
                UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
        default: return nil
        }
    }

    private static func dotted(_ bytes: ArraySlice<UInt8>) -> UInt32? {
        let parts = bytes.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var number: UInt32 = 0
        for part in parts {
            guard !part.isEmpty, part.count <= 3, part.count == 1 || part.first != 0x30,
                part.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
            else { return nil }
            let value = part.reduce(UInt32(0)) { $0 * 10 + UInt32($1 - 0x30) }
            guard value <= 255 else { return nil }
            number = number << 8 | value
        }
        return number
    }

    /// The eight groups of an IPv6 address.
    private static func groups(_ bytes: [UInt8]) -> [UInt16]? {
        var front: [UInt16] = []
        var back: [UInt16] = []
        var isPastGap = false
        var at = 0
        if bytes.starts(with: "::".utf8) {
            isPastGap = true
            at = 2
        } else if bytes.first == 0x3A {
            return nil
        }
        while at < bytes.count {
            let end = bytes[at...].firstIndex(of: 0x3A) ?? bytes.count
            let piece = bytes[at..<end]
            if piece.contains(0x2E) {
                guard end == bytes.count, let number = dotted(piece) else { return nil }
                let pair = [UInt16(truncatingIfNeeded: number >> 16), UInt16(truncatingIfNeeded: number)]
                if isPastGap { back += pair } else { front += pair }
            } else {
                guard let group = hex(piece) else { return nil }
                if isPastGap { back.append(group) } else { front.append(group) }
            }
            guard front.count + back.count <= 8 else { return nil }
            at = end
            guard at < bytes.count else { break }
            if at + 1 < bytes.count, bytes[at + 1] == 0x3A {
                guard !isPastGap else { return nil }
                isPastGap = true
                at += 2
            } else {
                at += 1
                guard at < bytes.count else { return nil }
            }
        }
        let count = front.count + back.count
        guard isPastGap ? count <= 7 : count == 8 else { return nil }
        return front + [UInt16](repeating: 0, count: 8 - count) + back
    }

    private static func hex(_ piece: ArraySlice<UInt8>) -> UInt16? {
        guard !piece.isEmpty, piece.count <= 4 else { return nil }
        return UInt16(String(decoding: piece, as: UTF8.self), radix: 16).flatMap { value in
            piece.allSatisfy { $0 != 0x2B && $0 != 0x2D } ? value : nil
        }
    }
}
