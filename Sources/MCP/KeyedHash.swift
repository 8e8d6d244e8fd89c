/// A hash of bytes under two secret words, by folded multiplications (the construction of wyhash): a quarter of
/// the instructions of SipHash for a tool's name. Good against names prepared without knowledge of the secrets,
/// which never leave the process; not a message authentication code.
enum KeyedHash {
    private static let secret = (UInt64.random(in: 1...UInt64.max), UInt64.random(in: 1...UInt64.max))

    static func of(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
        let (first, second) = secret
        var hash = first ^ UInt64(truncatingIfNeeded: bytes.count)
        var at = 0
        while bytes.count &- at > 16 {
            hash = fold(word(bytes, at) ^ second, word(bytes, at &+ 8) ^ hash)
            at &+= 16
        }
        // The last words may overlap what came before; the count is part of the hash.
        let (low, high) = tail(bytes, at)
        return fold(fold(low ^ second, high ^ hash), first ^ second)
    }

    private static func tail(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> (UInt64, UInt64) {
        let left = bytes.count &- at
        if left > 8 { return (word(bytes, at), word(bytes, bytes.count &- 8)) }
        if left >= 4 {
            return (half(bytes, at), half(bytes, bytes.count &- 4))
        }
        var low: UInt64 = 0
        for i in at..<bytes.count { low = low << 8 | UInt64(bytes[i]) }
        return (low, 0)
    }

    private static func word(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
        bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self)
    }

    private static func half(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> UInt64 {
        UInt64(bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self))
    }

    private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
        let product = a.multipliedFullWidth(by: b)
        return product.high ^ product.low
    }
}
