import Wire

/// What the gateway itself refuses. The sentences are for the person behind the client, who often sees nothing
/// else: what is wrong, and what would be right.
extension RPCFailure {
    // The body

    /// A body that is no message at all; the answer has a null id.
    public init(_ error: EnvelopeError) {
        let isJSON = if case .syntax = error { false } else { true }
        self.init(
            httpStatus: 400, code: isJSON ? RPCCode.invalidRequest : RPCCode.parseError,
            message: isJSON ? error.description : "the body is not valid JSON: \(error)")
    }

    public static func invalidRequest(_ reason: String) -> RPCFailure {
        RPCFailure(httpStatus: 400, code: RPCCode.invalidRequest, message: reason)
    }

    /// `isModern` decides the status: 2026-07-28 answers 400, sessions answer 200 as for any error of a method.
    public static func invalidParams(_ reason: String, isModern: Bool) -> RPCFailure {
        RPCFailure(httpStatus: isModern ? 400 : 200, code: RPCCode.invalidParams, message: reason)
    }

    public static func methodNotFound(_ method: UnsafeRawBufferPointer, isModern: Bool) -> RPCFailure {
        RPCFailure(
            httpStatus: isModern ? 404 : 200, code: RPCCode.methodNotFound,
            message: "method not found: \(quoted(method))")
    }

    // The envelope and headers of 2026-07-28

    public static func headerMismatch(_ reason: String) -> RPCFailure {
        RPCFailure(httpStatus: 400, code: RPCCode.headerMismatch, message: reason)
    }

    /// `requested` is the raw JSON string the client sent.
    public static func unsupportedVersion(requested: UnsafeRawBufferPointer) -> RPCFailure {
        var data = ByteCollector()
        data.append("{\"supported\":[\"")
        data.append(Revision.newest.text)
        data.append("\"],\"requested\":")
        data.append(requested)
        data.append("}")
        return RPCFailure(
            httpStatus: 400, code: RPCCode.unsupportedVersion, message: "Unsupported protocol version",
            data: data.bytes)
    }

    // Names

    /// A tool or prompt that is not there. Both eras say -32602, with status 200.
    public static func unknown(_ what: StaticString, _ name: UnsafeRawBufferPointer) -> RPCFailure {
        RPCFailure(
            httpStatus: 200, code: RPCCode.invalidParams, message: "unknown \(what): \(quoted(name))")
    }

    /// A resource that nobody has. `uri` is the raw JSON string the client sent.
    public static func resourceNotFound(uri: UnsafeRawBufferPointer, isModern: Bool) -> RPCFailure {
        var data = ByteCollector()
        data.append("{\"uri\":")
        data.append(uri)
        data.append("}")
        return RPCFailure(
            httpStatus: 200, code: isModern ? RPCCode.invalidParams : RPCCode.legacyResourceNotFound,
            message: "resource not found", data: data.bytes)
    }

    public static func unknownCursor(isModern: Bool) -> RPCFailure {
        invalidParams("params.cursor: not a cursor of this list; every list is one page", isModern: isModern)
    }

    // Sessions

    public static let sessionRequired = RPCFailure(
        httpStatus: 400, code: RPCCode.invalidRequest,
        message: "the header Mcp-Session-Id is missing: send initialize first")

    /// Ended, expired, of another sandbox, or never issued: the answer is the same.
    public static let sessionNotFound = RPCFailure(
        httpStatus: 404, code: RPCCode.invalidRequest, message: "session not found: send initialize again")

    public static let batchRefused = invalidRequest(
        "an array of messages is accepted only in a session of revision 2025-03-26")

    // The servers behind

    /// The server ended, was never ready, or answered what is no answer.
    public static func serverFailed(_ reason: String) -> RPCFailure {
        RPCFailure(httpStatus: 200, code: RPCCode.internalError, message: reason)
    }

    // HTTP

    /// An answer of the HTTP layer (401, 403, 404, 405, 413, 429, 503 …) in the form MCP clients show.
    public static func http(_ status: Int, _ message: String) -> RPCFailure {
        RPCFailure(
            httpStatus: status, code: status >= 500 ? RPCCode.internalError : RPCCode.invalidRequest,
            message: message)
    }

    /// Hostile text cut to a length that is fit to show.
    static func quoted(_ bytes: UnsafeRawBufferPointer) -> String {
        if bytes.count <= MCPLimits.quotedBytesMax { return String(decoding: bytes, as: UTF8.self) }
        return String(decoding: bytes.piece(0, MCPLimits.quotedBytesMax), as: UTF8.self) + "…"
    }
}
