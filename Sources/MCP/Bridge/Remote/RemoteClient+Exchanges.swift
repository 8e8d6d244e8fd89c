import System
import Wire

/// What comes back: heads, messages, ends.
extension RemoteClient {
    /// What becomes of a message that has arrived.
    public enum Disposition: Sendable, Equatable {
        /// It was the machine's.
        case consumed
        /// It is for the driver. `call`: the call on whose stream it came, which it belongs to; nil for a message
        /// that no call asked for, or where only its id can tell.
        case deliver(call: UInt64?)
    }

    // MARK: Heads

    public mutating func answered(
        _ number: Int, _ head: RemoteHead, now: Instant, random: UInt64
    ) -> (use: BodyUse, actions: [Action]) {
        guard var exchange = exchanges[number] else { return (.ignore, [.close(exchange: number)]) }
        exchange.status = head.status
        exchanges[number] = exchange
        if head.status >= 300, head.status <= 399 {
            return (.ignore, redirected(number, exchange, head, now, random))
        }
        if head.wantsAuthorization, exchange.purpose != .delete {
            return (.ignore, needsAuthorization(head.challenge))
        }
        switch exchange.purpose {
        case .discover, .initialize: return handshakeAnswered(number, exchange, head, now, random)
        case .endpoint: return endpointAnswered(number, head, now, random)
        case .stream: return streamAnswered(number, head, now)
        case .call(let call): return callAnswered(number, exchange, call, head, now, random)
        case .initialized, .notice:
            if head.status == 404, sessionID != nil { return (.ignore, sessionLost(now)) }
            return (.ignore, [])
        case .delete: return (.ignore, [])
        }
    }

    private mutating func handshakeAnswered(
        _ number: Int, _ exchange: Exchange, _ head: RemoteHead, _ now: Instant, _ random: UInt64
    ) -> (BodyUse, [Action]) {
        if head.isTransient {
            return (
                .ignore,
                pause(
                    "it answers with status \(head.status)", now, random,
                    atLeastSeconds: head.retryAfterSeconds ?? 0)
            )
        }
        if exchange.purpose == .initialize, head.isSuccess {
            // Errors carry ids too, of sessions that are none.
            sessionID = dialect == .legacy ? head.sessionID : nil
            // The old transport answers on its stream.
            if dialect == .oldSSE { return (.ignore, []) }
        }
        switch head.content {
        case .json: return (.json, [])
        case .events where head.isSuccess: return (.events, [])
        default:
            exchanges[number] = nil
            return (.ignore, [.close(exchange: number)] + undecided(exchange, now))
        }
    }

    /// A handshake request was answered with nothing that MCP knows.
    private mutating func undecided(_ exchange: Exchange, _ now: Instant) -> [Action] {
        if exchange.purpose == .discover { return notModern(now) }
        let status = exchange.status
        if dialect == .legacy, status == 400 || status == 404 || status == 405 { return awaitEndpoint(now) }
        return giveUp("it answers initialize with status \(status) and no MCP message")
    }

    private mutating func endpointAnswered(
        _ number: Int, _ head: RemoteHead, _ now: Instant, _ random: UInt64
    ) -> (BodyUse, [Action]) {
        if head.isSuccess, head.content == .events { return (.events, []) }
        if head.isTransient {
            return (
                .ignore,
                pause(
                    "it answers with status \(head.status)", now, random,
                    atLeastSeconds: head.retryAfterSeconds ?? 0)
            )
        }
        return (.ignore, giveUp("no MCP server answers at this URL (status \(head.status))"))
    }

    private mutating func streamAnswered(
        _ number: Int, _ head: RemoteHead, _ now: Instant
    ) -> (BodyUse, [Action]) {
        if head.isSuccess, head.content == .events {
            streamBackoff.reset()
            defer { hasGap = false }
            return (.events, hasGap ? [.gap] : [])
        }
        exchanges[number] = nil
        // 405: it has no such stream. Anything else is not worth a second try either, but for a lost session.
        if head.status == 404, sessionID != nil {
            return (.ignore, [.close(exchange: number)] + sessionLost(now))
        }
        return (.ignore, [.close(exchange: number)])
    }

    private mutating func callAnswered(
        _ number: Int, _ exchange: Exchange, _ call: UInt64, _ head: RemoteHead, _ now: Instant,
        _ random: UInt64
    ) -> (BodyUse, [Action]) {
        if head.isSuccess {
            switch head.content {
            case .json: return (.json, [])
            case .events: return (.events, [])
            case .other, .none:
                if dialect == .oldSSE { return (.ignore, []) }
                return (
                    .ignore, drop(number) + [.failed(call: call, .serverFailed("the server sent no answer"))]
                )
            }
        }
        if head.status == 404, dialect == .legacy, exchange.request.value("Mcp-Session-Id") != nil {
            return (.ignore, drop(number) + lostIts(exchange, call, now))
        }
        if head.isTransient,
            let again = repeated(exchange, now, random, atLeastSeconds: head.retryAfterSeconds)
        {
            delayed.append(again)
            return (.ignore, drop(number))
        }
        // Errors of modern servers come under statuses of their own, as messages.
        if head.content == .json { return (.json, []) }
        return (
            .ignore,
            drop(number) + [
                .failed(call: call, .serverFailed("the server answered with status \(head.status)"))
            ]
        )
    }

    /// A call met a session that is no more. It was not carried out, but only what may be repeated is.
    private mutating func lostIts(_ exchange: Exchange, _ call: UInt64, _ now: Instant) -> [Action] {
        let actions = sessionLost(now)
        outstanding.remove(call)
        guard exchange.isRepeatable, exchange.attempts < BridgeLimits.attemptsMax else {
            return actions + [.failed(call: call, .serverFailed("the server ended its session; try again"))]
        }
        var again = exchange
        again.attempts += 1
        if phase == .serving { return actions + [resend(again)] }
        waiting.append(again)
        return actions
    }

    private mutating func redirected(
        _ number: Int, _ exchange: Exchange, _ head: RemoteHead, _ now: Instant, _ random: UInt64
    ) -> [Action] {
        var actions = drop(number)
        // Others turn a POST into a GET.
        let isKept = head.status == 307 || head.status == 308 || exchange.request.method == .get
        if isKept, exchange.redirects < BridgeLimits.redirectsMax, let location = head.location,
            let next = try? exchange.request.url.resolving(location)
        {
            var again = exchange
            again.redirects += 1
            again.request.url = next
            actions.append(resend(again))
            return actions
        }
        let reason = "it redirects to where it is not followed (status \(head.status))"
        switch exchange.purpose {
        case .call(let call): return actions + [.failed(call: call, .serverFailed("the server: \(reason)"))]
        case .discover, .initialize, .endpoint: return actions + giveUp(reason)
        default: return actions
        }
    }

    private mutating func drop(_ number: Int) -> [Action] {
        exchanges[number] = nil
        return [.close(exchange: number)]
    }

    /// The exchange once more after a pause; nil when it must not be repeated.
    private func repeated(
        _ exchange: Exchange, _ now: Instant, _ random: UInt64, atLeastSeconds: Int? = nil
    ) -> Delayed? {
        guard exchange.isRepeatable, exchange.attempts < BridgeLimits.attemptsMax else { return nil }
        var pauses = Backoff()
        var pause = 0
        for _ in 0..<exchange.attempts {
            pause = pauses.next(random: random, atLeast: (atLeastSeconds ?? 0) * 1000)
        }
        var again = exchange
        again.attempts += 1
        return Delayed(due: now.advanced(milliseconds: pause), exchange: again)
    }

    // MARK: Messages

    public mutating func message(
        _ number: Int, _ envelope: Envelope, _ message: UnsafeRawBufferPointer, now: Instant
    ) -> (Disposition, [Action]) {
        guard let exchange = exchanges[number] else { return (.consumed, []) }
        let isAnswer = envelope.kind == .response || envelope.kind == .failure
        switch exchange.purpose {
        case .discover:
            guard isAnswer else { return (.consumed, []) }
            let actions = drop(number) + discovered(envelope, message, now)
            return (.consumed, actions)
        case .initialize:
            guard isAnswer else { return (.consumed, []) }
            let actions = drop(number) + initialized(envelope, message, status: exchange.status, now)
            return (.consumed, actions)
        case .endpoint:
            guard phase == .initializing, isAnswer, envelope.id.of(message).equals("2") else {
                return (.deliver(call: nil), [])
            }
            exchanges = exchanges.filter { $0.value.purpose != .initialize }
            return (.consumed, initialized(envelope, message, status: 200, now))
        case .call(let call): return callMessage(number, call, exchange, envelope, isAnswer)
        case .stream: return (.deliver(call: nil), [])
        case .initialized, .notice, .delete: return (.consumed, [])
        }
    }

    private mutating func callMessage(
        _ number: Int, _ call: UInt64, _ exchange: Exchange, _ envelope: Envelope, _ isAnswer: Bool
    ) -> (Disposition, [Action]) {
        guard isAnswer else { return (.deliver(call: call), []) }
        if dialect == .modern, envelope.errorCode == RPCCode.headerMismatch, exchange.attempts == 1 {
            return (.consumed, drop(number) + [.mirrorAgain(call: call)])
        }
        exchanges[number]?.hasAnswer = true
        return (.deliver(call: call), [])
    }

    /// An event's id, which a broken stream goes on from, and its `retry:` in milliseconds.
    public mutating func noted(_ number: Int, eventID: UnsafeRawBufferPointer, retryMilliseconds retry: Int?)
    {
        guard exchanges[number] != nil else { return }
        if !eventID.isEmpty {
            exchanges[number]?.lastEventID = Array(eventID)
            exchanges[number]?.resumptions = 0
        }
        if let retry { retryMilliseconds = min(retry, BridgeLimits.retryLastMilliseconds) }
    }

    // MARK: Ends

    /// The response is over. `failure`: it was cut off, or the server could not be reached; nil when it ended as
    /// it should.
    public mutating func ended(_ number: Int, failure: String?, now: Instant, random: UInt64) -> [Action] {
        guard let exchange = exchanges.removeValue(forKey: number) else { return [] }
        switch exchange.purpose {
        case .discover, .initialize:
            // On the old transport the POST ends long before its answer comes.
            if exchange.purpose == .initialize, dialect == .oldSSE, failure == nil, exchange.status < 300 {
                return []
            }
            if let failure { return pause(failure, now, random) }
            return undecided(exchange, now)
        case .endpoint: return pause(failure ?? "its stream ended", now, random)
        case .stream:
            hasGap = exchange.lastEventID.isEmpty || hasGap
            guard phase == .serving, exchange.status > 0 || failure != nil else { return [] }
            let wait = streamBackoff.next(random: random, atLeast: retryMilliseconds)
            var again = Exchange(request: streamRequest(exchange.lastEventID), purpose: .stream)
            again.lastEventID = exchange.lastEventID
            delayed.append(Delayed(due: now.advanced(milliseconds: wait), exchange: again))
            return []
        case .call(let call): return callEnded(exchange, call, failure, now, random)
        case .initialized, .notice, .delete: return []
        }
    }

    private mutating func callEnded(
        _ exchange: Exchange, _ call: UInt64, _ failure: String?, _ now: Instant, _ random: UInt64
    ) -> [Action] {
        if exchange.hasAnswer { return [] }
        if dialect == .oldSSE, failure == nil { return [] }
        // 2025-11-25 lets a server close a stream that it has marked, and its client come back for the rest.
        if dialect == .legacy, !exchange.lastEventID.isEmpty,
            exchange.resumptions < BridgeLimits.resumptionsMax
        {
            var again = exchange
            again.request = streamRequest(exchange.lastEventID)
            again.resumptions += 1
            again.isRepeatable = false
            delayed.append(
                Delayed(due: now.advanced(milliseconds: max(retryMilliseconds, 1)), exchange: again))
            return []
        }
        if let again = repeated(exchange, now, random) {
            delayed.append(again)
            return []
        }
        outstanding.remove(call)
        let reason = failure ?? "it ended the answer before its result"
        return [.failed(call: call, .serverFailed("the server: \(reason)"))]
    }
}
