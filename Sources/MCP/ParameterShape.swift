import Wire

/// The parameters that the gateway itself reads, checked before anything acts on them. What only a server
/// understands is left to it.
public enum ParameterShape {
    /// Throws -32602 that names the member and what it must be.
    public static func check(
        _ envelope: Envelope, _ body: UnsafeRawBufferPointer, _ method: MethodName, isModern: Bool
    ) throws(RPCFailure) {
        var envelope = envelope
        try check(&envelope, body, method, isModern: isModern)
    }

    /// The same for an envelope that is borrowed: it is large.
    public static func check(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, _ method: MethodName,
        isModern: Bool
    ) throws(RPCFailure) {
        guard envelope.pointee.paramsKind == .none || envelope.pointee.paramsKind == .object else {
            throw .invalidParams("params must be an object", isModern: isModern)
        }
        try checkMeta(envelope, body, isModern)
        switch method {
        case .toolsList, .promptsList, .resourcesList, .templatesList, .tasksList:
            // Lists are one page, so no cursor is ours, not even "".
            let cursor = JSONKind(envelope.pointee.cursor.of(body))
            if cursor != .none, cursor != .null { throw .unknownCursor(isModern: isModern) }
        case .toolsCall, .promptsGet:
            try require(envelope.pointee.name, .string, "name must be a string", body, isModern)
            switch JSONKind(envelope.pointee.arguments.of(body)) {
            // Some clients write null for "none".
            case .none, .null, .object: break
            default: throw .invalidParams("params.arguments must be an object", isModern: isModern)
            }
        case .resourcesRead, .subscribe, .unsubscribe:
            try require(envelope.pointee.uri, .string, "uri must be a string", body, isModern)
        case .complete:
            guard CompletionReference(envelope.pointee, body) != nil else {
                throw .invalidParams(
                    "params.ref must be {\"type\":\"ref/prompt\",\"name\":…} or "
                        + "{\"type\":\"ref/resource\",\"uri\":…}", isModern: isModern)
            }
            try require(envelope.pointee.argument, .object, "argument must be an object", body, isModern)
        case .tasksGet, .tasksResult, .tasksCancel, .tasksUpdate:
            try require(envelope.pointee.taskID, .string, "taskId must be a string", body, isModern)
            guard method == .tasksUpdate else { return }
            try require(
                envelope.pointee.inputResponses, .object, "inputResponses must be an object", body, isModern)
        case .setLevel:
            guard LogLevel(json: envelope.pointee.level.of(body)) != nil else {
                throw .invalidParams("params.level must be one of \(LogLevel.list)", isModern: isModern)
            }
        case .initialize:
            try require(
                envelope.pointee.protocolVersion, .string, "protocolVersion must be a string", body, isModern)
        case .listen:
            try require(
                envelope.pointee.notifications, .object, "notifications must be an object", body, isModern)
        default: break
        }
    }

    private static func checkMeta(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, _ isModern: Bool
    ) throws(RPCFailure) {
        guard envelope.pointee.meta.isPresent else { return }
        guard JSONKind(envelope.pointee.meta.of(body)) == .object else {
            throw .invalidParams("params._meta must be an object", isModern: isModern)
        }
        if envelope.pointee.metaProgressToken.isPresent {
            let token = envelope.pointee.metaProgressToken.of(body)
            guard isToken(token) else {
                throw .invalidParams(
                    "params._meta.progressToken must be a string or an integer of at most "
                        + "\(MCPLimits.progressTokenBytesMax) bytes", isModern: isModern)
            }
        }
        if isModern, envelope.pointee.metaLogLevel.isPresent,
            LogLevel(json: envelope.pointee.metaLogLevel.of(body)) == nil
        {
            throw .invalidParams(
                "params._meta.io.modelcontextprotocol/logLevel must be one of \(LogLevel.list)",
                isModern: true)
        }
    }

    private static func isToken(_ raw: UnsafeRawBufferPointer) -> Bool {
        guard raw.count <= MCPLimits.progressTokenBytesMax else { return false }
        switch JSONKind(raw) {
        case .string: return true
        case .number:
            return !raw.has(UInt8(ascii: ".")) && !raw.has(UInt8(ascii: "e")) && !raw.has(UInt8(ascii: "E"))
        default: return false
        }
    }

    private static func require(
        _ range: ByteRange, _ kind: JSONKind, _ rule: StaticString, _ body: UnsafeRawBufferPointer,
        _ isModern: Bool
    ) throws(RPCFailure) {
        guard JSONKind(range.of(body)) == kind else {
            throw .invalidParams("params.\(rule)", isModern: isModern)
        }
    }
}

/// RFC 5424 severities as MCP spells them, the least severe first.
public enum LogLevel: UInt8, Comparable, Sendable, CaseIterable {
    case debug, info, notice, warning, error, critical, alert, emergency

    /// A raw JSON string.
    public init?(json: UnsafeRawBufferPointer) {
        guard let inside = json.insideQuotes else { return nil }
        for level in LogLevel.allCases where inside.equals(level.text) {
            self = level
            return
        }
        return nil
    }

    public var text: StaticString {
        switch self {
        case .debug: "debug"
        case .info: "info"
        case .notice: "notice"
        case .warning: "warning"
        case .error: "error"
        case .critical: "critical"
        case .alert: "alert"
        case .emergency: "emergency"
        }
    }

    static let list = "debug, info, notice, warning, error, critical, alert, emergency"

    public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}
