import Wire

/// The HTTP+SSE transport of 2024-11-05 towards clients: a GET opens the stream that is the session, its first
/// event says where messages are posted, every answer is an event of the stream.
public struct OldTransport: Sendable {
    /// What a posted message is for its session.
    public enum Verdict: Sendable, Equatable {
        case initialize
        case request(MethodName)
        case notification(MethodName)
        /// The answer to a request of the gateway's.
        case response
        case batch
        /// To be told in the answer to the POST itself.
        case refuse(RPCFailure)
    }

    /// What `initialize` negotiated; nil until then.
    public private(set) var revision: Revision?
    public private(set) var capabilities: ClientCapabilities = []

    public init() {}

    /// The name of the query's parameter that holds the session.
    private static let parameter: StaticString = "session_id"

    /// The path of the messages' endpoint that belongs to the stream's: a `…/sse` as its client wrote it.
    public static func messages(beside stream: String) -> String {
        var path = Substring(stream)
        if path.hasSuffix("/") { path.removeLast() }
        if path.hasSuffix("/sse") { path.removeLast(4) }
        return path + "/messages"
    }

    /// The data of the `endpoint` event: a path at this origin. `path` is of the messages' endpoint, `session` an
    /// id of characters that need no encoding.
    public static func endpoint(path: String, session: [UInt8]) -> [UInt8] {
        Array(path.utf8) + Array("?\(parameter)=".utf8) + session
    }

    /// The session that a POST names in its raw query; nil when it names none or more than one.
    public static func session(inQuery query: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var found: UnsafeRawBufferPointer?
        var at = 0
        while at <= query.count {
            var end = at
            while end < query.count, query[end] != UInt8(ascii: "&") { end += 1 }
            let pair = query.piece(at, end)
            if pair.hasPrefix("session_id=") {
                guard found == nil else { return nil }
                found = pair.piece(parameter.utf8CodeUnitCount + 1, pair.count)
            }
            at = end + 1
        }
        return found
    }

    private static let tooNew = RPCFailure.invalidRequest(
        "this endpoint speaks 2024-11-05 to 2025-11-25; later revisions use the other URL")

    /// A message that was posted. `headers` count only where they claim another era.
    public mutating func posted(
        _ envelope: Envelope, _ body: UnsafeRawBufferPointer, headers: RoutingHeaders
    ) -> Verdict {
        // Whether its headers are right as well does not matter.
        if envelope.metaProtocolVersion.isPresent { return .refuse(Self.tooNew) }
        switch Classifier.classify(envelope, body, headers: headers, session: revision) {
        case .refuse(let failure): return .refuse(failure)
        case .modernRequest, .modernNotification: return .refuse(Self.tooNew)
        case .legacyInitialize:
            guard revision == nil else {
                return .refuse(.invalidRequest("the session is initialized already"))
            }
            let asked = envelope.protocolVersion.of(body).insideQuotes
            let negotiated = asked.map { Revision.negotiated(asked: $0) } ?? .newestHandshake
            revision = negotiated
            capabilities = ClientCapabilities(object: envelope.capabilities.of(body)).known(in: negotiated)
            return .initialize
        case .legacyRequest(let method):
            guard revision != nil || method == .ping else {
                return .refuse(.invalidRequest("send initialize first"))
            }
            return .request(method)
        case .legacyNotification(let method): return .notification(method)
        case .legacyResponse: return .response
        case .legacyBatch: return .batch
        }
    }
}

/// The answers to the messages of one array (2025-03-26), which go back together.
public struct BatchAnswers: Sendable {
    private var missing: Int
    private var bytes: [UInt8] = [UInt8(ascii: "[")]

    /// `requests` is how many of the messages are to be answered. Of none there is nothing to send: 202.
    public init(requests: Int) { missing = max(requests, 0) }

    public var isComplete: Bool { missing == 0 }

    /// Takes an answer; the whole array when it was the last one.
    public mutating func add(_ answer: UnsafeRawBufferPointer) -> [UInt8]? {
        guard missing > 0 else { return nil }
        bytes.append(contentsOf: answer)
        missing -= 1
        bytes.append(missing == 0 ? UInt8(ascii: "]") : UInt8(ascii: ","))
        guard missing == 0 else { return nil }
        defer { bytes = [] }
        return bytes
    }
}
