import Wire

/// A legacy client's call at a modern server, which asks by ending it with `input_required`: the client is asked
/// with requests on its stream, and when all answers are there the call is made again with them.
public struct Rounds: Sendable {
    public enum Step: Sendable, Equatable {
        case wait
        /// Send these messages to the client, in order.
        case push([[UInt8]])
        /// Make the call again, under a new id.
        case again(ModernRewriter.Round)
        /// The same after a pause: the server named nothing to ask.
        case againLater(milliseconds: Int, ModernRewriter.Round)
        /// The call ends with this error.
        case fail(RPCFailure)
        /// The call ends with a tool's error, which the model gets to read.
        case toolError(String)
    }

    private let call: UInt64
    private let method: MethodName
    private let capabilities: ClientCapabilities
    private let revision: Revision
    private var rounds = 0
    private var stateOnly = 0
    private var state: [UInt8] = []
    /// In the order of the server; nil until answered.
    private var entries: [(key: String, answer: [UInt8]?)] = []
    public private(set) var isWaitingForClient = false

    /// `call` is the driver's name of it, which answers find in `Pushes`.
    public init(call: UInt64, method: MethodName, capabilities: ClientCapabilities, revision: Revision) {
        self.call = call
        self.method = method
        self.capabilities = capabilities
        self.revision = revision
    }

    /// Whether a response is one that asks.
    public static func asks(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) -> Bool {
        envelope.kind == .response && envelope.resultType.of(line).equals("\"input_required\"")
    }

    /// The server has ended the call with `input_required`.
    ///
    /// - Parameters:
    ///   - canReach: the client has a stream on which it can be asked.
    ///   - elicitationID: a fresh id for each URL.
    public mutating func asked(
        _ envelope: Envelope, _ line: UnsafeRawBufferPointer, _ pushes: inout Pushes, canReach: Bool,
        elicitationID: () -> String
    ) -> Step {
        rounds += 1
        guard rounds <= BridgeLimits.roundsMax else {
            return .fail(.serverFailed("the server asked more than \(BridgeLimits.roundsMax) times"))
        }
        guard method == .toolsCall || method == .promptsGet || method == .resourcesRead else {
            return .fail(.serverFailed("the server asked for input where its protocol forbids it"))
        }
        let given = envelope.resultRequestState.of(line)
        guard given.isEmpty || JSONKind(given) == .string, given.count <= BridgeLimits.requestStateBytesMax
        else { return .fail(.serverFailed("the server's requestState is no string or too long")) }
        state = Array(given)
        let requests = envelope.resultInputRequests.of(line)
        guard let asks = requests.isEmpty ? [] : Self.asks(in: requests) else {
            return .fail(.serverFailed("the server's inputRequests are malformed"))
        }
        guard !asks.isEmpty else { return given.isEmpty ? .fail(Self.nothingAsked) : later() }
        stateOnly = 0
        for (_, ask) in asks where !capabilities.isSuperset(of: ask.needs) {
            return .fail(
                .serverFailed("the server asked for what the client does not offer: \(ask.method.text)"))
        }
        guard canReach else {
            return .fail(.serverFailed("the server asks the client, which has no open stream to be asked on"))
        }
        var worded: [(String, Ask)] = []
        for (key, ask) in asks {
            do throws(RPCFailure) {
                worded.append((key, try ask.worded(for: revision)))
            } catch {
                return end(error.message)
            }
        }
        return push(worded, &pushes, elicitationID)
    }

    private static let nothingAsked = RPCFailure.serverFailed("the server asked for input but named none")

    private mutating func push(
        _ asks: [(String, Ask)], _ pushes: inout Pushes, _ elicitationID: () -> String
    ) -> Step {
        entries = asks.map { ($0.0, nil) }
        var messages: [[UInt8]] = []
        for (key, ask) in asks {
            guard let id = pushes.add(ask, for: .round(call: call, key: key)) else {
                _ = pushes.withdraw(call: call)
                return .fail(.serverFailed("too many requests to the client are open"))
            }
            var out = ByteCollector()
            ask.writeRequest(id: id, revision: revision, elicitationID: elicitationID(), into: &out)
            messages.append(out.bytes)
        }
        isWaitingForClient = true
        return .push(messages)
    }

    /// The server gave a state only: it wants to be asked again.
    private mutating func later() -> Step {
        let shift = min(stateOnly, 8)
        stateOnly += 1
        let pause = min(
            BridgeLimits.stateOnlyMilliseconds << shift, BridgeLimits.stateOnlyMillisecondsMax)
        return .againLater(milliseconds: pause, ModernRewriter.Round(state: state))
    }

    /// The client has answered the request that belongs to `key`.
    public mutating func answered(
        _ open: Pushes.Open, key: String, _ envelope: Envelope, _ body: UnsafeRawBufferPointer
    ) -> Step {
        guard let at = entries.firstIndex(where: { $0.key == key && $0.answer == nil }) else { return .wait }
        let result = envelope.result.of(body)
        if envelope.kind == .response, open.ask.isAnswer(result) {
            var out = ByteCollector()
            open.ask.write(answer: result, into: &out)
            entries[at].answer = out.bytes
        } else if let unanswered = open.ask.unanswered {
            entries[at].answer = Array(unanswered.bytes)
        } else {
            // 2026-07-28 has no word for a model or roots that failed: the call cannot go on.
            return refused(open.ask, envelope, body)
        }
        guard entries.allSatisfy({ $0.answer != nil }) else { return .wait }
        isWaitingForClient = false
        return .again(ModernRewriter.Round(responses: responses(), state: state))
    }

    private func refused(_ ask: Ask, _ envelope: Envelope, _ body: UnsafeRawBufferPointer) -> Step {
        let said = envelope.errorMessage.of(body).insideQuotes.map { ": \(RPCFailure.quoted($0))" } ?? ""
        return end("The client did not answer \(ask.method.text)\(said)")
    }

    /// What is asked cannot be had, and there is no form in which the server could be told so.
    private func end(_ text: String) -> Step {
        method == .toolsCall ? .toolError(text) : .fail(.serverFailed(text))
    }

    private func responses() -> [UInt8] {
        var out = ByteCollector()
        for (i, entry) in entries.enumerated() {
            out.append(i == 0 ? "{" : ",")
            JSONText.appendString(entry.key, into: &out)
            out.append(":")
            out.append(array: entry.answer ?? [])
        }
        out.append("}")
        return out.bytes
    }

    /// Nil when an entry is no request that there is, or there are too many.
    private static func asks(in requests: UnsafeRawBufferPointer) -> [(String, Ask)]? {
        guard JSONKind(requests) == .object else { return nil }
        var asks: [(String, Ask)] = []
        var bytes = 0
        var walker = ObjectWalker(requests)
        while let member = walker.next() {
            guard let ask = Ask(inputRequest: member.value.of(requests)) else { return nil }
            bytes += ask.params.count
            guard asks.count < BridgeLimits.asksMax, bytes <= BridgeLimits.askBytesMax else { return nil }
            asks.append((JSONText.string(member.key.of(requests)), ask))
        }
        return asks
    }

    /// A tool's error as a whole response for a legacy client. `id` is raw JSON.
    public static func writeToolError<Sink: ByteSink & ~Copyable>(
        _ text: String, id: UnsafeRawBufferPointer, isModern: Bool = false, into sink: inout Sink
    ) {
        Answers.open(id: id, into: &sink)
        sink.append(isModern ? "{\"resultType\":\"complete\",\"content\"" : "{\"content\"")
        sink.append(":[{\"type\":\"text\",\"text\":")
        JSONText.appendString(text, into: &sink)
        sink.append("}],\"isError\":true}}")
    }
}
