import Wire

/// The requests that are open towards the client of one legacy session. Their ids are the session's own: two
/// servers that both ask with id 0 never meet.
public struct Pushes: Sendable {
    /// Whom an answer is for.
    public enum Owner: Sendable, Equatable {
        /// A round of a call at a modern server, by the driver's name of the call and the server's key.
        case round(call: UInt64, key: String)
        /// A legacy child's own request: its raw id, at the process the driver calls `child`.
        case child(UInt64, id: [UInt8], call: UInt64)
    }

    public struct Open: Sendable, Equatable {
        public var owner: Owner
        public var ask: Ask
    }

    private var open: [UInt64: Open] = [:]
    private var last: UInt64 = 0

    public init() {}

    public var count: Int { open.count }

    /// A new id as a raw JSON string; nil when too many are open.
    public mutating func add(_ ask: Ask, for owner: Owner) -> [UInt8]? {
        guard open.count < BridgeLimits.pushesMax else { return nil }
        last += 1
        open[last] = Open(owner: owner, ask: ask)
        return Self.id(last)
    }

    /// The request that `id`, raw JSON of a client's answer, answers; it is open no more.
    public mutating func take(_ id: UnsafeRawBufferPointer) -> Open? {
        guard let number = Self.number(id) else { return nil }
        return open.removeValue(forKey: number)
    }

    /// Gives up every request of `call`; the ids to name in `notifications/cancelled`.
    public mutating func withdraw(call: UInt64) -> [[UInt8]] {
        withdraw { $0.call == call }
    }

    /// The same, for a call that its client has called off: what its child must be told in place of answers.
    public mutating func abandon(call: UInt64) -> [Open] {
        let found = open.filter { $0.value.owner.call == call }.sorted { $0.key < $1.key }
        for (number, _) in found { open[number] = nil }
        return found.map(\.value)
    }

    /// Gives up a request that its child has withdrawn.
    public mutating func withdraw(child: UInt64, id: UnsafeRawBufferPointer) -> [[UInt8]] {
        withdraw { owner in
            guard case .child(child, let raw, _) = owner else { return false }
            return raw.withUnsafeBytes { $0.equals(id) }
        }
    }

    private mutating func withdraw(where condition: (Owner) -> Bool) -> [[UInt8]] {
        let numbers = open.filter { condition($0.value.owner) }.keys.sorted()
        for number in numbers { open[number] = nil }
        return numbers.map(Self.id)
    }

    /// `notifications/cancelled` for one of the ids.
    public static func writeCancelled<Sink: ByteSink & ~Copyable>(_ id: [UInt8], into sink: inout Sink) {
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":")
        sink.append(array: id)
        sink.append("}}")
    }

    /// The client's answer as the child that asked is to get it: a line with its own id.
    public static func writeAnswer<Sink: ByteSink & ~Copyable>(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, to ask: Ask, _ id: [UInt8],
        into sink: inout Sink
    ) {
        id.withUnsafeBytes { id in
            if envelope.kind == .response {
                Answers.open(id: id, into: &sink)
                ask.write(answer: envelope.result.of(body), into: &sink)
                return sink.append("}")
            }
            var splice = Splice(body, hasLineBreaks: envelope.hasLineBreaks)
            splice.replace(envelope.id, with: id)
            splice.write(into: &sink)
        }
        sink.append("\n")
    }

    /// What the child gets that asked, when nobody will answer: a line.
    public static func writeUnanswered<Sink: ByteSink & ~Copyable>(
        _ ask: Ask, to id: [UInt8], into sink: inout Sink
    ) {
        id.withUnsafeBytes { id in
            if let result = ask.unanswered {
                Answers.open(id: id, into: &sink)
                sink.append(result)
                sink.append("}")
            } else {
                RPCFailure.serverFailed("the client gave no answer").write(id: id, into: &sink)
            }
        }
        sink.append("\n")
    }

    private static func id(_ number: UInt64) -> [UInt8] { Array("\"gw-\(number)\"".utf8) }

    private static func number(_ id: UnsafeRawBufferPointer) -> UInt64? {
        guard let text = id.insideQuotes, text.hasPrefix("gw-"), text.count <= 3 + 18 else { return nil }
        var number: UInt64 = 0
        let digits = text.piece(3, text.count)
        guard let first = digits.first, first != UInt8(ascii: "0") else { return nil }
        for byte in digits {
            guard byte >= 48, byte <= 57 else { return nil }
            number = number &* 10 &+ UInt64(byte &- 48)
        }
        return number
    }
}

extension Pushes.Owner {
    var call: UInt64 {
        switch self {
        case .round(let call, _): call
        case .child(_, _, let call): call
        }
    }
}
