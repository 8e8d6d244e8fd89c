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
