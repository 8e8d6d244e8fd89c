import System

/// Collects the fields of one request and spells them as an HTTP/1.1 head, which the parser of that version then
/// reads: whoever looks at a `RequestHead` need not know by which version it came, and there is one place that
/// decides what a target, a Host or a length may be.
///
/// nghttp2 has checked what RFC 9113 §8.2 and §8.3 demand of names, values and pseudo-header fields; here is
/// what it leaves open.
struct HeadAssembly: ~Copyable {
    /// Why there is no head.
    enum Failure: Error {
        /// RFC 9113 §8.1.1: a stream error.
        case malformed
        /// Understood and not served: an answer.
        case refused(Refusal)
    }

    private var text = ByteQueue()
    /// Values of pseudo-header fields, one after another.
    private var pseudo = ByteQueue()
    private var method = ByteRange.absent
    private var path = ByteRange.absent
    private var authority = ByteRange.absent
    private var hasRequestLine = false
    private var isMalformed = false
    private var sectionBytes = 0
    private var lineCount = 0
    private var isTrailer = false

    /// The head as text, after `finish`.
    var bytes: UnsafeRawBufferPointer { text.bytes }

    mutating func begin(isTrailer: Bool) {
        text.removeAll()
        pseudo.removeAll()
        method = .absent
        path = .absent
        authority = .absent
        hasRequestLine = false
        isMalformed = false
        sectionBytes = 0
        lineCount = 0
        self.isTrailer = isTrailer
    }

    var isTooLarge: Bool {
        sectionBytes > HTTP2Limits.fieldSectionBytesMax || lineCount > WireLimits.fieldLinesMax
    }

    var isHostile: Bool { sectionBytes > HTTP2Limits.hostileSectionBytes }

    mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        sectionBytes += name.count + value.count + 32
        lineCount += 1
        // Trailers are read only to be dropped, as those of a chunked body are.
        guard !isTooLarge, !isMalformed, !isTrailer, let first = name.first else { return }
        if first == ASCII.colon {
            addPseudo(name, value)
        } else {
            addLine(name, value)
        }
    }

    private mutating func addPseudo(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        // What is more than one word in HTTP/1.1 would be read as two things there.
        for byte in value where byte <= ASCII.space || byte >= 0x7F { isMalformed = true }
        let range = ByteRange(from: pseudo.count, to: pseudo.count + value.count)
        if isSame(name, ":method") {
            method = range
        } else if isSame(name, ":path") {
            path = range
        } else if isSame(name, ":authority") {
            authority = range
        } else {
            return
        }
        pseudo.append(value)
    }

    private mutating func addLine(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
        if !hasRequestLine { writeRequestLine() }
        // A line end inside would begin another field. nghttp2 lets none through; this must hold without it.
        for byte in name where !ASCII.isToken(byte) { isMalformed = true }
        for byte in value where byte == ASCII.carriageReturn || byte == ASCII.lineFeed { isMalformed = true }
        guard !isMalformed else { return }
        if !authority.isEmpty, isSame(name, "host") {
            // RFC 9113 §8.3.1: a Host that names somebody else is malformed; the same one is said already.
            if !isSameLetterCaseAside(value, authority.of(pseudo.bytes)) { isMalformed = true }
            return
        }
        text.append(name)
        text.append(": ")
        text.append(value)
        text.append("\r\n")
    }

    /// Pseudo-header fields come before all others (RFC 9113 §8.3), so that the first line is known by then.
    private mutating func writeRequestLine() {
        hasRequestLine = true
        let values = pseudo.bytes
        let isConnect = isSame(method.of(values), "CONNECT")
        let target = isConnect ? authority.of(values) : path.of(values)
        // An absolute target would bring an authority of its own.
        guard !method.isEmpty, let first = target.first, isConnect || first == 0x2F || first == 0x2A else {
            isMalformed = true
            return
        }
        text.append(method.of(values))
        text.append(byte: ASCII.space)
        text.append(target)
        text.append(" HTTP/1.1\r\n")
        if !authority.isEmpty {
            text.append("host: ")
            text.append(authority.of(values))
            text.append("\r\n")
        }
    }

    /// The head of the request; `endsStream`: no body follows.
    mutating func finish(endsStream: Bool) throws(Failure) -> RequestHead {
        if isTooLarge { throw .refused(Refusal(431, "The request's header fields are too large.")) }
        if !hasRequestLine, !isMalformed { writeRequestLine() }
        if isMalformed { throw .malformed }
        text.append("\r\n")
        var head = try parsed()
        if !endsStream, head.framing == .none { head.framing = .chunked }
        head.expectsContinue = head[.expect] != nil && !endsStream
        return head
    }

    private func parsed() throws(Failure) -> RequestHead {
        var resumeAt = 0
        let head: RequestHead?
        do {
            head = try RequestParser.parse(text.bytes, resumeAt: &resumeAt)
        } catch {
            throw .refused(error)
        }
        guard let head, head.length == text.count else { throw .malformed }
        return head
    }
}

private func isSame(_ bytes: UnsafeRawBufferPointer, _ text: StaticString) -> Bool {
    guard bytes.count == text.utf8CodeUnitCount else { return false }
    for i in 0..<bytes.count where bytes[i] != text.utf8Start[i] { return false }
    return true
}

private func isSameLetterCaseAside(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    for i in 0..<left.count where lowered(left[i]) != lowered(right[i]) { return false }
    return true
}

private func lowered(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
