import System

/// A sandbox id in 24 bytes, so that looking it up allocates nothing.
/// The first two characters encode the home (0..<1296); twenty random ones follow.
struct SandboxKey: RandomKey, Sendable {
    static let length = 22
    static let homeCount = 36 * 36

    private var a: UInt64 = 0
    private var b: UInt64 = 0
    private var c: UInt64 = 0

    /// Nil unless `bytes` are 22 characters of `[a-z0-9]`.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        a = bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        b = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        c = bytes.loadUnaligned(fromByteOffset: 14, as: UInt64.self)
        guard Self.areLegal(a) & Self.areLegal(b) & Self.areLegal(c) == Self.highBits else { return nil }
    }

    private static let highBits: UInt64 = 0x8080_8080_8080_8080

    /// The high bit of each byte that is of `[a-z0-9]`. Added to a byte below 0x80, 0x80 - x sets it from x on;
    /// no sum carries into the next byte.
    private static func areLegal(_ word: UInt64) -> UInt64 {
        let low = word & ~highBits
        let letters = (low &+ 0x1F1F_1F1F_1F1F_1F1F) & ~(low &+ 0x0505_0505_0505_0505)
        let digits = (low &+ 0x5050_5050_5050_5050) & ~(low &+ 0x4646_4646_4646_4646)
        return (letters | digits) & ~word & highBits
    }

    init?(_ text: String) {
        var text = text
        guard let key = text.withUTF8({ SandboxKey(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = key
    }

    /// The loop that hosts the sandbox, out of `loops`.
    func home(loops: Int) -> Int {
        let high = Self.digit(UInt8(truncatingIfNeeded: a))
        let low = Self.digit(UInt8(truncatingIfNeeded: a >> 8))
        return (high * 36 + low) % max(loops, 1)
    }

    private static func digit(_ byte: UInt8) -> Int { byte >= 97 ? Int(byte) - 87 : Int(byte) - 48 }

    /// Eight of the random characters: 41 bits.
    var random: UInt64 { b }
}
