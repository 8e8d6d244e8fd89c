/// Base64 of RFC 4648, as the control API writes it: §4 with padding in protocol-buffer JSON, §5 without
/// padding in tokens.
enum Base64Text {
    private static let standard = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
    private static let url = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)

    static func padded(_ bytes: [UInt8]) -> String { encode(bytes, standard, pads: true) }

    static func urlSafe(_ bytes: [UInt8]) -> String { encode(bytes, url, pads: false) }

    private static func encode(_ bytes: [UInt8], _ alphabet: [UInt8], pads: Bool) -> String {
        var text: [UInt8] = []
        text.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var bits: UInt32 = 0
            for byte in group { bits = bits << 8 | UInt32(byte) }
            bits <<= UInt32(3 - group.count) * 8
            for position in 0...3 {
                if position <= group.count {
                    text.append(alphabet[Int(bits >> UInt32(18 - 6 * position)) & 63])
                } else if pads {
                    text.append(UInt8(ascii: "="))
                }
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
