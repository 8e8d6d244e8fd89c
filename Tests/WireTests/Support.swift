import System
import Testing
import Wire

/// Runs `body` over a heap copy of exactly the bytes of `text`, so that the address sanitizer sees a read past
/// the end.
func withExactBytes<R>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    return try body(UnsafeRawBufferPointer(copy))
}

func withBytes<R>(_ text: String, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try withExactBytes(Array(text.utf8), body)
}

/// The head in `bytes`, which is to be accepted.
func parsed(_ bytes: UnsafeRawBufferPointer) throws -> RequestHead {
    var resumeAt = 0
    return try #require(try RequestParser.parse(bytes, resumeAt: &resumeAt))
}

func text(_ range: ByteRange?, _ bytes: UnsafeRawBufferPointer) -> String? {
    range.map { String(decoding: $0.of(bytes), as: UTF8.self) }
}

/// What `write` puts into a queue.
func written(_ write: (inout ByteQueue) -> Void) -> String {
    var queue = ByteQueue()
    write(&queue)
    return String(decoding: queue.bytes, as: UTF8.self)
}

/// SplitMix64: small, and the same everywhere for a seed.
struct Random64: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// A variation of `seed`: bytes flipped, inserted, removed, doubled, cut, or taken from `spice`.
func mutated(_ seed: [UInt8], _ random: inout Random64, spice: [[UInt8]]) -> [UInt8] {
    var bytes = seed
    for _ in 0...Int.random(in: 0...4, using: &random) {
        let at = Int.random(in: 0...bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0 where at < bytes.count: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
        case 2 where at < bytes.count: bytes.remove(at: at)
        case 3 where at < bytes.count: bytes.removeSubrange(at...)
        case 4:
            let end = min(bytes.count, at + Int.random(in: 0...20, using: &random))
            bytes.insert(contentsOf: bytes[at..<end], at: at)
        default: bytes.insert(contentsOf: spice.randomElement(using: &random) ?? [], at: at)
        }
    }
    return bytes
}
