/// One JSON-RPC message as byte ranges into its text. Found in the same pass that validates the JSON; nothing is
/// decoded, nothing allocated. Ranges of values are raw: strings with their quotes. `.absent` means not there.
public struct Envelope: Sendable {
    public enum Kind: Sendable, Equatable {
        case request, notification
        /// An answer with `result`.
        case response
        /// An answer with `error`; its id may be null or missing.
        case failure
        /// A non-empty array whose elements `BatchWalker` yields. Only its JSON has been checked.
        case batch
        /// JSON, but no JSON-RPC message.
        case invalid(Fault)
    }

    /// What keeps a JSON text from being a message; the answer is -32600.
    public enum Fault: Sendable, Equatable {
        case notAnObject, emptyBatch
        /// Neither `method` nor `result` nor `error`.
        case noMethod
        case methodNotString
        /// An id that is not a string or an integer, or longer than `WireLimits.idBytesMax`.
        case badID
        /// An answer without an id.
        case noID
        /// `method`, `result` and `error` exclude one another.
        case ambiguous
        case errorNotObject

        public var reason: StaticString {
            switch self {
            case .notAnObject: "a message is a JSON object"
            case .emptyBatch: "a batch has at least one message"
            case .noMethod: "no method, result or error"
            case .methodNotString: "method must be a string"
            case .badID: "id must be a string or an integer of at most 1024 bytes"
            case .noID: "an answer needs an id"
            case .ambiguous: "only one of method, result and error is allowed"
            case .errorNotObject: "error must be an object"
            }
        }
    }

    public enum IDKind: UInt8, Sendable { case none, string, integer, fraction, null, other }
    public enum ParamsKind: UInt8, Sendable { case none, object, array, other }

    public internal(set) var kind = Kind.invalid(.notAnObject)
    /// `"jsonrpc":"2.0"` is there.
    public internal(set) var jsonrpcIsTwo = false
    /// A raw CR or LF stands between tokens: overwrite both with blanks to make the text one line.
    public internal(set) var hasLineBreaks = false

    public internal(set) var idKind = IDKind.none
    public internal(set) var id = ByteRange.absent
    /// Inside the quotes.
    public internal(set) var method = ByteRange.absent
    public internal(set) var methodHasEscapes = false
    public internal(set) var paramsKind = ParamsKind.none
    public internal(set) var params = ByteRange.absent
    public internal(set) var result = ByteRange.absent
    public internal(set) var error = ByteRange.absent

    // Members of `params`.
    public internal(set) var name = ByteRange.absent
    public internal(set) var uri = ByteRange.absent
    public internal(set) var arguments = ByteRange.absent
    public internal(set) var meta = ByteRange.absent
    public internal(set) var cursor = ByteRange.absent
    /// `requestId` of `notifications/cancelled`.
    public internal(set) var requestID = ByteRange.absent
    /// `progressToken` of `notifications/progress`.
    public internal(set) var paramsProgressToken = ByteRange.absent
    public internal(set) var ref = ByteRange.absent
    public internal(set) var level = ByteRange.absent
    public internal(set) var protocolVersion = ByteRange.absent
    public internal(set) var capabilities = ByteRange.absent
    public internal(set) var clientInfo = ByteRange.absent
    public internal(set) var inputResponses = ByteRange.absent
    public internal(set) var requestState = ByteRange.absent
    public internal(set) var argument = ByteRange.absent
    public internal(set) var notifications = ByteRange.absent
    public internal(set) var taskID = ByteRange.absent

    // Members of `params._meta`; all but the first are named `io.modelcontextprotocol/…`.
    public internal(set) var metaProgressToken = ByteRange.absent
    public internal(set) var metaProtocolVersion = ByteRange.absent
    public internal(set) var metaClientCapabilities = ByteRange.absent
    public internal(set) var metaClientInfo = ByteRange.absent
    public internal(set) var metaLogLevel = ByteRange.absent
    public internal(set) var metaSubscriptionID = ByteRange.absent

    // First level of `result`.
    public internal(set) var resultIsObject = false
    public internal(set) var resultIsEmptyObject = false
    /// Offset just after the `{` of the result, where members can be spliced in.
    public internal(set) var resultObjectStart = 0
    public internal(set) var resultType = ByteRange.absent
    public internal(set) var resultMeta = ByteRange.absent
    public internal(set) var resultTTL = ByteRange.absent
    public internal(set) var resultCacheScope = ByteRange.absent
    public internal(set) var resultInputRequests = ByteRange.absent
    public internal(set) var resultRequestState = ByteRange.absent
    public internal(set) var resultNextCursor = ByteRange.absent

    // First level of `error`.
    /// Nil when there is none or it is no integer of 64 bits.
    public internal(set) var errorCode: Int?
    public internal(set) var errorMessage = ByteRange.absent
    public internal(set) var errorData = ByteRange.absent

    /// An empty message, to be filled.
    public init() {}

    /// Validates `bytes` as one JSON text and finds the parts of the message in it.
    public static func scan(_ bytes: UnsafeRawBufferPointer) throws(EnvelopeError) -> Envelope {
        var envelope = Envelope()
        try scan(bytes, into: &envelope)
        return envelope
    }

    /// The same into memory of the caller's; after an error what it holds means nothing.
    public static func scan(
        _ bytes: UnsafeRawBufferPointer, into envelope: inout Envelope
    ) throws(EnvelopeError) {
        guard let json = JSONScanner(bytes) else { throw .syntax(JSONScanner.unscannable(bytes)) }
        envelope = Envelope()
        let failure = withUnsafeTemporaryAllocation(of: UInt64.self, capacity: WireLimits.unknownMembersMax) {
            room in
            withUnsafeMutablePointer(to: &envelope) { target -> JSONError? in
                var scanner = EnvelopeScanner(json, into: target, room: UnknownKeys(entries: room))
                do throws(JSONError) {
                    try scanner.document()
                    return nil
                } catch {
                    return error
                }
            }
        }
        if let failure { throw EnvelopeError(failure) }
    }
}

/// Why a text is refused before it can be called a message.
public enum EnvelopeError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Not JSON: -32700.
    case syntax(JSONError)
    /// A name twice in the message, its `params` or `_meta` (any name), or in `result` or `error` (a name the
    /// gateway reads): two readers could differ. `key` is inside the quotes. -32600.
    case duplicateKey(key: ByteRange)
    /// More than `WireLimits.unknownMembersMax` unknown names; -32600.
    case tooManyMembers(offset: Int)

    init(_ error: JSONError) {
        switch error.kind {
        case .syntax: self = .syntax(error)
        case .duplicateKey: self = .duplicateKey(key: error.key)
        case .tooManyMembers: self = .tooManyMembers(offset: error.offset)
        }
    }

    /// Bytes from the start of the text.
    public var offset: Int {
        switch self {
        case .syntax(let error): error.offset
        case .duplicateKey(let key): Int(key.start)
        case .tooManyMembers(let offset): offset
        }
    }

    public var reason: StaticString {
        switch self {
        case .syntax(let error): error.reason
        case .duplicateKey: "duplicate member name"
        case .tooManyMembers: "too many unknown members"
        }
    }

    public var description: String { "\(reason) at byte \(offset)" }
}
