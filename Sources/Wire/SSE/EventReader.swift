import System

/// Reads a stream of server-sent events piece by piece (WHATWG HTML §9.2.6): LF, CR and CRLF, a byte order mark,
/// comments, several `data` lines, pieces that end anywhere. Bytes pass as they are; whether they are UTF-8 is
/// for the JSON scanner to say.
public struct EventReader: ~Copyable {
    /// One dispatched event. Its pointers are valid only during the call that hands it over.
    public struct Event {
        /// The `data` lines joined by LF. May be empty here, unlike in a browser: MCP primes streams that way.
        public let data: UnsafeRawBufferPointer
        /// The type, empty for `message`.
        public let type: UnsafeRawBufferPointer
        /// The last id seen on the stream, this event's or an earlier one's.
        public let lastID: UnsafeRawBufferPointer

        /// No `event:` line, or `event: message`.
        public var isMessage: Bool { type.isEmpty || ASCII.matches(type, "message") }
    }

    /// The stream cannot be read on.
    public struct Failure: Error, Equatable, Sendable {
        public let reason: StaticString
        public static func == (a: Failure, b: Failure) -> Bool { a.reason.utf8Start == b.reason.utf8Start }
    }

    private var line = ByteQueue()
    private var data = ByteQueue()
    private var type = ByteQueue()
    private var id = ByteQueue()
    private var hasData = false
    private var isFirstLine = true
    /// The last piece ended in CR: an LF at the start of the next belongs to it.
    private var skipsLineFeed = false
    private let eventBytesMax: Int
    /// Milliseconds from the last `retry:` line, if one came.
    public private(set) var retryMilliseconds: Int?

    public init(eventBytesMax: Int = WireLimits.eventBytesMax) { self.eventBytesMax = eventBytesMax }

    /// Takes the next bytes of the stream and calls `body` for every event that they complete.
    public mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void
    ) throws(Failure) {
        var at = 0
        if skipsLineFeed, let first = bytes.first {
            skipsLineFeed = false
            if first == ASCII.lineFeed { at = 1 }
        }
        while at < bytes.count {
            guard let end = Lines.firstBreak(bytes, from: at) else {
                try keep(UnsafeRawBufferPointer(rebasing: bytes[at..<bytes.count]))
                return
            }
            let piece = UnsafeRawBufferPointer(rebasing: bytes[at..<end])
            if line.isEmpty {
                try finish(piece, body)
            } else {
                try keep(piece)
                var whole = ByteQueue()
                swap(&whole, &line)
                try finish(whole.bytes, body)
            }
            at = end + 1
            guard bytes[end] == ASCII.carriageReturn else { continue }
            if at == bytes.count {
                skipsLineFeed = true
            } else if bytes[at] == ASCII.lineFeed {
                at += 1
            }
        }
    }

    /// Holds an unfinished line until its end comes.
    private mutating func keep(_ piece: UnsafeRawBufferPointer) throws(Failure) {
        // A byte order mark is no part of the first line, and may be in the piece.
        let mark = isFirstLine ? 3 : 0
        guard piece.count <= eventBytesMax + mark - data.count - line.count else {
            throw Failure(reason: "event is too large")
        }
        line.append(piece)
    }

    private mutating func finish(_ whole: UnsafeRawBufferPointer, _ body: (Event) -> Void) throws(Failure) {
        var line = whole
        if isFirstLine {
            isFirstLine = false
            if line.count >= 3, line[0] == 0xEF, line[1] == 0xBB, line[2] == 0xBF {
                line = UnsafeRawBufferPointer(rebasing: line[3...])
            }
        }
        if line.isEmpty { return dispatch(body) }
        guard line.count <= eventBytesMax - data.count else { throw Failure(reason: "event is too large") }
        var colon = 0
        while colon < line.count, line[colon] != ASCII.colon { colon += 1 }
        if colon == 0 { return }
        let name = UnsafeRawBufferPointer(rebasing: line[0..<colon])
        var start = min(colon + 1, line.count)
        if start < line.count, line[start] == ASCII.space { start += 1 }
        try field(name, UnsafeRawBufferPointer(rebasing: line[start...]))
    }

    /// Names are exact and case-sensitive; unknown ones are ignored.
    private mutating func field(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
    ) throws(Failure) {
        if Self.equal(name, "data") {
            if hasData { data.append(byte: ASCII.lineFeed) }
            hasData = true
            data.append(value)
        } else if Self.equal(name, "event") {
            guard value.count <= WireLimits.eventNameBytesMax else {
                throw Failure(reason: "event type is too long")
            }
            type.removeAll()
            type.append(value)
        } else if Self.equal(name, "id") {
            guard value.count <= WireLimits.eventNameBytesMax else {
                throw Failure(reason: "event id is too long")
            }
            for byte in value where byte == 0 { return }
            id.removeAll()
            id.append(value)
        } else if Self.equal(name, "retry") {
            readRetry(value)
        }
    }

    private mutating func readRetry(_ value: UnsafeRawBufferPointer) {
        guard !value.isEmpty, value.count <= 9 else { return }
        var milliseconds = 0
        for byte in value {
            guard ASCII.isDigit(byte) else { return }
            milliseconds = milliseconds * 10 + Int(byte - 0x30)
        }
        retryMilliseconds = milliseconds
    }

    private mutating func dispatch(_ body: (Event) -> Void) {
        if hasData { body(Event(data: data.bytes, type: type.bytes, lastID: id.bytes)) }
        data.removeAll()
        type.removeAll()
        hasData = false
    }

    private static func equal(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
        guard bytes.count == text.utf8CodeUnitCount else { return false }
        for i in 0..<bytes.count where bytes[i] != text.utf8Start[i] { return false }
        return true
    }
}
