import CEpollShim
import MCP
import Reactor
import System
import TLS
import Wire

/// One HTTP/1.1 connection to a remote server: carries one exchange at a time, and is used again if the server
/// lets it.
final class RemoteConnection: Source {
    private enum Phase {
        /// Until the first byte could be sent and, with TLS, the server has shown who it is.
        case opening
        case open
        case closed
    }

    private let link: RemoteLink
    private let loop: Loop
    private var phase = Phase.opening
    /// Where else the server may be reached, if this address does not answer.
    let otherAddresses: ArraySlice<IPAddress>
    private let tls: TLSSession?
    /// What is to be encrypted.
    private var plain: Outbox
    /// The request that is being answered; nil while the connection is idle.
    private(set) var request: RemoteRequest?
    private var reader: ResponseReader?
    private var use = RemoteClient.BodyUse.ignore
    private var body = ByteQueue()
    private var events: EventReader?
    private var ignoredBytes = 0
    private(set) var deadline: Instant

    init(_ link: RemoteLink, tls: TLSSession?, otherAddresses: ArraySlice<IPAddress>) {
        self.link = link
        loop = link.loop
        self.tls = tls
        self.otherAddresses = otherAddresses
        plain = Outbox(pool: loop.pool)
        let seconds = otherAddresses.isEmpty ? Limits.remoteConnectSeconds : Limits.remoteNextAddressSeconds
        deadline = loop.now.advanced(milliseconds: seconds * 1000)
        super.init(loop: loop)
        wantsDrained = true
    }

    var isIdle: Bool { phase == .open && request == nil }

    // MARK: Sending

    /// Begins an exchange; the connection is idle, or opening without one.
    func send(_ request: RemoteRequest, _ write: (inout Outbox) -> Void) {
        self.request = request
        reader = ResponseReader()
        use = .ignore
        ignoredBytes = 0
        body.removeAll()
        events = nil
        if phase == .open { awaitAnswer() }
        if tls == nil {
            write(&outbox)
        } else {
            write(&plain)
        }
        flush()
    }

    /// The TLS client speaks first.
    func begin() {
        guard let tls else { return }
        _ = tls.next(into: &outbox)
        flush()
    }

    private func flush() {
        if let tls, tls.isHandshakeDone { tls.send(draining: &plain, into: &outbox, now: loop.now) }
        if !outbox.isEmpty { loop.flushLater(self) }
    }

    private func awaitAnswer() {
        deadline = loop.now.advanced(milliseconds: link.answerMilliseconds)
    }

    private func opened() {
        guard phase == .opening else { return }
        phase = .open
        if request == nil { idle() } else { awaitAnswer() }
    }

    private func idle() {
        deadline = loop.now.advanced(milliseconds: Limits.remoteIdleMilliseconds)
    }

    override func drained() {
        if tls == nil { opened() }
    }

    // MARK: Receiving

    override func received(_ bytes: UnsafeRawBufferPointer) {
        guard let tls else {
            opened()
            return feed(bytes)
        }
        tls.receive(bytes)
        while phase != .closed, let event = tls.next(into: &outbox) {
            switch event {
            case .handshakeDone: opened()
            // A copy: what comes of it may let another session use the room that these bytes are in.
            case .plaintext(let plaintext): Array(plaintext).withUnsafeBytes { feed($0) }
            case .closed: peerEnded(isComplete: true)
            case .failed(let failure): lose("\(failure)")
            }
        }
        if phase != .closed { flush() }
    }

    private func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let number = request?.exchange, var reading = reader.take() else {
            // Nobody has asked.
            return close()
        }
        do throws(ResponseFault) {
            try reading.read(bytes) { take($0, number) }
        } catch {
            return lose(error.reason)
        }
        let isReusable = reading.keepAlive
        if reading.isDone {
            done(number, isReusable)
        } else if phase != .closed, request?.exchange == number {
            reader = consume reading
        }
    }

    private func take(_ event: ResponseReader.Event, _ number: Int) {
        // What came of an earlier event may have ended the exchange.
        guard phase != .closed, request?.exchange == number else { return }
        switch event {
        case .head(let head, let bytes):
            use = link.answered(number, RemoteHead(head, in: bytes))
            if use == .events {
                events = EventReader(eventBytesMax: BridgeLimits.remoteBodyBytesMax)
                // It lasts as long as the server likes.
                deadline = Instant(nanoseconds: .max)
            }
        case .body(let piece): takeBody(piece, number)
        case .end: return
        }
    }

    private func takeBody(_ piece: UnsafeRawBufferPointer, _ number: Int) {
        switch use {
        case .ignore:
            ignoredBytes += piece.count
            if ignoredBytes > Limits.remoteIgnoredBytes { lose("it sends a page where none was asked for") }
        case .json:
            guard piece.count <= BridgeLimits.remoteBodyBytesMax - body.count else {
                return lose("its answer is longer than \(BridgeLimits.remoteBodyBytesMax) bytes")
            }
            body.append(piece)
        case .events:
            guard var events = events.take() else { return }
            do throws(EventReader.Failure) {
                try events.read(piece) { event in
                    guard phase != .closed, request?.exchange == number else { return }
                    link.received(event, number)
                }
            } catch {
                return lose("\(error.reason)")
            }
            guard phase != .closed, request?.exchange == number else { return }
            if let retry = events.retryMilliseconds { link.noted(number, retryMilliseconds: retry) }
            self.events = consume events
        }
    }

    private func done(_ number: Int, _ isReusable: Bool) {
        guard phase != .closed, request?.exchange == number else { return }
        let message = use == .json && !body.isEmpty ? body.take() : nil
        // First, so that what comes of the message may use the connection.
        request = nil
        // A server that answers before it has read all may not read the rest.
        if isReusable, outbox.isEmpty, plain.isEmpty {
            idle()
        } else {
            close()
        }
        message?.withBytes { link.received($0, number) }
        link.ended(number, nil)
    }

    // MARK: Ending

    override func ended() {
        // Over TLS an end that was not announced may be anybody's.
        peerEnded(isComplete: tls == nil)
    }

    private func peerEnded(isComplete: Bool) {
        guard phase != .closed else { return }
        guard let number = request?.exchange, var reading = reader.take() else { return close() }
        guard isComplete else { return lose("the connection was cut") }
        do throws(ResponseFault) {
            try reading.closed { take($0, number) }
        } catch {
            return lose(error.reason)
        }
        done(number, false)
    }

    override func failed(_ error: Errno) { lose(error.reason) }

    override func overflowed() { lose("it does not read what it is sent") }

    /// The exchange ends without its answer.
    private func lose(_ reason: String) {
        guard phase != .closed else { return }
        let wasOpening = phase == .opening
        let lost = request
        close()
        if let lost { link.lost(lost, self, wasOpening ? "cannot connect: \(reason)" : reason, wasOpening) }
    }

    /// The time is over for what it waits for.
    func expire() {
        switch phase {
        case .opening: lose("no answer within the time for it")
        case .open where request == nil: close()
        case .open: lose("it did not answer in time")
        case .closed: return
        }
    }

    /// The answer has come: a server that keeps its stream open all the same is not waited for.
    func hasAnswer() {
        if phase == .open, use == .events {
            deadline = loop.now.advanced(milliseconds: Limits.remoteLingerMilliseconds)
        }
    }

    /// Ends it now, with whatever is under way; nobody is told.
    func close() {
        guard phase != .closed else { return }
        phase = .closed
        request = nil
        if let tls { link.keep(tls.takeTicket()) }
        link.closed(self)
        loop.close(self)
    }
}
