/// Walks over the frames of a connection (RFC 9113 §4.1) without looking inside, so that each can be judged
/// before nghttp2 acts on it. It keeps at most one unfinished frame header between calls.
struct FrameCursor {
    struct Frame: Equatable {
        var type: UInt8
        var flags: UInt8
        var stream: UInt32
        var length: Int
        /// The stream that a PRIORITY frame names; nil for other types.
        var dependency: UInt32?

        var endsStream: Bool { flags & 0x1 != 0 }
        var endsFields: Bool { flags & 0x4 != 0 }
    }

    enum FrameType {
        static let data: UInt8 = 0
        static let headers: UInt8 = 1
        static let priority: UInt8 = 2
        static let reset: UInt8 = 3
        static let settings: UInt8 = 4
        static let ping: UInt8 = 6
        static let windowUpdate: UInt8 = 8
        static let continuation: UInt8 = 9
    }

    private static let headerBytes = 9
    /// Of PRIORITY the first field is read too.
    private static let priorityBytes = 13

    /// Bytes of the client's preface still to come.
    private var prefaceLeft = HTTP2Preface.text.utf8CodeUnitCount
    private var payloadLeft = 0
    private var header = InlineArray<13, UInt8>(repeating: 0)
    private var headerCount = 0
    private var blockIsOpen = false
    private var isInBlockPayload = false

    /// True while a field section has begun and not ended: nothing else may come on the connection.
    var isInFieldSection: Bool { blockIsOpen || (isInBlockPayload && payloadLeft > 0) }

    /// Goes on from `at` to the end of the next frame header, or to the end of `bytes`. A frame that is returned
    /// begins at `start`: 0 when part of its header came earlier.
    mutating func next(_ bytes: UnsafeRawBufferPointer, at: inout Int, start: inout Int) -> Frame? {
        skip(&prefaceLeft, bytes.count, &at)
        skip(&payloadLeft, bytes.count, &at)
        start = at
        while at < bytes.count {
            header[headerCount] = bytes[at]
            headerCount += 1
            at += 1
            if headerCount >= Self.headerBytes, headerCount == wanted { return take() }
        }
        return nil
    }

    private func skip(_ left: inout Int, _ count: Int, _ at: inout Int) {
        let step = min(left, count - at)
        left -= step
        at += step
    }

    /// Bytes to collect; known once the first nine are there.
    private var wanted: Int {
        header[3] == FrameType.priority && length >= 4 ? Self.priorityBytes : Self.headerBytes
    }

    private var length: Int { Int(header[0]) << 16 | Int(header[1]) << 8 | Int(header[2]) }

    private func word(_ at: Int) -> UInt32 {
        let high = UInt32(header[at] & 0x7F) << 24 | UInt32(header[at + 1]) << 16
        return high | UInt32(header[at + 2]) << 8 | UInt32(header[at + 3])
    }

    private mutating func take() -> Frame {
        let hasDependency = headerCount == Self.priorityBytes
        let frame = Frame(
            type: header[3], flags: header[4], stream: word(5), length: length,
            dependency: hasDependency ? word(9) : nil)
        payloadLeft = length - (hasDependency ? 4 : 0)
        headerCount = 0
        isInBlockPayload = frame.type == FrameType.headers || frame.type == FrameType.continuation
        if isInBlockPayload { blockIsOpen = !frame.endsFields }
        return frame
    }
}
