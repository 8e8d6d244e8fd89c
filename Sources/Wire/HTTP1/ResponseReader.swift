import System

/// One response of a server, from its first byte to the last of its body. Sans-I/O: pieces in, events out.
public struct ResponseReader: ~Copyable {
    public enum Event {
        /// `bytes` are those that the head's ranges are of. Comes once, before the rest.
        case head(ResponseHead, UnsafeRawBufferPointer)
        /// A piece of the body, without its coding.
        case body(UnsafeRawBufferPointer)
        /// The body is complete.
        case end
    }

    private enum State {
        case head
        case length(missing: Int)
        case chunked
        case untilClose
        case done
    }

    private var state = State.head
    private var input = ByteQueue()
    private var decoded = ByteQueue()
    private var decoder = ChunkDecoder()
    private var resumeAt = 0
    private var interim = 0
    /// Known with the head; false when anything has gone wrong.
    public private(set) var keepAlive = false

    public init() {}

    public var isDone: Bool { if case .done = state { true } else { false } }

    /// Takes what has arrived. After a throw the connection is of no use.
    public mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void
    ) throws(ResponseFault) {
        do {
            try take(bytes, body)
        } catch {
            keepAlive = false
            throw error
        }
    }

    /// The server has closed its side.
    public mutating func closed(_ body: (Event) -> Void) throws(ResponseFault) {
        keepAlive = false
        switch state {
        case .done: return
        case .untilClose:
            state = .done
            body(.end)
        case .head:
            throw ResponseFault(
                input.isEmpty ? "the server closed the connection without an answer" : "the answer is cut off"
            )
        case .length, .chunked: throw ResponseFault("the answer is cut off")
        }
    }

    private mutating func take(
        _ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void
    ) throws(ResponseFault) {
        guard case .head = state else { return try content(bytes, body) }
        input.append(bytes)
        guard try head(body) else { return }
        // The beginning of the body came with the head.
        var held = ByteQueue()
        swap(&held, &input)
        try content(held.bytes, body)
    }

    /// True when the head is there and consumed.
    private mutating func head(_ body: (Event) -> Void) throws(ResponseFault) -> Bool {
        while let head = try ResponseParser.parse(input.bytes, resumeAt: &resumeAt) {
            if head.status < 200 {
                interim += 1
                guard head.status != 101, interim <= WireLimits.interimResponsesMax else {
                    throw ResponseFault("unexpected informational response \(head.status)")
                }
                input.consume(head.length)
                continue
            }
            keepAlive = head.keepAlive
            body(.head(head, input.bytes))
            input.consume(head.length)
            switch head.framing {
            case .none, .length(0):
                state = .done
                body(.end)
            case .length(let count): state = .length(missing: count)
            case .chunked: state = .chunked
            case .untilClose: state = .untilClose
            }
            return true
        }
        return false
    }

    private mutating func content(
        _ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void
    ) throws(ResponseFault) {
        guard !bytes.isEmpty else { return }
        switch state {
        case .head, .done: throw ResponseFault("bytes after the end of the answer")
        case .untilClose: body(.body(bytes))
        case .length(let missing):
            guard bytes.count <= missing else { throw ResponseFault("bytes after the end of the answer") }
            body(.body(bytes))
            state = .length(missing: missing - bytes.count)
            if bytes.count == missing { finish(body) }
        case .chunked: try chunks(bytes, body)
        }
    }

    private mutating func chunks(
        _ bytes: UnsafeRawBufferPointer, _ body: (Event) -> Void
    ) throws(ResponseFault) {
        let step: (consumed: Int, isDone: Bool)
        do {
            // How much a body may hold is for its reader to say: an event stream has no end.
            step = try decoder.decode(bytes, into: &decoded, bodyBytesMax: .max)
        } catch {
            throw ResponseFault(error.reason)
        }
        if !decoded.isEmpty { body(.body(decoded.bytes)) }
        decoded.removeAll()
        guard step.isDone else { return }
        guard step.consumed == bytes.count else { throw ResponseFault("bytes after the end of the answer") }
        finish(body)
    }

    private mutating func finish(_ body: (Event) -> Void) {
        state = .done
        body(.end)
    }
}
