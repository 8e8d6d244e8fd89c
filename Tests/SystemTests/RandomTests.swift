import Testing

@testable import System

@Suite("Random")
struct RandomTests {
    @Test("base36 has the length asked for and its alphabet only", arguments: [0, 1, 20, 1000])
    func base36(length: Int) {
        let text = Random.base36(length)
        #expect(text.utf8.count == length)
        #expect(text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) })
    }

    @Test("every character of base36 is about equally likely")
    func unbiased() {
        var counts: [UInt8: Int] = [:]
        for byte in Random.base36(360_000).utf8 { counts[byte, default: 0] += 1 }
        #expect(counts.count == 36)
        // 10,000 each with a deviation of 99: 8 deviations are one failure in 10^13 runs. A byte modulo 36
        // would give the first four 14 % more.
        #expect(counts.values.allSatisfy { abs($0 - 10_000) < 800 })
    }

    @Test("hex is two lower-case digits a byte")
    func hex() {
        let text = Random.hex(32)
        #expect(text.utf8.count == 64)
        #expect(text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        #expect(Random.hex(16) != Random.hex(16))
    }

    @Test("no bytes are no bytes")
    func empty() {
        #expect(Random.bytes(0).isEmpty)
        #expect(Random.bytes(5000).count == 5000)
    }
}
