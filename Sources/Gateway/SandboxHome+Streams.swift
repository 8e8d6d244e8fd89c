import MCP
import System
import Wire

/// Streams that clients open: the GET stream of a legacy session, `subscriptions/listen`, and streams of either kind
/// that broke and are taken up again.
extension SandboxHome {
    /// GET: the stream for messages that no request asked for. A session has one; a second GET takes its
    /// place, since a client that comes back knows better than we whether the first still lives.
    func openStream(_ inbound: Inbound) {
        if let failure = Classifier.refusalWithoutBody(inbound.routing) {
            return refuse(inbound, failure)
        }
        guard Accepts(inbound.value(.accept)).eventStream else {
            return refuse(inbound, .http(406, "GET opens an event stream: accept text/event-stream."))
        }
        let session = inbound.value(.mcpSessionID).flatMap { find($0) }
        withSession(inbound, session, RoutingHeaders(), id: nil) { session in
            guard let last = inbound.value(.lastEventID), !last.isEmpty, session.isResumable else {
                return openUnsolicited(inbound, session)
            }
            resume(inbound, session, after: last)
        }
    }

    var tooManyStreams: RPCFailure {
        .http(429, "This sandbox has \(Limits.streamsPerSandbox) open streams already.")
    }

    private func openUnsolicited(_ inbound: Inbound, _ session: Session, saying missed: [Replay.Event] = []) {
        guard streams.count < Limits.streamsPerSandbox else { return refuse(inbound, tooManyStreams) }
        if let earlier = session.stream { end(earlier) }
        let stream = EventStream(inbound.exchange, of: session, now: state.loop.now)
        streams.append(stream)
        session.stream = stream
        state.note(stream.exchange, call: .none, cancelsOnLeave: true)
        state.openStream(stream.exchange, .stream)
        if session.isPrimed, missed.isEmpty {
            state.primeStream(stream.exchange, id: session.replay.prime(Replay.unsolicited))
        } else {
            state.sendComment(stream.exchange)
        }
        for event in missed { state.sendEvent(stream.exchange, OwnedBytes(event.data), id: event.id) }
        tell(session.audience)
    }

    // MARK: Taking up a stream again (2025-03-26 and later, Streamable HTTP §Resumability)

    private func resume(_ inbound: Inbound, _ session: Session, after last: UnsafeRawBufferPointer) {
        guard let missed = session.replay.after(last) else {
            if Replay.isUnsolicited(last) { return openUnsolicited(inbound, session) }
            return refuse(inbound, .http(400, "Last-Event-ID: what followed this event is kept no more."))
        }
        if missed.stream == Replay.unsolicited {
            return openUnsolicited(inbound, session, saying: missed.events)
        }
        let exchange = inbound.exchange
        let ids = state.calls.ids { $0.session === session && $0.stream == missed.stream }
        state.openStream(exchange, .stream)
        for event in missed.events { state.sendEvent(exchange, OwnedBytes(event.data), id: event.id) }
        guard !missed.isFinished, let id = ids.first, let call = state.calls[id] else {
            return state.endStream(exchange)
        }
        if case .exchange(let earlier) = call.target { state.endStream(earlier) }
        call.move(to: exchange)
        state.note(exchange, call: id, cancelsOnLeave: false)
        if missed.events.isEmpty { state.sendComment(exchange) }
    }

    /// Keeps an event of a session's stream for a client that comes back; returns its id. The session that keeps the
    /// most makes room.
    func keep(_ data: OwnedBytes, of session: Session, on stream: Int) -> [UInt8] {
        let before = session.replay.heldBytes
        let id = data.withBytes { session.replay.append($0, to: stream, now: state.loop.now) }
        replayBytes += session.replay.heldBytes - before
        if replayBytes > Limits.replayBytesPerSandbox, let fullest = sessions.fullest {
            replayBytes -= fullest.replay.heldBytes
            fullest.replay.forget()
        }
        return id
    }

    // MARK: Ends

    /// Ends a stream from here.
    func end(_ stream: EventStream) {
        stream.end(state)
        closed(stream)
    }

    /// The client of a stream has left.
    func streamGone(_ exchange: ExchangeID) {
        defer { oldSessionGone(exchange) }
        guard let stream = streams.first(where: { $0.exchange == exchange }) else { return }
        if stream.audience.stream === stream { stream.audience.stream = nil }
        closed(stream)
    }

    private func closed(_ stream: EventStream) {
        streams.removeAll { $0 === stream }
        if stream.session == nil { leave(stream.audience) }
    }
}
