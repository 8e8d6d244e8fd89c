/// How 2026-07-28 carries a body value in a header: visible ASCII as it is, anything else as
/// `=?base64?…?=` (canonical standard base64 of the UTF-8 bytes; the markers are case-sensitive).
enum HeaderValue {
    private static let open: StaticString = "=?base64?"
    private static let close: StaticString = "?="

    enum Verdict { case equal, different, malformed }

    /// Whether `header` says the same as `text`, the inside of a raw JSON string.
    static func compare(_ header: UnsafeRawBufferPointer, toJSONText text: UnsafeRawBufferPointer) -> Verdict
    {
        withDecodedText(text, limit: MCPLimits.headerValueBytesMax) { compare(header, to: $0) } ?? .different
    }

    static func compare(_ header: UnsafeRawBufferPointer, to value: UnsafeRawBufferPointer) -> Verdict {
        let markers = open.utf8CodeUnitCount + close.utf8CodeUnitCount
        guard header.count >= markers, header.hasPrefix(open),
            header.piece(header.count - close.utf8CodeUnitCount, header.count).equals(close)
        else { return header.equals(value) ? .equal : .different }
        let digits = header.piece(open.utf8CodeUnitCount, header.count - close.utf8CodeUnitCount)
        guard digits.count <= Base64.encodedCount(MCPLimits.headerValueBytesMax, .standard) else {
            return .malformed
        }
        return withUnsafeTemporaryAllocation(byteCount: digits.count + 1, alignment: 1) { room in
            guard let count = Base64.decode(digits, .standard, into: room) else { return .malformed }
            return UnsafeRawBufferPointer(room).piece(0, count).equals(value) ? .equal : .different
        }
    }
}

extension HeaderValue {
    /// `value` as a header carries it: as it is where it is visible ASCII with blanks inside only and cannot be
    /// taken for the wrapped form, else wrapped.
    static func encoded(_ value: [UInt8]) -> [UInt8] {
        let isPlain = value.allSatisfy { $0 >= 0x20 && $0 <= 0x7E || $0 == 0x09 }
        let hasEdge = value.first.map(isBlank) ?? false || value.last.map(isBlank) ?? false
        let looksWrapped = value.starts(with: "=?base64?".utf8) && value.suffix(2).elementsEqual("?=".utf8)
        if isPlain, !hasEdge, !looksWrapped, !value.isEmpty { return value }
        var out = Array("=?base64?".utf8)
        out += [UInt8](unsafeUninitializedCapacity: Base64.encodedCount(value.count, .standard)) {
            room, count in
            count = value.withUnsafeBytes {
                Base64.encode($0, .standard, into: UnsafeMutableRawBufferPointer(room))
            }
        }
        return out + Array("?=".utf8)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
