import MCP
import System

extension Implementation {
    /// How the gateway names itself to clients and to servers.
    static let gateway = Implementation(
        name: "mcp-gateway", title: "MCP Gateway", version: GatewayVersion.text)
}

/// Names that nobody guesses.
enum Identifiers {
    /// Version 4 (RFC 9562).
    static func uuid() -> String {
        var bytes = Random.bytes(16)
        bytes[6] = bytes[6] & 0x0F | 0x40
        bytes[8] = bytes[8] & 0x3F | 0x80
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for (i, byte) in bytes.enumerated() {
            if i == 4 || i == 6 || i == 8 || i == 10 { text.append(UInt8(ascii: "-")) }
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}

/// The version of this source tree.
public enum GatewayVersion {
    public static let text = "0.1.0"
}
