import Glibc
import Reactor
import System
import Wire

/// One HTTP/2 connection: hands requests of all its streams to the router and their answers to the session,
/// whose frames leave once a turn.
final class HTTP2Connection: ClientConnection {
    /// A request that is worked on or streams its answer.
    private struct Exchange {
        var call = CallID.none
        var cancelsOnLeave = false
        var servingLoop: Int
        var isStreaming = false
        var origin: [UInt8] = []
    }

    private let session: HTTP2Session
    private var exchanges: [UInt32: Exchange] = [:]
    private var hasEnded = false

    override init(state: LoopState, role: Listener.Role) {
        session = HTTP2Session(
            pool: state.loop.pool, bodyBytesMax: state.settings.limits.requestBodyBytes,
            idleSeconds: state.settings.limits.idleSeconds, now: state.loop.now)
        super.init(state: state, role: role)
        fillsBeforeFlush = true
        if state.isDraining { session.drain() }
    }

    // MARK: Reading

    override func received(_ bytes: UnsafeRawBufferPointer) {
        session.receive(bytes, now: state.loop.now)
        work()
    }

    /// Works off what the session tells; its frames leave at the end of the turn.
    private func work() {
        handleEvents()
        state.loop.flushLater(self)
    }

    private func handleEvents() {
        while let event = session.nextEvent() {
            switch event {
            case .request(let id): serve(id)
            case .refused(let id, let refusal): refuse(id, refusal)
            case .reset(let id, _): leave(id)
            case .writable: continue
            }
        }
    }

    private func serve(_ id: UInt32) {
        guard let request = session.take(id) else { return }
        state.counters.requests &+= 1
        var exchange = Exchange(servingLoop: state.loop.index)
        request.bytes.withBytes { _ in
            if let origin = request.head[.origin] { exchange.origin = Array(origin.of(request.headBytes)) }
            exchanges[id] = exchange
            withUnsafePointer(to: request.head) {
                if case .inside(let key) = role {
                    return state.routeInside(
                        key, self, self.exchange(id), $0, request.headBytes, request.body)
                }
                state.route(self, self.exchange(id), $0, request.headBytes, request.body)
            }
        }
    }

    private func refuse(_ id: UInt32, _ refusal: Refusal) {
        state.counters.refused &+= 1
        exchanges[id] = Exchange(servingLoop: state.loop.index)
        state.answer(
            exchange(id), AnswerHead(status: refusal.status, contentType: AnswerHead.json),
            ErrorBody.control(status: refusal.status, message: refusal.reason))
    }

    /// The client has given up on an exchange. Work that goes on all the same (a call of a legacy session)
    /// counts against the connection's streams until its answer comes: otherwise resets would be free
    /// (CVE-2023-44487).
    private func leave(_ id: UInt32) {
        guard let gone = exchanges.removeValue(forKey: id) else { return session.release(id) }
        state.abandon(exchange(id), gone.call, servedBy: gone.servingLoop)
        let runsOn = gone.servingLoop == state.loop.index && state.calls.contains(gone.call)
        if !runsOn { session.release(id) }
    }

    // MARK: Answering

    override func answer(
        _ stream: UInt32, _ head: AnswerHead, length: Int, _ write: (inout Outbox) -> Void
    ) {
        guard exchanges[stream]?.isStreaming == false else { return session.release(stream) }
        let hasBody = head.status != 204 && head.status != 304
        if begin(stream, head, framing: hasBody ? .length(length) : .none), hasBody, length > 0 {
            session.write(stream, write)
            session.end(stream)
        }
        exchanges[stream] = nil
        state.loop.flushLater(self)
    }

    override func openStream(_ stream: UInt32, _ head: AnswerHead) {
        guard exchanges[stream]?.isStreaming == false else { return session.release(stream) }
        exchanges[stream]?.isStreaming = true
        if !begin(stream, head, framing: .chunked) { exchanges[stream] = nil }
        state.loop.flushLater(self)
    }

    private func begin(_ stream: UInt32, _ head: AnswerHead, framing: ResponseWriter.BodyFraming) -> Bool {
        let origin = exchanges[stream]?.origin ?? []
        return session.begin(
            stream, status: head.status, contentType: head.contentType, framing: framing,
            date: state.date.bytes
        ) { out in
            if !head.lines.isEmpty { out.append(head.lines) }
            if !origin.isEmpty { state.settings.access.appendCORS(origin, into: &out) }
        }
    }

    override func hasStream(_ stream: UInt32) -> Bool { exchanges[stream]?.isStreaming == true }

    override func waitingBytes(_ stream: UInt32) -> Int { session.pendingBytes(stream) }

    override func primeStream(_ stream: UInt32, id: [UInt8], retryMilliseconds: Int) {
        guard hasStream(stream) else { return }
        session.write(stream) { out in
            id.withUnsafeBytes {
                EventWriter.prime(
                    id: $0, retryMilliseconds: retryMilliseconds, chunked: false, into: &out)
            }
        }
        state.loop.flushLater(self)
    }

    override func sendEvent(_ stream: UInt32, _ data: OwnedBytes, id: [UInt8]) -> Bool {
        guard hasStream(stream) else { return false }
        let isOpen = session.write(stream) { out in
            data.withBytes { data in
                id.withUnsafeBytes {
                    EventWriter.event(data: data, id: $0.isEmpty ? nil : $0, chunked: false, into: &out)
                }
            }
        }
        guard isOpen, session.pendingBytes(stream) <= Limits.eventStreamBytes + data.count else {
            cut(stream)
            return false
        }
        state.loop.flushLater(self)
        return true
    }

    /// Its client does not read this stream; the others of the connection go on.
    private func cut(_ stream: UInt32) {
        state.counters.slowReaders &+= 1
        session.reset(stream, .enhanceYourCalm)
        leave(stream)
        state.loop.flushLater(self)
    }

    override func sendComment(_ stream: UInt32) {
        guard exchanges[stream]?.isStreaming == true else { return }
        session.write(stream) { EventWriter.comment("ping", chunked: false, into: &$0) }
        state.loop.flushLater(self)
    }

    override func sendEndpoint(_ stream: UInt32, _ url: [UInt8]) {
        guard exchanges[stream]?.isStreaming == true else { return }
        session.write(stream) { out in
            url.withUnsafeBytes { EventWriter.event(data: $0, event: "endpoint", chunked: false, into: &out) }
        }
        state.loop.flushLater(self)
    }

    override func endStream(_ stream: UInt32) {
        guard exchanges[stream]?.isStreaming == true else { return session.release(stream) }
        exchanges[stream] = nil
        session.end(stream)
        state.loop.flushLater(self)
    }

    override func note(_ stream: UInt32, call: CallID, cancelsOnLeave: Bool) {
        exchanges[stream]?.call = call
        exchanges[stream]?.cancelsOnLeave = cancelsOnLeave
    }

    override func isServed(_ stream: UInt32, by loop: Int) {
        exchanges[stream]?.servingLoop = loop
    }

    // MARK: Writing

    override func willFlush() {
        // More is taken when this has left.
        if session.collectOutput(into: &outbox) { wantsDrained = true }
        handleEvents()
        if session.isFinished, !hasEnded {
            hasEnded = true
            state.loop.closeAfterFlush(self)
        }
    }

    override func drained() {
        wantsDrained = false
        state.loop.flushLater(self)
    }

    override func overflowed() {
        state.counters.slowReaders &+= 1
        failed(Errno(ETIMEDOUT, "writing an answer"))
    }

    // MARK: Ending

    override var isIdle: Bool { session.openStreams == 0 }

    override func drain() {
        session.drain()
        state.loop.flushLater(self)
    }

    /// Nobody half-closes HTTP/2: the client is gone.
    override func ended() {
        abandonAll()
        state.loop.closeAfterFlush(self)
    }

    override func failed(_ error: Errno) {
        abandonAll()
        close()
    }

    override func close() { state.loop.close(self) }

    override func detached() {
        abandonAll()
        super.detached()
    }

    private func abandonAll() {
        guard !exchanges.isEmpty else { return }
        session.abandon()
        let open = exchanges
        exchanges = [:]
        for (id, gone) in open { state.abandon(exchange(id), gone.call, servedBy: gone.servingLoop) }
    }

    override func tick(_ now: Instant) {
        if isStalled(now) { return failed(Errno(ETIMEDOUT, "writing an answer")) }
        session.tick(now)
        work()
    }
}
