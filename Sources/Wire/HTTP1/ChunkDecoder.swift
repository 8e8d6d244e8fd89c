import System

/// The chunked transfer coding (RFC 9112 §7.1), incremental. Extensions and trailers are read, counted and
/// dropped. One decoder per body; after a refusal it must not be used again.
public struct ChunkDecoder: Sendable {
    private enum State: Sendable {
        /// Before or inside the digits of a chunk size.
        case size(digits: Int)
        case extensions
        /// After the CR of a chunk-size line.
        case sizeEnd
        /// `missing` bytes of the chunk are still to come; at least one.
        case data(missing: Int)
        case dataCR, dataLF
        /// At the first byte of a trailer line or of the final empty line.
        case lineStart
        case trailerName, trailerValue
        /// After the CR of a trailer line.
        case trailerEnd
        /// After the CR of the empty line.
        case finalLF
        case done
    }

    private var state = State.size(digits: 0)
    private var size = 0
    /// Bytes of extensions and trailers so far.
    private var overhead = 0
    private var trailerLines = 0
    /// Body bytes decoded so far.
    public private(set) var bodyBytes = 0

    public init() {}

    /// Decodes as much of `input` as belongs to this body and appends the data to `body`. Throws 400 for
    /// anything malformed and 413 as soon as a chunk size leads over `bodyBytesMax`.
    public mutating func decode(
        _ input: UnsafeRawBufferPointer, into body: inout ByteQueue, bodyBytesMax: Int
    ) throws(Refusal) -> (consumed: Int, isDone: Bool) {
        var i = 0
        while i < input.count {
            if case .done = state { break }
            if case .data(let missing) = state {
                let count = min(missing, input.count - i)
                body.append(UnsafeRawBufferPointer(rebasing: input[i..<(i + count)]))
                i += count
                state = count == missing ? .dataCR : .data(missing: missing - count)
            } else {
                try step(input[i], bodyBytesMax: bodyBytesMax)
                i += 1
            }
        }
        if case .done = state { return (i, true) }
        return (i, false)
    }

    /// One byte of everything that is not chunk data.
    private mutating func step(_ byte: UInt8, bodyBytesMax: Int) throws(Refusal) {
        switch state {
        case .size(let digits): try sizeByte(byte, digits: digits)
        case .extensions:
            try count()
            if byte == ASCII.carriageReturn { state = .sizeEnd } else { try text(byte) }
        case .sizeEnd:
            try lineFeed(byte)
            try beginChunk(bodyBytesMax: bodyBytesMax)
        case .dataCR:
            guard byte == ASCII.carriageReturn else { throw .bad("chunk is longer than its size") }
            state = .dataLF
        case .dataLF:
            try lineFeed(byte)
            state = .size(digits: 0)
        case .lineStart: try lineStart(byte)
        case .trailerName:
            try count()
            if byte == ASCII.colon {
                state = .trailerValue
            } else if !ASCII.isToken(byte) {
                throw .bad("illegal character in trailer name")
            }
        case .trailerValue:
            try count()
            if byte == ASCII.carriageReturn { state = .trailerEnd } else { try text(byte) }
        case .trailerEnd:
            try lineFeed(byte)
            state = .lineStart
        case .finalLF:
            try lineFeed(byte)
            state = .done
        case .data, .done: throw .bad("chunk data after the body")
        }
    }

    private mutating func sizeByte(_ byte: UInt8, digits: Int) throws(Refusal) {
        if let digit = ASCII.hexValue(byte) {
            guard digits < WireLimits.chunkSizeDigitsMax else {
                throw Refusal(413, "chunk size is too large")
            }
            size = size << 4 | Int(digit)
            state = .size(digits: digits + 1)
            return
        }
        guard digits > 0 else { throw .bad("chunk size is not a hexadecimal number") }
        switch byte {
        case ASCII.carriageReturn: state = .sizeEnd
        case 0x3B: state = .extensions
        default: throw .bad("illegal character after chunk size")
        }
    }

    private mutating func beginChunk(bodyBytesMax: Int) throws(Refusal) {
        if size == 0 {
            state = .lineStart
            return
        }
        guard size <= bodyBytesMax - bodyBytes else { throw Refusal(413, "body is too large") }
        bodyBytes += size
        state = .data(missing: size)
        size = 0
    }

    private mutating func lineStart(_ byte: UInt8) throws(Refusal) {
        if byte == ASCII.carriageReturn {
            state = .finalLF
            return
        }
        guard ASCII.isToken(byte) else { throw .bad("illegal character in trailer name") }
        trailerLines += 1
        guard trailerLines <= WireLimits.trailerLinesMax else { throw Refusal(431, "too many trailer lines") }
        try count()
        state = .trailerName
    }

    private mutating func count() throws(Refusal) {
        overhead += 1
        guard overhead <= WireLimits.chunkOverheadBytesMax else {
            throw Refusal(431, "chunk extensions and trailers are too large")
        }
    }

    private func text(_ byte: UInt8) throws(Refusal) {
        guard byte >= ASCII.space && byte != 0x7F || byte == ASCII.tab else {
            throw .bad("control character in chunk extension or trailer")
        }
    }

    private func lineFeed(_ byte: UInt8) throws(Refusal) {
        guard byte == ASCII.lineFeed else { throw .bad("bare CR in chunked body") }
    }
}
