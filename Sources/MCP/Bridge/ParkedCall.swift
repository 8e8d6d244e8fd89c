import System
import Wire

/// A modern client's call at a legacy child that asks while it works. The child's request ends the client's
/// exchange with `input_required`; the call itself goes on, parked, until the client comes back with answers.
///
/// The machine knows of time and bytes only. Consumers (exchanges of the client) are named by the driver.
public struct ParkedCall: Sendable {
    /// What the driver does, in this order.
    public enum Action: Sendable, Equatable {
        /// Write this line (with its LF) to the child.
        case tell([UInt8])
        /// Answer the consumer with this result, an `input_required`, and let it go.
        case ask(consumer: UInt64, result: [UInt8])
        /// Answer the consumer with an error and let it go.
        case fail(consumer: UInt64, RPCFailure)
        /// Answer the consumer with the child's response.
        case deliver(consumer: UInt64, line: [UInt8])
        /// Send the consumer the child's newest progress notification.
        case progress(consumer: UInt64, line: [UInt8])
        /// Tell the child that the call is cancelled, and drop what it still says.
        case cancel
        /// The call is over: forget it, and give its child back.
        case end
    }

    private struct Open: Sendable {
        var key: String
        var ask: Ask
        /// The child's, raw.
        var id: [UInt8]
    }

    public let key: CallKey
    public let digest: RequestDigest
    private let capabilities: ClientCapabilities
    private var open: [Open] = []
    private var asked = 0
    private var round: UInt32 = 0
    /// Non-nil exactly while an exchange of the client waits.
    public private(set) var consumer: UInt64?
    /// When what has been gathered is sent; nil when there is nothing.
    public private(set) var gatherAt: Instant?
    /// When nobody will come any more; counts only while no consumer waits.
    public private(set) var deadline: Instant
    /// The child's response, while no consumer waits for it.
    private var response: [UInt8]?
    private var newestProgress: [UInt8]?
    /// What the child asked for and could not have.
    private var denied: ClientCapabilities = []
    private var isOver = false

    public init(
        key: CallKey = .random(), digest: RequestDigest, capabilities: ClientCapabilities, consumer: UInt64,
        now: Instant
    ) {
        self.key = key
        self.digest = digest
        self.capabilities = capabilities
        self.consumer = consumer
        deadline = now.advanced(milliseconds: BridgeLimits.parkSeconds * 1000)
    }

    /// Bytes that are held for the client.
    public var heldBytes: Int {
        (response?.count ?? 0) + (newestProgress?.count ?? 0) + open.reduce(0) { $0 + $1.ask.params.count }
    }

    // MARK: The child

    /// The child asks. `id` is raw JSON.
    public mutating func asked(_ ask: Ask, id: UnsafeRawBufferPointer, now: Instant) -> [Action] {
        guard !isOver, response == nil else { return [.tell(Self.line(ask.refusal(declared: []), id))] }
        guard capabilities.isSuperset(of: ask.needs) else {
            denied.formUnion(ask.needs)
            return [.tell(Self.line(ask.refusal(declared: capabilities), id))]
        }
        let bytes = open.reduce(ask.params.count) { $0 + $1.ask.params.count }
        guard open.count < BridgeLimits.asksMax, asked < BridgeLimits.asksMax * BridgeLimits.roundsMax,
            bytes <= BridgeLimits.askBytesMax
        else {
            return [.tell(Self.line(.serverFailed("too many requests to the client of one call"), id))]
        }
        asked += 1
        open.append(Open(key: "a\(asked)", ask: ask, id: Array(id)))
        if consumer != nil { gatherAt = now.advanced(milliseconds: BridgeLimits.gatherMilliseconds) }
        return []
    }

    /// The child has given up one of its requests (`notifications/cancelled`), often because people are slow.
    public mutating func withdrew(id: UnsafeRawBufferPointer) {
        open.removeAll { ask in ask.id.withUnsafeBytes { $0.equals(id) } }
        if open.isEmpty { gatherAt = nil }
    }

    /// `gatherAt` has come.
    public mutating func gathered(now: Instant, unixSeconds: Int, _ seal: StateSeal) -> [Action] {
        guard let due = gatherAt, now >= due else { return [] }
        gatherAt = nil
        guard let consumer, !open.isEmpty else { return [] }
        self.consumer = nil
        return [.ask(consumer: consumer, result: inputRequired(now, unixSeconds, seal))]
    }

    /// The child's response. `isError`: it has an `error`.
    public mutating func answered(_ line: UnsafeRawBufferPointer, isError: Bool) -> [Action] {
        guard !isOver else { return [.end] }
        open.removeAll()
        gatherAt = nil
        guard let consumer else {
            response = Array(line)
            return []
        }
        return finish(consumer, Array(line), isError)
    }

    private mutating func finish(_ consumer: UInt64, _ line: [UInt8], _ isError: Bool) -> [Action] {
        isOver = true
        self.consumer = nil
        // It failed for want of something that this client did not declare: that is what helps it.
        if isError, !denied.isEmpty { return [.fail(consumer: consumer, .missingCapability(denied)), .end] }
        return [.deliver(consumer: consumer, line: line), .end]
    }

    /// A progress notification of the child. True when the driver shall send it on now.
    public mutating func progressed(_ line: UnsafeRawBufferPointer) -> Bool {
        guard consumer == nil else { return true }
        newestProgress = Array(line)
        return false
    }

    // MARK: The client

    /// The client comes back. `responses` is the raw object of `inputResponses`, empty when it sent none.
    public mutating func retried(
        _ state: RequestState, digest: RequestDigest, responses: UnsafeRawBufferPointer,
        consumer next: UInt64,
        wantsProgress: Bool, now: Instant, unixSeconds: Int, _ seal: StateSeal
    ) -> [Action] {
        guard !isOver, consumer == nil, state.round == round, state.digest == self.digest,
            digest == self.digest
        else { return [.fail(consumer: next, .staleState)] }
        var actions = take(responses)
        if !open.isEmpty {
            // Something is missing or malformed: it is asked for again, under a new state.
            actions.append(.ask(consumer: next, result: inputRequired(now, unixSeconds, seal)))
            return actions
        }
        if let line = response {
            response = nil
            return actions + finish(next, line, Self.isError(line))
        }
        consumer = next
        if wantsProgress, let line = newestProgress { actions.append(.progress(consumer: next, line: line)) }
        newestProgress = nil
        return actions
    }

    /// Answers for the child, in the order in which it asked. Keys that are not open mean nothing.
    private mutating func take(_ responses: UnsafeRawBufferPointer) -> [Action] {
        var actions: [Action] = []
        var left: [Open] = []
        for ask in open {
            guard let answer = Self.member(ask.key, of: responses), ask.ask.isAnswer(answer) else {
                left.append(ask)
                continue
            }
            var line = ByteCollector()
            ask.id.withUnsafeBytes { Answers.open(id: $0, into: &line) }
            ask.ask.write(answer: answer, into: &line)
            line.append("}\n")
            actions.append(.tell(line.bytes))
        }
        open = left
        return actions
    }

    /// The exchange was closed by the client: for its revision that cancels the call.
    public mutating func disconnected(_ consumer: UInt64) -> [Action] {
        guard self.consumer == consumer else { return [] }
        return abandon()
    }

    /// `deadline` has passed without a client, or the sandbox ends.
    public mutating func expired() -> [Action] { abandon() }

    /// The child is gone: whoever waits is told by the driver, who comes later hears that the state is stale.
    public mutating func childEnded() -> [Action] {
        isOver = true
        open.removeAll()
        return [.end]
    }

    private mutating func abandon() -> [Action] {
        guard !isOver else { return [] }
        isOver = true
        consumer = nil
        var actions = open.map { ask -> Action in
            guard let result = ask.ask.unanswered else {
                return .tell(Self.line(.serverFailed("the client gave no answer"), ask.id))
            }
            return .tell(Self.line(result: result.bytes, ask.id))
        }
        open.removeAll()
        // A call that has been answered has nothing left to cancel.
        if response == nil { actions.append(.cancel) }
        actions.append(.end)
        return actions
    }

    // MARK: Bytes

    private mutating func inputRequired(_ now: Instant, _ unixSeconds: Int, _ seal: StateSeal) -> [UInt8] {
        round &+= 1
        deadline = now.advanced(milliseconds: BridgeLimits.parkSeconds * 1000)
        let state = RequestState(
            kind: .parked, call: key, round: round,
            expiresUnixSeconds: Int64(unixSeconds + BridgeLimits.parkSeconds), digest: digest)
        var out = ByteCollector()
        InputRequired.write(open.map { ($0.key, $0.ask) }, state: state.sealed(seal), into: &out)
        return out.bytes
    }

    private static func line(_ failure: RPCFailure, _ id: UnsafeRawBufferPointer) -> [UInt8] {
        var out = ByteCollector()
        failure.write(id: id, into: &out)
        out.append("\n")
        return out.bytes
    }

    private static func line(_ failure: RPCFailure, _ id: [UInt8]) -> [UInt8] {
        id.withUnsafeBytes { line(failure, $0) }
    }

    private static func line(result: UnsafeRawBufferPointer, _ id: [UInt8]) -> [UInt8] {
        var out = ByteCollector()
        id.withUnsafeBytes { Answers.open(id: $0, into: &out) }
        out.append(onOneLine: result)
        out.append("}\n")
        return out.bytes
    }

    private static func isError(_ line: [UInt8]) -> Bool {
        line.withUnsafeBytes { (try? Envelope.scan($0))?.kind == .failure }
    }

    static func member(_ name: String, of object: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        let wanted = Array(name.utf8)
        wanted.withUnsafeBytes { wanted in
            JSONMembers.forEach(of: object) { key, value in
                if key.hasEscapes ? JSONText.equals(key.raw, wanted) : key.raw.equals(wanted) {
                    found = value
                }
            }
        }
        return found
    }
}

/// The result with which 2026-07-28 asks.
enum InputRequired {
    /// `state` is a raw JSON string.
    static func write<Sink: ByteSink & ~Copyable>(
        _ asks: [(key: String, ask: Ask)], state: [UInt8], into sink: inout Sink
    ) {
        sink.append("{\"resultType\":\"input_required\",\"inputRequests\":{")
        for (i, entry) in asks.enumerated() {
            if i > 0 { sink.append(",") }
            JSONText.appendString(entry.key, into: &sink)
            sink.append(":")
            entry.ask.writeInputRequest(into: &sink)
        }
        sink.append("},\"requestState\":")
        sink.append(array: state)
        sink.append("}")
    }
}

extension RPCFailure {
    /// A `requestState` that was touched, is too old, was used before or belongs to another request. The call is
    /// never made again silently: it may have done something.
    public static let staleState = RPCFailure(
        httpStatus: 400, code: RPCCode.invalidParams,
        message: "params.requestState is no longer valid: make the call again without it")

    /// 2026-07-28: what the client would have to declare.
    public static func missingCapability(_ needed: ClientCapabilities) -> RPCFailure {
        var data = ByteCollector()
        data.append("{\"requiredCapabilities\":")
        needed.write(into: &data)
        data.append("}")
        return RPCFailure(
            httpStatus: 400, code: RPCCode.missingCapability,
            message: "the server needs a capability that the client did not declare", data: data.bytes)
    }
}
