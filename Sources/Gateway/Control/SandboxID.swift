import System

/// A sandbox's id: two base-36 characters that name its home loop, then twenty from the system's random
/// source, 22 of `[a-z0-9]` in all. Any loop can tell from the id alone where the sandbox lives.
enum SandboxID {
    static let length = 22
    /// Values of the first two characters; `value % loopCount` is the home loop.
    private static let homes = 36 * 36
    private static let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

    /// A fresh id for a sandbox of loop `home`, which must be in `0..<loopCount`.
    static func mint(home: Int, loopCount: Int) -> String {
        // The values home, home + loopCount, … below `homes`; there is at least one while loops are fewer.
        let choices = max(1, (homes - home + loopCount - 1) / loopCount)
        let bytes = Random.bytes(2)
        let draw = (Int(bytes[0]) << 8 | Int(bytes[1])) % choices
        let value = (home + draw * loopCount) % homes
        let prefix = String(decoding: [digits[value / 36], digits[value % 36]], as: UTF8.self)
        return prefix + Random.base36(length - 2)
    }

    /// The home loop of a well-formed id; nil for anything else.
    static func home(of id: String, loopCount: Int) -> Int? {
        guard isWellFormed(id), loopCount > 0 else { return nil }
        var value = 0
        for byte in id.utf8.prefix(2) {
            value = value * 36 + Int(byte < UInt8(ascii: "a") ? byte - UInt8(ascii: "0") : byte - 87)
        }
        return value % loopCount
    }

    static func isWellFormed(_ id: String) -> Bool {
        id.utf8.count == length
            && id.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) }
    }
}
