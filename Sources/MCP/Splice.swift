import System
import Wire

/// A JSON message with a few of its parts replaced: everything else is written byte for byte. Holds pointers
/// only, so it lives no longer than the message and the replacements; building and writing allocate nothing.
public struct Splice {
    private enum Text {
        case bytes(UnsafeRawBufferPointer)
        /// The decimal number of `number`.
        case number
        /// A `_meta` object without its `io.modelcontextprotocol/` members, its progress token replaced.
        case plainMeta
        /// The same with the members of `extra` at its end.
        case envelopedMeta
    }

    private struct Edit {
        var start: UInt32 = 0
        var end: UInt32 = 0
        var text: Text = .number
    }

    /// As many as the busiest rewriter makes: id, cache hints, result type and mapped URIs.
    private static let editsMax = 8
    /// Bytes of any `Int` in decimal.
    private static let numberBytesMax = 20

    private let message: UnsafeRawBufferPointer
    private let hasLineBreaks: Bool
    private var edits: InlineArray<8, Edit> = .init(repeating: Edit())
    private var editCount = 0
    private var number = 0
    private var tokenRange = ByteRange.absent
    private var extra = UnsafeRawBufferPointer(start: nil, count: 0)
    /// Bytes that the texts of all edits have at most.
    private var textBytesMax = 0
    private var rewritesMeta = false

    /// `hasLineBreaks` makes every raw CR and LF of `message` a space. White space around it is dropped.
    init(_ message: UnsafeRawBufferPointer, hasLineBreaks: Bool) {
        self.message = message
        self.hasLineBreaks = hasLineBreaks
    }

    // Edits may come in any order but must not overlap: ranges of one envelope never do.

    mutating func replace(_ range: ByteRange, with bytes: UnsafeRawBufferPointer) {
        add(Edit(start: range.start, end: UInt32(truncatingIfNeeded: range.end), text: .bytes(bytes)))
    }

    mutating func replace(_ range: ByteRange, with number: Int) {
        self.number = number
        add(Edit(start: range.start, end: UInt32(truncatingIfNeeded: range.end), text: .number))
    }

    mutating func insert(_ text: StaticString, at offset: Int) {
        let offset = UInt32(truncatingIfNeeded: offset)
        add(Edit(start: offset, end: offset, text: .bytes(text.bytes)))
    }

    mutating func delete(_ count: Int, at offset: UInt32) {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        add(Edit(start: offset, end: offset &+ UInt32(truncatingIfNeeded: count), text: .bytes(none)))
    }

    /// `meta` is re-emitted without protocol members; the value at `token`, if present, becomes `number`.
    mutating func replaceMeta(_ meta: ByteRange, token: ByteRange, with number: Int) {
        self.number = number
        tokenRange = token
        add(Edit(start: meta.start, end: UInt32(truncatingIfNeeded: meta.end), text: .plainMeta))
    }

    /// The same, and the members `extra` (no braces) are put in.
    mutating func replaceMeta(
        _ meta: ByteRange, token: ByteRange, with number: Int, adding extra: UnsafeRawBufferPointer
    ) {
        self.number = number
        self.extra = extra
        tokenRange = token
        add(Edit(start: meta.start, end: UInt32(truncatingIfNeeded: meta.end), text: .envelopedMeta))
    }

    /// Several pieces at the same place keep their order.
    mutating func insert(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
        let offset = UInt32(truncatingIfNeeded: offset)
        add(Edit(start: offset, end: offset, text: .bytes(bytes)))
    }

    mutating func delete(from start: Int, to end: Int) {
        guard end > start else { return }
        delete(end - start, at: UInt32(truncatingIfNeeded: start))
    }

    /// Takes the members called `names` out of the object at `object`, with the commas that go with them: of
    /// those that come more than once as many as there are names, which bounds the edits.
    mutating func remove(_ names: [StaticString], from object: ByteRange) {
        let bytes = object.of(message)
        let base = Int(object.start)
        var walker = ObjectWalker(bytes)
        var left = names.count
        var keeps = false
        var previousEnd = 0
        /// Start of a run of removed members at the front of the object.
        var front: Int?
        while let member = walker.next() {
            let whole = member.whole
            let key = JSONKey(member, in: bytes)
            if left > 0, names.contains(where: { key.equals($0) }) {
                left -= 1
                if keeps {
                    delete(from: base + previousEnd, to: base + whole.end)
                } else if front == nil {
                    front = Int(whole.start)
                }
            } else {
                if let start = front { delete(from: base + start, to: base + Int(whole.start)) }
                front = nil
                keeps = true
            }
            previousEnd = whole.end
        }
        if let start = front { delete(from: base + start, to: base + previousEnd) }
    }

    var isFull: Bool { editCount == Self.editsMax }

    /// Kept sorted by start; an insertion goes before a replacement at the same place and after an earlier
    /// insertion.
    private mutating func add(_ edit: Edit) {
        precondition(editCount < Self.editsMax, "a splice has at most eight edits")
        var at = editCount
        while at > 0, edits[at - 1].start > edit.start {
            edits[at] = edits[at - 1]
            at -= 1
        }
        edits[at] = edit
        editCount += 1
        note(edit)
    }

    /// A rewritten `_meta` loses blanks and members, and gains the token's number and `extra` with a comma.
    private mutating func note(_ edit: Edit) {
        switch edit.text {
        case .bytes(let bytes): textBytesMax &+= bytes.count
        case .number: textBytesMax &+= Self.numberBytesMax
        case .plainMeta, .envelopedMeta:
            rewritesMeta = true
            textBytesMax &+= Int(edit.end &- edit.start) &+ Self.numberBytesMax &+ extra.count &+ 1
        }
    }

    /// Bytes that `write` produces: known before, for `Content-Length`.
    public var count: Int {
        var copy = self
        return copy.measure()
    }

    /// The message without a line end.
    public func write<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        var copy = self
        copy.emit(into: &sink)
    }

    /// The same in one piece when it is small, which is the call path.
    public func write(into out: inout Outbox) {
        var copy = self
        copy.emit(lineEnd: false, into: &out)
    }

    /// As a line.
    mutating func writeLine<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        emit(into: &sink)
        sink.append(byte: UInt8(ascii: "\n"))
    }

    mutating func writeLine(into out: inout Outbox) {
        emit(lineEnd: true, into: &out)
    }

    // What follows is mutating although it changes nothing: a splice is large, and reading one of its edits
    // would copy all of them first.

    private mutating func measure() -> Int {
        var counter = ByteCounter()
        if rewritesMeta {
            emit(into: &counter)
            return counter.count
        }
        counter.count = message.trimmedRange.count
        for i in 0..<editCount {
            counter.count &-= Int(edits[i].end &- edits[i].start)
            switch edits[i].text {
            case .bytes(let bytes): counter.count &+= bytes.count
            case .number, .plainMeta, .envelopedMeta: counter.append(decimal: number)
            }
        }
        return counter.count
    }

    private mutating func emit(lineEnd: Bool, into out: inout Outbox) {
        let room = message.count &+ textBytesMax &+ 1
        if room <= Outbox.writeBytesMax {
            out.write(atMost: room) {
                emit(into: &$0)
                if lineEnd { $0.append(byte: UInt8(ascii: "\n")) }
            }
        } else {
            emit(into: &out)
            if lineEnd { out.append(byte: UInt8(ascii: "\n")) }
        }
    }

    private mutating func emit<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        let whole = message.trimmedRange
        var at = whole.lowerBound
        for i in 0..<editCount {
            let start = Int(edits[i].start)
            let end = Int(edits[i].end)
            copy(at, start, into: &sink)
            switch edits[i].text {
            case .bytes(let bytes): sink.append(bytes)
            case .number: sink.append(decimal: number)
            case .plainMeta: writePlainMeta(start, end, into: &sink)
            case .envelopedMeta: writePlainMeta(start, end, adding: extra, into: &sink)
            }
            at = max(at, end)
        }
        copy(at, whole.upperBound, into: &sink)
    }

    @inline(__always) private func copy<Sink: ByteSink & ~Copyable>(
        _ start: Int, _ end: Int, into sink: inout Sink
    ) {
        let piece = message.piece(start, end)
        if piece.isEmpty { return }
        if hasLineBreaks { sink.append(onOneLine: piece) } else { sink.append(piece) }
    }

    private func writePlainMeta<Sink: ByteSink & ~Copyable>(
        _ start: Int, _ end: Int,
        adding extra: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        into sink: inout Sink
    ) {
        let meta = message.piece(start, end)
        var walker = ObjectWalker(meta)
        var isFirst = true
        sink.append(byte: UInt8(ascii: "{"))
        while let member = walker.next() {
            let key = JSONKey(member, in: meta)
            if key.hasPrefix("io.modelcontextprotocol/") { continue }
            // W3C Baggage holds what its sender wants to tell its own services.
            if !extra.isEmpty, key.equals("baggage") { continue }
            if !isFirst { sink.append(byte: UInt8(ascii: ",")) }
            isFirst = false
            // The key with its quotes.
            copy(start + Int(member.key.start) - 1, start + member.key.end + 1, into: &sink)
            sink.append(byte: UInt8(ascii: ":"))
            if tokenRange.isPresent, start + Int(member.value.start) == Int(tokenRange.start) {
                sink.append(decimal: number)
            } else {
                copy(start + Int(member.value.start), start + member.value.end, into: &sink)
            }
        }
        if !extra.isEmpty {
            if !isFirst { sink.append(byte: UInt8(ascii: ",")) }
            sink.append(extra)
        }
        sink.append(byte: UInt8(ascii: "}"))
    }
}
