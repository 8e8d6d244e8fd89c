import System

/// One entry of the log. Nothing in it can end the line or, in JSON, the string: control characters are escaped.
struct LogLine: Sendable {
    let unixMilliseconds: Int
    let level: LogLevel
    let message: String
    let fields: [(name: String, value: String)]

    func bytes(_ format: LogFormat) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(160)
        switch format {
        case .text: writeText(into: &out)
        case .json: writeJSON(into: &out)
        }
        out.append(Character.lineFeed)
        return out
    }

    private func writeText(into out: inout [UInt8]) {
        out += WallClock.iso8601(unixMilliseconds: unixMilliseconds).utf8
        out.append(Character.space)
        out += level.rawValue.utf8
        out.append(Character.space)
        Self.escape(message, into: &out)
        for (name, value) in fields {
            out.append(Character.space)
            Self.escape(name, into: &out)
            out.append(Character.equals)
            let isBare =
                !value.isEmpty && value.utf8.allSatisfy { $0 > Character.space && $0 != Character.quote }
            if !isBare { out.append(Character.quote) }
            Self.escape(value, into: &out)
            if !isBare { out.append(Character.quote) }
        }
    }

    private func writeJSON(into out: inout [UInt8]) {
        out += "{\"time\":\"\(WallClock.iso8601(unixMilliseconds: unixMilliseconds))\"".utf8
        out += ",\"level\":\"\(level.rawValue)\",\"message\":\"".utf8
        Self.escape(message, into: &out)
        out.append(Character.quote)
        for (name, value) in fields {
            out += ",\"".utf8
            Self.escape(name, into: &out)
            out += "\":\"".utf8
            Self.escape(value, into: &out)
            out.append(Character.quote)
        }
        out += "}".utf8
    }

    /// RFC 8259 §7; the text form takes the same escapes.
    private static func escape(_ text: String, into out: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        var text = text
        text.withUTF8 { bytes in
            for byte in bytes.prefix(TelemetryLimits.fieldBytes) {
                switch byte {
                case Character.quote, Character.backslash: out += [Character.backslash, byte]
                case Character.lineFeed: out += "\\n".utf8
                case 0..<Character.space, Character.delete:
                    out += "\\u00".utf8
                    out += [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                default: out.append(byte)
                }
            }
            if bytes.count > TelemetryLimits.fieldBytes { out += "...".utf8 }
        }
    }

    private enum Character {
        static let lineFeed = UInt8(ascii: "\n")
        static let space = UInt8(ascii: " ")
        static let quote = UInt8(ascii: "\"")
        static let backslash = UInt8(ascii: "\\")
        static let equals = UInt8(ascii: "=")
        static let delete: UInt8 = 0x7F
    }
}
