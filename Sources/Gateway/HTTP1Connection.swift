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

    private(set) var phase = Phase.head(idle: true)
    /// Ordinal of the current request; an answer for another one is stale.
    private(set) var sequence: UInt32 = 0
    /// When `phase` becomes a timeout.
    private(set) var deadline: Instant
    /// The call this connection waits for, if it is one of this loop's.
    private var call = CallID.none
    /// True when the peer's leaving ends the work: a request of a stateless revision.
    private var cancelsOnLeave = false
    /// The loop that works on the current request.
    private var servingLoop: Int
    private var inbox = ByteQueue()
    /// True until the first bytes have told the protocol.
    private var isFresh = true
    private var resumeAt = 0
    /// Of a request whose body is not there yet.
    private var pendingHead = RequestHead()
    private var isHTTP10 = false
    private var chunkedHead = ByteQueue()
    private var chunkedBody = ByteQueue()
    private var chunks = ChunkDecoder()
    private var isProcessing = false
    private var isPaused = false
    private var peerHasEnded = false
    private var keepAlive = true
    private var answersHead = false
    private var origin: [UInt8] = []

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

    // MARK: Other protocols

    /// The first bytes tell TLS from plain text, and HTTP/2 with prior knowledge from HTTP/1.1. True when they
    /// were taken, or kept until it is clear.
    private func hasOtherProtocol(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .clients = role, let first = bytes.first else {
            isFresh = false
            return false
        }
        if filter == nil, inbox.isEmpty, FirstByte.isTLS(first), let context = state.shared.tlsContext {
            return startTLS(context, bytes)
        }
        let isFirst = inbox.isEmpty
        if !isFirst { inbox.append(bytes) }
        switch HTTP2Preface.sniff(isFirst ? bytes : inbox.bytes) {
        case .http1:
            isFresh = false
            guard !isFirst else { return false }
            processInbox()
        case .needMore:
            if isFirst { inbox.append(bytes) }
            if isIdle {
                phase = .head(idle: false)
                deadline = state.loop.now.advanced(milliseconds: Limits.headSeconds * 1000)
            }
        case .http2:
            if isFirst { inbox.append(bytes) }
            becomeHTTP2()
        }
        return true
    }

    private func startTLS(_ context: TLSContext, _ bytes: UnsafeRawBufferPointer) -> Bool {
        do throws(TLSFailure) {
            let filter = try TLSFilter(for: self, context, state.tlsScratch, loop: state.loop)
            self.filter = filter
            filter.received(bytes)
        } catch {
            close()
        }
        return true
    }

    /// Hands descriptor, filter and what has come so far to a connection of the other version.
    func becomeHTTP2() {
        guard isFresh, isAttached else { return }
        isFresh = false
        let successor = HTTP2Connection(state: state, role: role)
        phase = .closed
        state.loop.replace(self, with: successor)
        state.remove(self)
        state.connections.append(successor)
        successor.index = state.connections.count - 1
        successor.received(inbox.bytes)
        inbox.removeAll()
    }

    // MARK: Requests

    /// Parses straight from the poller's scratch; only what is incomplete is kept.
    private func take(_ bytes: UnsafeRawBufferPointer) {
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

    private func processInbox() {
        let used = process(inbox.bytes)
        if phase == .lingering || phase == .closed {
            inbox.removeAll()
        } else {
            inbox.consume(used)
        }
    }

    /// A request that comes while another is answered waits; too many bytes of them stop the reading.
    private func hold(_ bytes: UnsafeRawBufferPointer) {
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
    private func refuse(_ refusal: Refusal) {
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
    private func linger() {
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
