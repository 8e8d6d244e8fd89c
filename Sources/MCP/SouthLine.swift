import Wire

/// Messages that the gateway itself sends to a child, each one line with its LF.
public enum SouthLine {
    /// The revision asked of every child; an older one is accepted.
    public static let askedRevision = Revision.newestHandshake

    /// `initialize`, by default without any client capability: a child that is told nothing can be asked of the
    /// client has no reason to push requests, which on stdio cannot be tied to a call.
    public static func initialize<Sink: ByteSink & ~Copyable>(
        id: Int, client: Implementation, capabilities: ClientCapabilities = [], into sink: inout Sink
    ) {
        open(id, "initialize", into: &sink)
        sink.append(",\"params\":{\"protocolVersion\":\"")
        sink.append(askedRevision.text)
        sink.append("\",\"capabilities\":")
        capabilities.write(into: &sink)
        sink.append(",\"clientInfo\":")
        client.write(into: &sink)
        sink.append("}}\n")
    }

    public static func initialized<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
    }

    /// One page of a list; `cursor` is the raw JSON string of the page before's `nextCursor`.
    public static func list<Sink: ByteSink & ~Copyable>(
        _ kind: ListKind, id: Int, cursor: UnsafeRawBufferPointer? = nil, into sink: inout Sink
    ) {
        open(id, kind.method.text, into: &sink)
        if let cursor {
            sink.append(",\"params\":{\"cursor\":")
            sink.append(cursor)
            sink.append("}")
        }
        sink.append("}\n")
    }

    /// `resources/subscribe` or `resources/unsubscribe`.
    public static func watch<Sink: ByteSink & ~Copyable>(
        _ method: MethodName, _ uri: String, id: Int, into sink: inout Sink
    ) {
        open(id, method.text, into: &sink)
        sink.append(",\"params\":{\"uri\":")
        JSONText.appendString(uri, into: &sink)
        sink.append("}}\n")
    }

    /// Asks whether the child is alive.
    public static func ping<Sink: ByteSink & ~Copyable>(id: Int, into sink: inout Sink) {
        open(id, "ping", into: &sink)
        sink.append("}\n")
    }

    public static func setLevel<Sink: ByteSink & ~Copyable>(_ level: LogLevel, id: Int, into sink: inout Sink)
    {
        open(id, "logging/setLevel", into: &sink)
        sink.append(",\"params\":{\"level\":\"")
        sink.append(level.text)
        sink.append("\"}}\n")
    }

    /// Ends a call early. `reason` is a raw JSON string.
    public static func cancelled<Sink: ByteSink & ~Copyable>(
        id: Int, reason: UnsafeRawBufferPointer? = nil, into sink: inout Sink
    ) {
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":")
        sink.append(decimal: id)
        if let reason, JSONKind(reason) == .string {
            sink.append(",\"reason\":")
            sink.append(reason)
        }
        sink.append("}}\n")
    }

    /// The reason that a client's `notifications/cancelled` gives, as a raw JSON string.
    public static func cancelReason(
        _ envelope: Envelope, _ body: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard let reason = JSONMembers.value("reason", in: envelope.params.of(body)) else { return nil }
        return JSONKind(reason) == .string ? reason : nil
    }

    /// The answer to a child's own request: `{}` to ping, an error to everything else, since nothing was
    /// declared that it could use. `id` is the child's, raw.
    public static func answer<Sink: ByteSink & ~Copyable>(
        _ method: MethodName, id: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        if method == .ping {
            Answers.empty(id: id, isModern: false, into: &sink)
        } else {
            refusal(of: method).write(id: id, into: &sink)
        }
        sink.append("\n")
    }

    private static func refusal(of method: MethodName) -> RPCFailure {
        let reason =
            switch method {
            case .createMessage:
                "sampling is not available: the client did not declare the capability sampling"
            case .elicit:
                "elicitation is not available: the client did not declare the capability elicitation"
            case .rootsList: "roots are not available: the client did not declare the capability roots"
            default: "method not found: this client answers ping only"
            }
        return RPCFailure(httpStatus: 200, code: RPCCode.methodNotFound, message: reason)
    }

    static func open<Sink: ByteSink & ~Copyable>(
        _ id: Int, _ method: StaticString, into sink: inout Sink
    ) {
        sink.append("{\"jsonrpc\":\"2.0\",\"id\":")
        sink.append(decimal: id)
        sink.append(",\"method\":\"")
        sink.append(method)
        sink.append("\"")
    }
}
