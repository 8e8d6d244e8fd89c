import Wire

/// A request that ends in a JSON-RPC error, and the HTTP status that goes with it.
public struct RPCFailure: Error, Sendable, Equatable {
    public var httpStatus: Int
    public var code: Int
    public var message: String
    /// Raw JSON of `error.data`; empty when there is none.
    public var data: [UInt8]

    public init(httpStatus: Int, code: Int, message: String, data: [UInt8] = []) {
        self.httpStatus = httpStatus
        self.code = code
        self.message = message
        self.data = data
    }

    /// The whole error response. `id` is raw JSON; nil, when none could be read, is written as null: a client
    /// that finds no id member at all reports something else than what happened.
    public func write<Sink: ByteSink & ~Copyable>(id: UnsafeRawBufferPointer?, into sink: inout Sink) {
        sink.append("{\"jsonrpc\":\"2.0\",\"id\":")
        if let id, !id.isEmpty { sink.append(id) } else { sink.append("null") }
        sink.append(",\"error\":")
        writeError(into: &sink)
        sink.append("}")
    }

    /// Bytes that `write` produces.
    public func byteCount(id: UnsafeRawBufferPointer?) -> Int {
        var counter = ByteCounter()
        write(id: id, into: &counter)
        return counter.count
    }

    /// The error object alone.
    public func writeError<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        sink.append("{\"code\":")
        sink.append(decimal: code)
        sink.append(",\"message\":")
        JSONText.appendString(message, into: &sink)
        if !data.isEmpty {
            sink.append(",\"data\":")
            sink.append(array: data)
        }
        sink.append("}")
    }
}

/// JSON-RPC and MCP error codes.
public enum RPCCode {
    public static let parseError = -32700
    public static let invalidRequest = -32600
    public static let methodNotFound = -32601
    public static let invalidParams = -32602
    public static let internalError = -32603
    /// Legacy: a resource that does not exist. 2026-07-28 uses `invalidParams`.
    public static let legacyResourceNotFound = -32002
    /// 2025-11-25: the client has to open a URL first.
    public static let legacyURLElicitationRequired = -32042
    /// 2026-07-28: a routing header says something else than the body.
    public static let headerMismatch = -32020
    /// 2026-07-28: the client did not declare a capability that the request needs.
    public static let missingCapability = -32021
    /// 2026-07-28: `data` names the revisions that would do.
    public static let unsupportedVersion = -32022

    /// The HTTP status under which a modern client is told `code` when a server said it. A legacy client
    /// gets 200 for all of them.
    public static func modernStatus(relaying code: Int) -> Int {
        switch code {
        case methodNotFound: 404
        case missingCapability: 400
        default: 200
        }
    }
}
