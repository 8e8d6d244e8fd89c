/// A URI template (RFC 6570) as far as routing needs it: literal text in order, with something in between.
/// The server that owns the template has the last word on what fits.
struct URITemplate: Sendable {
    private struct Piece: Sendable {
        var literal: [UInt8]
        /// Knuth-Morris-Pratt: for each length matched, how much still matches after a mismatch. Keeps a
        /// look-up linear whatever a server wrote.
        var fallback: [UInt16]
        /// Bytes that the expression after the literal stands for at least; nil after the last literal.
        var gap: Int?
    }

    private let pieces: [Piece]
    /// Bytes of literal text: the longer, the more specific.
    let specificity: Int

    /// Nil when braces do not pair, there are more than `MCPLimits.templatePiecesMax` expressions, or the text
    /// is longer than a URI may be.
    init?(_ text: [UInt8]) {
        guard text.count <= MCPLimits.resourceURIBytesMax else { return nil }
        var pieces: [Piece] = []
        var literal: [UInt8] = []
        var i = 0
        while i < text.count {
            switch text[i] {
            case UInt8(ascii: "{"):
                guard let close = text[i...].firstIndex(of: UInt8(ascii: "}")), close > i + 1,
                    pieces.count < MCPLimits.templatePiecesMax
                else { return nil }
                // An operator (`?`, `/`, `+` …) may expand to nothing; a plain variable to at least a byte.
                let isPlain = Self.isVariableStart(text[i + 1])
                pieces.append(Piece(literal: literal, fallback: Self.fallback(literal), gap: isPlain ? 1 : 0))
                literal = []
                i = close + 1
            case UInt8(ascii: "}"): return nil
            default:
                literal.append(text[i])
                i += 1
            }
        }
        pieces.append(Piece(literal: literal, fallback: [], gap: nil))
        self.pieces = pieces
        specificity = pieces.reduce(0) { $0 + $1.literal.count }
    }

    /// Leftmost matches of each literal in turn: right for wildcards without alternatives, and linear.
    func matches(_ uri: UnsafeRawBufferPointer) -> Bool {
        guard let first = pieces.first, let last = pieces.last else { return false }
        guard pieces.count > 1 else { return uri.elementsEqual(first.literal) }
        guard uri.starts(with: first.literal) else { return false }
        var at = first.literal.count + (first.gap ?? 0)
        for piece in pieces[1..<(pieces.count - 1)] {
            guard let found = Self.find(piece, in: uri, from: at) else { return false }
            at = found + piece.literal.count + (piece.gap ?? 0)
        }
        let tail = uri.count - last.literal.count
        return tail >= at && uri[tail...].elementsEqual(last.literal)
    }

    private static func find(_ piece: Piece, in uri: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard start <= uri.count else { return nil }
        var matched = 0
        if piece.literal.isEmpty { return start }
        for i in start..<uri.count {
            while matched > 0, uri[i] != piece.literal[matched] { matched = Int(piece.fallback[matched - 1]) }
            if uri[i] == piece.literal[matched] { matched += 1 }
            if matched == piece.literal.count { return i + 1 - matched }
        }
        return nil
    }

    private static func fallback(_ literal: [UInt8]) -> [UInt16] {
        var table = [UInt16](repeating: 0, count: literal.count)
        var matched = 0
        for i in literal.indices.dropFirst() {
            while matched > 0, literal[i] != literal[matched] { matched = Int(table[matched - 1]) }
            if literal[i] == literal[matched] { matched += 1 }
            table[i] = UInt16(matched)
        }
        return table
    }

    private static func isVariableStart(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "%"):
            true
        default: false
        }
    }
}
