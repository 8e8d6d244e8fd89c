/// Who may send a request body of more than one window. Memory for such bodies is reserved whole before the
/// window is opened further: were it given out piece by piece, many bodies could each hold a part of it and
/// none ever end.
struct BodyRoom {
    private let bytesMax: Int
    private(set) var reservedBytes = 0
    /// In order of asking; the first is the next to be served.
    private var waiting: [(stream: UInt32, bytes: Int)] = []

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// True when the room is granted at once; otherwise the stream waits for its turn. One that asks for more
    /// than there is at all gets it when nobody else has any.
    mutating func reserve(_ bytes: Int, for stream: UInt32) -> Bool {
        guard waiting.isEmpty, fits(bytes) else {
            waiting.append((stream, bytes))
            return false
        }
        reservedBytes += bytes
        return true
    }

    private func fits(_ bytes: Int) -> Bool { reservedBytes == 0 || bytes <= bytesMax - reservedBytes }

    /// The stream's body is complete or dropped; `bytes` is what it was granted, 0 if it still waits.
    mutating func release(_ bytes: Int, of stream: UInt32) {
        reservedBytes = max(0, reservedBytes - bytes)
        if bytes == 0 { waiting.removeAll { $0.stream == stream } }
    }

    /// The next stream whose turn it is, with the bytes it was granted.
    mutating func next() -> (stream: UInt32, bytes: Int)? {
        guard let first = waiting.first, fits(first.bytes) else { return nil }
        waiting.removeFirst()
        reservedBytes += first.bytes
        return first
    }
}
