import Reactor
import System
import Wire

/// The reading side: whole requests out of what has come, one at a time.
extension HTTP1Connection {
    /// Parses straight from the poller's scratch; only what is incomplete is kept.
    func take(_ bytes: UnsafeRawBufferPointer) {
        if inbox.isEmpty {
            let used = process(bytes)
            if used < bytes.count, phase != .lingering, phase != .closed {
                inbox.append(UnsafeRawBufferPointer(rebasing: bytes[used...]))
            }
        } else {
            inbox.append(bytes)
            processInbox()
        }
    }

    func processInbox() {
        let used = process(inbox.bytes)
        if phase == .lingering || phase == .closed {
            inbox.removeAll()
        } else {
            inbox.consume(used)
        }
    }

    /// A request that comes while another is answered waits; too many bytes of them stop the reading.
    func hold(_ bytes: UnsafeRawBufferPointer) {
        inbox.append(bytes)
        if inbox.count > Limits.pipelinedBytes, !isPaused {
            isPaused = true
            state.loop.pauseReading(self)
        }
    }

    /// Works through whole requests; returns the bytes used up.
    private func process(_ bytes: UnsafeRawBufferPointer) -> Int {
        isProcessing = true
        defer { isProcessing = false }
        var offset = 0
        while offset < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
            do {
                let used: Int
                switch phase {
                case .head: used = try readHead(rest)
                case .body: used = readBody(rest)
                case .chunks: used = try readChunks(rest)
                case .answering, .streaming, .lingering, .closed: return offset
                }
                offset += used
                if used == 0, phase != .chunks { return offset }
                if used == 0, phase == .chunks, rest.isEmpty { return offset }
            } catch {
                refuse(error)
                return bytes.count
            }
        }
        return offset
    }

    /// Returns the bytes used: 0 while more must come, since a body of known length is read where it lies,
    /// behind its head.
    private func readHead(_ bytes: UnsafeRawBufferPointer) throws(Refusal) -> Int {
        if phase == .head(idle: true) {
            phase = .head(idle: false)
            deadline = state.loop.now.advanced(milliseconds: Limits.headSeconds * 1000)
        }
        // On the stack, where it is warm, and borrowed by all who see it, as it is large.
        var head = RequestHead()
        guard try RequestParser.parse(bytes, resumeAt: &resumeAt, into: &head) else { return 0 }
        startRequest(&head, bytes)
        switch head.framing {
        case .none:
            dispatch(&head, bytes, bodyCount: 0)
            return head.length
        case .length(let count):
            guard count <= state.settings.limits.requestBodyBytes else {
                throw Refusal(413, bodyTooLong)
            }
            if bytes.count - head.length >= count {
                dispatch(&head, bytes, bodyCount: count)
                return head.length + count
            }
            phase = .body
            pendingHead = head
            expectBody(count)
            return 0
        case .chunked:
            phase = .chunks
            pendingHead = head
            expectBody(state.settings.limits.requestBodyBytes)
            chunks = ChunkDecoder()
            chunkedBody.removeAll()
            chunkedHead.removeAll()
            chunkedHead.append(UnsafeRawBufferPointer(rebasing: bytes[..<head.length]))
            return head.length
        }
    }

    private var bodyTooLong: String {
        "The request body is longer than \(state.settings.limits.requestBodyBytes) bytes."
    }

    private func expectBody(_ count: Int) {
        let seconds = Limits.bodySecondsBase + count / Limits.bodyBytesPerSecond
        deadline = state.loop.now.advanced(milliseconds: seconds * 1000)
        // RFC 9110 §10.1.1: only now is the head accepted.
        if pendingHead.expectsContinue, !isHTTP10 {
            ResponseWriter.continue100(into: &outbox)
            state.loop.flushLater(self)
        }
    }

    private func readBody(_ bytes: UnsafeRawBufferPointer) -> Int {
        var head = pendingHead
        guard case .length(let count) = head.framing, bytes.count - head.length >= count else { return 0 }
        dispatch(&head, bytes, bodyCount: count)
        return head.length + count
    }

    private func readChunks(_ bytes: UnsafeRawBufferPointer) throws(Refusal) -> Int {
        let step = try chunks.decode(
            bytes, into: &chunkedBody, bodyBytesMax: state.settings.limits.requestBodyBytes)
        guard step.isDone else { return step.consumed }
        phase = .answering
        let body = chunkedBody.bytes
        var head = pendingHead
        route(&head, chunkedHead.bytes, body)
        chunkedHead.removeAll()
        chunkedBody.removeAll()
        return step.consumed
    }

    /// The parts of the head that decide how the answer must look.
    private func startRequest(_ head: UnsafePointer<RequestHead>, _ bytes: UnsafeRawBufferPointer) {
        sequence &+= 1
        call = .none
        cancelsOnLeave = false
        servingLoop = state.loop.index
        keepAlive = head.pointee.keepAlive && !state.isDraining
        isHTTP10 = head.pointee.isHTTP10
        answersHead = head.pointee.method == .head
        if let range = head.pointee[.origin] {
            origin = Array(range.of(bytes))
        } else if !origin.isEmpty {
            origin = []
        }
        state.counters.requests &+= 1
    }

    private func dispatch(
        _ head: UnsafePointer<RequestHead>, _ bytes: UnsafeRawBufferPointer, bodyCount: Int
    ) {
        phase = .answering
        let length = head.pointee.length
        let headBytes = UnsafeRawBufferPointer(rebasing: bytes[..<length])
        let body = UnsafeRawBufferPointer(rebasing: bytes[length..<(length + bodyCount)])
        route(head, headBytes, body)
    }

    private func route(
        _ head: UnsafePointer<RequestHead>, _ headBytes: UnsafeRawBufferPointer,
        _ body: UnsafeRawBufferPointer
    ) {
        switch role {
        case .clients: state.route(self, exchange(sequence), head, headBytes, body)
        case .admin: state.routeAdmin(exchange(sequence), head.pointee, headBytes)
        case .inside(let key): state.routeInside(key, self, exchange(sequence), head, headBytes, body)
        }
    }

    /// A request that cannot be understood: answered, then the connection ends, since where the next request
    /// would begin is unknown (RFC 9112 §6.3).
    func refuse(_ refusal: Refusal) {
        state.counters.refused &+= 1
        sequence &+= 1
        keepAlive = false
        answersHead = false
        origin = []
        phase = .answering
        state.answer(
            exchange(sequence), AnswerHead(status: refusal.status, contentType: AnswerHead.json),
            ErrorBody.control(status: refusal.status, message: refusal.reason))
    }
}
