import MCP
import System
import Wire

/// What happens to a call until its answer is there: progress, what its server says, time, its end by the client.
extension LoopState {

    /// `notifications/progress` of a child: the client that gave the token gets it back on its own stream.
    func progress(_ id: CallID, _ backend: Backend, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let call = calls[id] else { return backend.home.taskProgress(id, envelope, line) }
        guard call.backend === backend, !call.token.isEmpty else { return }
        if let task = call.task, task.isDriven, !task.progress.isNews(line) { return }
        pass(progress: id, call, envelope, line)
    }

    func pass(progress id: CallID, _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        if call.isParked { return call.backend.home.parkedProgress(id, envelope, line) }
        if let bridged = call.bridged, bridged.request != nil, !bridged.isNews(line) { return }
        sendProgress(id, envelope, line)
    }

    /// The same for the exchange `id`, whoever the notification was for.
    func sendProgress(_ id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let call = calls[id], !call.token.isEmpty else { return }
        call.deadline = loop.now.advanced(milliseconds: settings.limits.callSeconds * 1000)
        call.token.withBytes { token in
            guard let splice = NotificationRewriter.progress(line, envelope, token: token) else { return }
            switch call.target {
            case .exchange(let exchange) where call.mayStream:
                commit(call, exchange)
                emit(call, exchange) { splice.write(into: &$0) }
            case .events(let exchange): sendEvent(exchange) { splice.write(into: &$0) }
            case .exchange, .batch, .parked, .none: return
            }
        }
    }

    /// Whether a message can be sent to the client of a call while it lasts.
    func canReach(_ call: Call) -> Bool {
        if call.mayStream, case .exchange = call.target { return true }
        return call.session?.stream != nil
    }

    /// Sends a message to the client of a call: on the call's own stream, else on its session's. False when it has
    /// none.
    @discardableResult
    func say(_ id: CallID, _ write: (inout Outbox) -> Void) -> Bool {
        guard let call = calls[id] else { return false }
        if call.mayStream, case .exchange(let exchange) = call.target { commit(call, exchange) }
        return say(call, write)
    }

    /// The same for a call that has left the table; its own stream is used only if it is open.
    @discardableResult
    func say(_ call: Call, _ write: (inout Outbox) -> Void) -> Bool {
        var own: ExchangeID?
        if call.isStreaming, case .exchange(let exchange) = call.target { own = exchange }
        if let own, mayReach(own), emit(call, own, write) { return true }
        if let stream = call.session?.stream, stream.send(self, call.backend.home, write) { return true }
        // Its client may come back for it.
        guard let own, call.stream > 0 else { return false }
        emit(call, own, write)
        return true
    }

    /// One event on the stream of a call, gone or not: a session keeps it for a client that comes back.
    @discardableResult
    func emit(
        _ call: Call, _ exchange: ExchangeID, isLast: Bool = false, _ write: (inout Outbox) -> Void
    ) -> Bool {
        guard let session = call.session, call.stream > 0 else { return sendEvent(exchange, write) }
        let data = collectOwned(write)
        // Who comes back for an answer gets one in any case.
        let isKept = !isLast || data.count <= BridgeLimits.replayBytesMax
        let id = call.backend.home.keep(isKept ? data : tooLargeToKeep(call), of: session, on: call.stream)
        return sendEvent(exchange, data, id: id)
    }

    func tooLargeToKeep(_ call: Call) -> OwnedBytes {
        let failure = RPCFailure.serverFailed(
            "the answer was too large to be kept for a client that comes back")
        return collectOwned { out in call.id.withBytes { failure.write(id: $0, into: &out) } }
    }

    func commit(_ call: Call, _ exchange: ExchangeID) {
        call.lastSent = loop.now
        if call.isStreaming { return }
        call.isStreaming = true
        openStream(exchange, .stream)
        guard let session = call.session, session.isResumable else { return }
        call.stream = session.replay.open()
        if session.isPrimed { primeStream(exchange, id: session.replay.prime(call.stream)) }
    }

    /// Once a second: calls that take too long, and streams to keep alive.
    func tickCalls(_ now: Instant) {
        guard calls.count > 0 else { return }
        for id in calls.ids(where: { now > $0.deadline }) { expire(id) }
        let silent = calls.ids {
            $0.mayStream && now.milliseconds(since: $0.lastSent) >= Limits.commitSeconds * 1000
        }
        for id in silent {
            guard let call = calls[id], case .exchange(let exchange) = call.target else { continue }
            commit(call, exchange)
            sendComment(exchange)
        }
    }

    func expire(_ id: CallID) {
        guard let late = calls[id] else { return }
        if case .parked = late.target {
            // Its own clock decides how long a client may take.
            late.deadline = loop.now.advanced(milliseconds: BridgeLimits.parkSeconds * 1000)
            return
        }
        if late.isParked || late.bridged?.south ?? .none != .none {
            late.backend.home.parkedLeft(id, late)
            counters.callTimeouts &+= 1
            return reply(late, failure: tooLate(late))
        }
        guard let call = calls.remove(id) else { return }
        call.backend.callEnded(id, call)
        counters.callTimeouts &+= 1
        if call.held != nil, call.bridged?.rounds != nil {
            return reply(call, .serverFailed("the client did not answer what the server asks"))
        }
        if call.held != nil {
            return reply(call, failure: call.backend.waitedInVain)
        }
        if case .none = call.target {
            call.backend.link(call.incarnation)?.hearing.lost(id)
            return call.backend.askTimedOut(call.kind)
        }
        call.backend.sendCancelled(id, call, reason: "\"timeout\"")
        reply(call, failure: tooLate(call))
    }

    func tooLate(_ call: Call) -> CallFailure {
        let (name, seconds) = (call.backend.plan.name, settings.limits.callSeconds)
        return CallFailure(
            rest: .timeout, code: RPCCode.internalError,
            message: "The server \(name) gave no answer within \(seconds) s.",
            details: ["server": .string(name), "timeoutSeconds": .integer(seconds)])
    }

    // MARK: Cancellation

    /// The client of `exchange` has left, and its revision says that this cancels (2026-07-28 §Cancellation).
    func abandoned(_ exchange: ExchangeID, _ id: CallID) {
        if let call = calls[id], case .exchange(exchange) = call.target {
            return cancel(id, call, reason: "\"client disconnected\"")
        }
        for id in calls.ids(where: { if case .exchange(exchange) = $0.target { true } else { false } }) {
            if let call = calls[id] { cancel(id, call, reason: "\"client disconnected\"") }
        }
        for home in homes.values { home.streamGone(exchange) }
    }

    private func cancel(_ id: CallID, _ call: Call, reason: StaticString) {
        // A legacy client that disconnects has not cancelled (2025-11-25, Streamable HTTP): its call runs on.
        guard call.isModern || call.kind == .rest else { return }
        if call.isParked || call.bridged?.south ?? .none != .none {
            counters.cancelled &+= 1
            return call.backend.home.parkedLeft(id, call)
        }
        finishCancelled(id, reason: reason)
    }

    func finishCancelled(_ id: CallID, reason: StaticString) {
        guard let call = calls.remove(id) else { return }
        counters.cancelled &+= 1
        call.backend.callEnded(id, call)
        if call.held == nil { call.backend.sendCancelled(id, call, reason: reason) }
    }
}
