/// The response fields that something in the gateway reads.
public enum ResponseField: UInt8, Sendable, CaseIterable {
    case contentLength, transferEncoding, connection, contentType, contentEncoding
    case location, wwwAuthenticate, retryAfter, mcpSessionID

    /// The name in lower case.
    var name: StaticString {
        switch self {
        case .contentLength: "content-length"
        case .transferEncoding: "transfer-encoding"
        case .connection: "connection"
        case .contentType: "content-type"
        case .contentEncoding: "content-encoding"
        case .location: "location"
        case .wwwAuthenticate: "www-authenticate"
        case .retryAfter: "retry-after"
        case .mcpSessionID: "mcp-session-id"
        }
    }

    static func named(_ name: UnsafeRawBufferPointer) -> ResponseField? {
        allCases.first { ASCII.matches(name, $0.name) }
    }
}

/// How the end of a response's body is found (RFC 9112 §6.3).
public enum ResponseFraming: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
    /// The connection closes.
    case untilClose
}

/// One parsed response head: offsets into the bytes that were parsed.
public struct ResponseHead: Sendable {
    /// 200 to 599; informational responses are passed over.
    public internal(set) var status = 0
    public internal(set) var isHTTP10 = false
    /// Bytes up to and with the empty line.
    public internal(set) var length = 0
    public internal(set) var framing = ResponseFraming.none
    /// Whether the connection may carry another request after this response.
    public internal(set) var keepAlive = true

    private var values = InlineArray<9, ByteRange>(repeating: .absent)
    private var present: UInt16 = 0
    private var duplicated: UInt16 = 0

    init() {}

    /// The value with surrounding blanks removed, the first one of several.
    public subscript(_ field: ResponseField) -> ByteRange? {
        present & bit(field) != 0 ? values[Int(field.rawValue)] : nil
    }

    public func isDuplicated(_ field: ResponseField) -> Bool { duplicated & bit(field) != 0 }

    mutating func record(_ field: ResponseField, _ value: ByteRange) {
        guard present & bit(field) == 0 else {
            duplicated |= bit(field)
            return
        }
        present |= bit(field)
        values[Int(field.rawValue)] = value
    }

    private func bit(_ field: ResponseField) -> UInt16 { 1 << UInt16(field.rawValue) }
}

/// Why a response cannot be read. Nothing that follows on its connection has a known beginning.
public struct ResponseFault: Error, Equatable, Sendable, CustomStringConvertible {
    public var reason: String

    public init(_ reason: String) { self.reason = reason }

    public var description: String { reason }
}
