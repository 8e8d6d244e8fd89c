import System

/// Server-sent events (WHATWG HTML §9.2), one per call, each as its own HTTP chunk when the response is chunked.
public enum EventWriter {
    /// Writes one event. Line breaks inside `data` begin new `data:` lines, so any bytes arrive as they are
    /// (CR and CRLF as LF). `id` and `event` are the gateway's own; one with a line break or NUL is left out.
    public static func event<Sink: ByteSink & ~Copyable>(
        data: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer? = nil, event: StaticString? = nil,
        chunked: Bool, into out: inout Sink
    ) {
        let id = id.flatMap { isSingleLine($0) ? $0 : nil }
        if chunked { ResponseWriter.beginChunk(count: size(data: data, id: id, event: event), into: &out) }
        if let event {
            out.append("event: ")
            out.append(event)
            out.append("\n")
        }
        if let id {
            out.append("id: ")
            out.append(id)
            out.append("\n")
        }
        var at = 0
        repeat {
            out.append("data: ")
            out.append(Lines.next(data, &at))
            out.append("\n")
        } while at <= data.count
        out.append("\n")
        if chunked { ResponseWriter.endChunk(into: &out) }
    }

    /// A comment line, which clients drop: `: ping` keeps proxies from closing a silent stream. No blank line
    /// follows: some clients take one for the end of an event once they have seen an id.
    public static func comment<Sink: ByteSink & ~Copyable>(
        _ text: StaticString, chunked: Bool, into out: inout Sink
    ) {
        if chunked { ResponseWriter.beginChunk(count: text.utf8CodeUnitCount + 3, into: &out) }
        out.append(": ")
        out.append(text)
        out.append("\n")
        if chunked { ResponseWriter.endChunk(into: &out) }
    }

    /// An event without content, whose id is where its client can take the stream up again, and how long it is to
    /// wait before it does (MCP 2025-11-25, Streamable HTTP §Resumability).
    public static func prime<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, retryMilliseconds: Int, chunked: Bool, into out: inout Sink
    ) {
        let value = max(0, retryMilliseconds)
        guard isSingleLine(id) else { return }
        if chunked {
            ResponseWriter.beginChunk(count: 21 + id.count + Decimal.digits(value), into: &out)
        }
        out.append("id: ")
        out.append(id)
        out.append("\nretry: ")
        out.append(decimal: value)
        out.append("\ndata: \n\n")
        if chunked { ResponseWriter.endChunk(into: &out) }
    }

    /// Tells the client how long to wait before it connects again.
    public static func retry<Sink: ByteSink & ~Copyable>(
        milliseconds: Int, chunked: Bool, into out: inout Sink
    ) {
        let value = max(0, milliseconds)
        if chunked { ResponseWriter.beginChunk(count: 9 + Decimal.digits(value), into: &out) }
        out.append("retry: ")
        out.append(decimal: value)
        out.append("\n\n")
        if chunked { ResponseWriter.endChunk(into: &out) }
    }

    /// Bytes of the event as `event` writes it, without chunk framing.
    static func size(data: UnsafeRawBufferPointer, id: UnsafeRawBufferPointer?, event: StaticString?) -> Int {
        var total = 1
        if let event { total += 8 + event.utf8CodeUnitCount }
        if let id { total += 5 + id.count }
        var at = 0
        repeat { total += 7 + Lines.next(data, &at).count } while at <= data.count
        return total
    }

    private static func isSingleLine(_ bytes: UnsafeRawBufferPointer) -> Bool {
        for byte in bytes where byte == ASCII.lineFeed || byte == ASCII.carriageReturn || byte == 0 {
            return false
        }
        return true
    }
}

/// Splits at LF, CR and CRLF.
enum Lines {
    /// The line that begins at `at`, without its end; `at` becomes the start of the next, `count + 1` when
    /// there is none. An end at the very end of `bytes` is followed by one more, empty line.
    static func next(_ bytes: UnsafeRawBufferPointer, _ at: inout Int) -> UnsafeRawBufferPointer {
        let start = at
        guard let end = firstBreak(bytes, from: start) else {
            at = bytes.count + 1
            return UnsafeRawBufferPointer(rebasing: bytes[min(start, bytes.count)..<bytes.count])
        }
        let isPair =
            bytes[end] == ASCII.carriageReturn && end + 1 < bytes.count
            && bytes[end + 1] == ASCII.lineFeed
        at = end + (isPair ? 2 : 1)
        return UnsafeRawBufferPointer(rebasing: bytes[start..<end])
    }

    /// Offset of the first CR or LF at or after `start`.
    static func firstBreak(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var i = start
        while i &+ 8 <= bytes.count {
            let word = bytes.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            let hits =
                ASCII.bytesEqual(word, to: 0x0A0A_0A0A_0A0A_0A0A)
                | ASCII.bytesEqual(word, to: 0x0D0D_0D0D_0D0D_0D0D)
            if hits != 0 { return i &+ hits.trailingZeroBitCount >> 3 }
            i &+= 8
        }
        while i < bytes.count {
            if bytes[i] == ASCII.lineFeed || bytes[i] == ASCII.carriageReturn { return i }
            i &+= 1
        }
        return nil
    }
}

/// Widths of decimal numbers, for lengths that are written before what they count.
public enum Decimal {
    /// Digits of `value`, which is not negative.
    @inlinable public static func digits(_ value: Int) -> Int {
        var count = 1
        var rest = value
        while rest >= 10 {
            rest /= 10
            count += 1
        }
        return count
    }
}
