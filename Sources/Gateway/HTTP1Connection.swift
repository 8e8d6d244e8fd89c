import Glibc
import Reactor
import System
import TLS
import Wire

/// One HTTP/1.1 connection: reads requests in order, hands each to the router, and writes its answer before
/// it looks at the next one. It decides deadlines and lifetimes; what a request means is the router's.
final class HTTP1Connection: ClientConnection {
    /// What the reading side waits for.
    enum Phase: Equatable {
        /// The head of a request; `idle` while not one byte of it has come.
        case head(idle: Bool)
        /// The rest of a body whose length is known.
        case body
        /// The rest of a chunked body.
        case chunks
        /// The answer to the request of this `sequence`.
        case answering
        /// An event stream or a streamed answer is open.
        case streaming
        /// The last answer is leaving; what still arrives is dropped.
        case lingering
        case closed
    }

    var phase = Phase.head(idle: true)
    /// Ordinal of the current request; an answer for another one is stale.
    var sequence: UInt32 = 0
    /// When `phase` becomes a timeout.
    var deadline: Instant
    /// The call this connection waits for, if it is one of this loop's.
    var call = CallID.none
    /// True when the peer's leaving ends the work: a request of a stateless revision.
    var cancelsOnLeave = false
    /// The loop that works on the current request.
    var servingLoop: Int
    var inbox = ByteQueue()
    /// True until the first bytes have told the protocol.
    var isFresh = true
    var resumeAt = 0
    /// Of a request whose body is not there yet.
    var pendingHead = RequestHead()
    var isHTTP10 = false
    var chunkedHead = ByteQueue()
    var chunkedBody = ByteQueue()
    var chunks = ChunkDecoder()
    var isProcessing = false
    var isPaused = false
    var peerHasEnded = false
    var keepAlive = true
    var answersHead = false
    var origin: [UInt8] = []

    override init(state: LoopState, role: Listener.Role) {
        deadline = state.loop.now.advanced(milliseconds: Limits.headSeconds * 1000)
        servingLoop = state.loop.index
        super.init(state: state, role: role)
    }

    // MARK: Reading

    override func received(_ bytes: UnsafeRawBufferPointer) {
        if isFresh, hasOtherProtocol(bytes) { return }
        switch phase {
        case .head, .body, .chunks: take(bytes)
        case .answering, .streaming: hold(bytes)
        case .lingering, .closed: return
        }
    }

    // MARK: Answering

    override func answer(
        _ stream: UInt32, _ head: AnswerHead, length: Int, _ write: (inout Outbox) -> Void
    ) {
        guard stream == sequence, phase == .answering else { return }
        let hasBody = head.status != 204 && head.status != 304
        begin(head, framing: hasBody ? .length(length) : .none)
        if hasBody, !answersHead { write(&outbox) }
        finish()
    }

    /// Chunked, or until close for an HTTP/1.0 client.
    override func openStream(_ stream: UInt32, _ head: AnswerHead) {
        guard stream == sequence, phase == .answering else { return }
        phase = .streaming
        if isHTTP10 { keepAlive = false }
        begin(head, framing: isHTTP10 ? .close : .chunked)
        state.loop.flushLater(self)
    }

    override func hasStream(_ stream: UInt32) -> Bool { stream == sequence && phase == .streaming }

    override func waitingBytes(_ stream: UInt32) -> Int {
        hasStream(stream) ? outbox.count + (filter?.wire.count ?? 0) : 0
    }

    override func primeStream(_ stream: UInt32, id: [UInt8], retryMilliseconds: Int) {
        guard hasStream(stream) else { return }
        id.withUnsafeBytes {
            EventWriter.prime(
                id: $0, retryMilliseconds: retryMilliseconds, chunked: !isHTTP10, into: &outbox)
        }
        state.loop.flushLater(self)
    }

    override func sendEvent(_ stream: UInt32, _ data: OwnedBytes, id: [UInt8]) -> Bool {
        guard hasStream(stream) else { return false }
        data.withBytes { data in
            id.withUnsafeBytes {
                EventWriter.event(
                    data: data, id: $0.isEmpty ? nil : $0, chunked: !isHTTP10, into: &outbox)
            }
        }
        guard outbox.count <= Limits.eventStreamBytes + data.count else {
            overflowed()
            return false
        }
        state.loop.flushLater(self)
        return true
    }

    override func sendComment(_ stream: UInt32) {
        guard stream == sequence, phase == .streaming else { return }
        EventWriter.comment("ping", chunked: !isHTTP10, into: &outbox)
        state.loop.flushLater(self)
    }

    override func sendEndpoint(_ stream: UInt32, _ url: [UInt8]) {
        guard stream == sequence, phase == .streaming else { return }
        url.withUnsafeBytes {
            EventWriter.event(data: $0, event: "endpoint", chunked: !isHTTP10, into: &outbox)
        }
        state.loop.flushLater(self)
    }

    override func endStream(_ stream: UInt32) {
        guard stream == sequence, phase == .streaming else { return }
        if !isHTTP10 { ResponseWriter.lastChunk(into: &outbox) }
        finish()
    }

    override func note(_ stream: UInt32, call: CallID, cancelsOnLeave: Bool) {
        guard stream == sequence else { return }
        self.call = call
        self.cancelsOnLeave = cancelsOnLeave
    }

    override func isServed(_ stream: UInt32, by loop: Int) {
        if stream == sequence { servingLoop = loop }
    }

    private func begin(_ answer: AnswerHead, framing: ResponseWriter.BodyFraming) {
        if isLastAnswer { keepAlive = false }
        guard answer.lines.isEmpty, origin.isEmpty else { return beginLong(answer, framing: framing) }
        outbox.write(atMost: ResponseWriter.headBytesMax) {
            ResponseWriter.head(
                status: answer.status, contentType: answer.contentType, framing: framing,
                keepAlive: keepAlive, date: state.date.bytes, into: &$0)
        }
    }

    /// With further lines.
    private func beginLong(_ answer: AnswerHead, framing: ResponseWriter.BodyFraming) {
        ResponseWriter.head(
            status: answer.status, contentType: answer.contentType, framing: framing, keepAlive: keepAlive,
            date: state.date.bytes, into: &outbox
        ) { out in
            if !answer.lines.isEmpty { out.append(answer.lines) }
            if !origin.isEmpty { state.settings.access.appendCORS(origin, into: &out) }
        }
    }

    /// Requests that came before the peer ended its side are still answered.
    private var isLastAnswer: Bool { state.isDraining || peerHasEnded && inbox.isEmpty }

    /// The answer is complete: the next request may be read.
    private func finish() {
        call = .none
        cancelsOnLeave = false
        guard keepAlive else {
            state.loop.flushLater(self)
            return linger()
        }
        // While it is warm; further requests that are there already get their answers along with this one.
        if isProcessing || !inbox.isEmpty {
            state.loop.flushLater(self)
        } else {
            state.loop.flushNow(self)
        }
        phase = .head(idle: true)
        deadline = state.loop.now.advanced(milliseconds: state.settings.limits.idleSeconds * 1000)
        if !isProcessing, !inbox.isEmpty { processInbox() }
        if isPaused, inbox.count <= Limits.pipelinedBytes {
            isPaused = false
            state.loop.resumeReading(self)
        }
        if peerHasEnded, inbox.isEmpty || phase == .head(idle: false), phase != .answering { linger() }
    }

    // MARK: Ending

    /// Sends what waits, then closes our side and reads on for a moment: closing a socket with unread bytes
    /// would reset it, and the peer would lose the answer.
    func linger() {
        phase = .lingering
        deadline = state.loop.now.advanced(milliseconds: Limits.lingerSeconds * 1000)
        inbox.removeAll()
        if peerHasEnded {
            state.loop.closeAfterFlush(self)
        } else {
            wantsDrained = true
            state.loop.flushLater(self)
        }
    }

    override func drained() {
        guard phase == .lingering else { return }
        wantsDrained = false
        state.loop.shutdownWriting(self)
    }

    /// The peer has closed its side (RFC 9112 §9.6): what it asked is still answered, unless leaving cancels.
    override func ended() {
        peerHasEnded = true
        switch phase {
        case .answering, .streaming: if cancelsOnLeave { abandon() }
        default: state.loop.closeAfterFlush(self)
        }
    }

    override func failed(_ error: Errno) {
        if phase == .answering || phase == .streaming { abandon() }
        close()
    }

    /// The client is gone while its request is worked on.
    private func abandon() {
        state.abandon(exchange(sequence), call, servedBy: servingLoop)
        close()
    }

    override var isIdle: Bool { phase == .head(idle: true) }

    override func drain() {
        if isIdle { close() }
    }

    override func close() {
        guard phase != .closed else { return }
        phase = .closed
        state.loop.close(self)
    }

    override func overflowed() {
        state.counters.slowReaders &+= 1
        failed(Errno(ETIMEDOUT, "writing an answer"))
    }

    override func detached() {
        phase = .closed
        super.detached()
    }

    override func tick(_ now: Instant) {
        if isStalled(now) { return failed(Errno(ETIMEDOUT, "writing an answer")) }
        guard now > deadline else { return }
        switch phase {
        case .head(idle: true), .lingering: close()
        case .head(idle: false):
            refuse(Refusal(408, "The request head did not arrive within \(Limits.headSeconds) s."))
        case .body, .chunks:
            refuse(Refusal(408, "The request body did not arrive in time."))
        case .answering, .streaming, .closed: return
        }
    }
}
