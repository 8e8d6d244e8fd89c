import System

/// A sandbox id in 24 bytes, so that looking it up allocates nothing.
/// The first two characters encode the home (0..<1296); twenty random ones follow.
struct SandboxKey: Hashable, Sendable {
    static let length = 22
    static let homeCount = 36 * 36

    private var a: UInt64 = 0
    private var b: UInt64 = 0
    private var c: UInt64 = 0

    /// Nil unless `bytes` are 22 characters of `[a-z0-9]`.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Self.length else { return nil }
        for byte in bytes where !(byte &- 97 < 26 || byte &- 48 < 10) { return nil }
        a = bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        b = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        c = bytes.loadUnaligned(fromByteOffset: 14, as: UInt64.self)
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

    func hash(into hasher: inout Hasher) {
        // Eight of the random characters are 41 bits: as good a hash as any.
        hasher.combine(b)
    }
}
