import Wire

/// One HTTP request to a remote server, for the driver to send. What the operator has configured (credentials
/// above all) is added by the driver and never known here.
public struct RemoteRequest: Sendable, Equatable {
    public enum Method: Sendable { case get, post, delete }

    public struct Field: Sendable, Equatable {
        public var name: String
        public var value: [UInt8]
    }

    /// Names the exchange in every later event.
    public var exchange: Int
    public var method: Method
    public var url: RemoteURL
    public var fields: [Field]
    public var body: [UInt8]

    public func value(_ name: String) -> String? {
        fields.first { $0.name == name }.map { String(decoding: $0.value, as: UTF8.self) }
    }
}

/// What of a response's head decides how it goes on.
public struct RemoteHead: Sendable, Equatable {
    public enum Content: Sendable { case json, events, other, none }

    public var status: Int
    public var content: Content
    /// Visible ASCII; nil when the server gave none, or one that is no session id.
    public var sessionID: [UInt8]?
    public var location: String?
    /// `WWW-Authenticate`.
    public var challenge: String?
    /// `Retry-After` in seconds; a date is not read.
    public var retryAfterSeconds: Int?

    public init(
        status: Int, content: Content, sessionID: [UInt8]? = nil, location: String? = nil,
        challenge: String? = nil, retryAfterSeconds: Int? = nil
    ) {
        self.status = status
        self.content = content
        self.sessionID = sessionID
        self.location = location
        self.challenge = challenge
        self.retryAfterSeconds = retryAfterSeconds
    }

    public init(_ head: ResponseHead, in bytes: UnsafeRawBufferPointer) {
        func text(_ field: ResponseField) -> String? {
            head[field].map { String(decoding: $0.of(bytes), as: UTF8.self) }
        }
        status = head.status
        content = Self.content(text(.contentType))
        if head.framing == .none || head.framing == .length(0) { content = .none }
        // A coded body was not asked for and is not read.
        if let coding = text(.contentEncoding), coding.lowercased() != "identity" { content = .other }
        location = text(.location)
        challenge = text(.wwwAuthenticate)
        retryAfterSeconds = text(.retryAfter).flatMap { Int($0) }.map { max(0, min($0, 3600)) }
        sessionID = nil
        if let id = head[.mcpSessionID]?.of(bytes), !head.isDuplicated(.mcpSessionID), !id.isEmpty,
            id.count <= BridgeLimits.remoteSessionBytesMax, id.allSatisfy({ $0 >= 0x21 && $0 <= 0x7E })
        {
            sessionID = Array(id)
        }
    }

    private static func content(_ type: String?) -> Content {
        guard let type else { return .other }
        let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
        if name == "text/event-stream" { return .events }
        return name == "application/json" || name.hasSuffix("+json") ? .json : .other
    }

    var isSuccess: Bool { status >= 200 && status <= 299 }
    var wantsAuthorization: Bool { status == 401 || status == 403 }
    /// It may go better another time, whatever was asked.
    var isTransient: Bool { status >= 500 || status == 429 || status == 408 }
}
