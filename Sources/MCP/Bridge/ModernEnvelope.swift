import Wire

/// The members of `_meta` that make a request one of 2026-07-28, rendered once for many requests.
public struct ModernEnvelope: Sendable, Equatable {
    /// Without braces.
    public let members: [UInt8]

    /// - Parameters:
    ///   - capabilities: what may be asked of the client whose request it is; a server must not ask for more.
    ///   - logLevel: the level from which on it wants log messages of this request; nil for none.
    ///   - tasks: the server may answer with a task.
    public init(
        client: Implementation, capabilities: ClientCapabilities, logLevel: LogLevel? = nil,
        tasks: Bool = false
    ) {
        var out = ByteCollector()
        out.append("\"io.modelcontextprotocol/protocolVersion\":\"")
        out.append(Revision.newest.text)
        out.append("\",\"io.modelcontextprotocol/clientCapabilities\":")
        if tasks {
            capabilities.write(extensions: Self.tasks.bytes, into: &out)
        } else {
            capabilities.write(into: &out)
        }
        out.append(",\"io.modelcontextprotocol/clientInfo\":")
        client.write(into: &out)
        if let logLevel {
            out.append(",\"io.modelcontextprotocol/logLevel\":\"")
            out.append(logLevel.text)
            out.append("\"")
        }
        members = out.bytes
    }

    /// The value of `extensions` that declares them.
    static let tasks: StaticString = "{\"io.modelcontextprotocol/tasks\":{}}"
}

extension ClientCapabilities {
    /// What a server may ask of the client through the gateway.
    public static let relayable: ClientCapabilities = [
        .sampling, .samplingTools, .samplingContext, .elicitationForm, .elicitationURL, .roots,
    ]

    /// As a JSON object of either era. `extensions` is a raw object of extensions that pass as they are.
    ///
    /// A client that fills in forms only is declared as `{}`, which revisions before 2025-11-25 understand too.
    public func write<Sink: ByteSink & ~Copyable>(
        extensions: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
        into sink: inout Sink
    ) {
        var separator: StaticString = "{"
        func member(_ text: StaticString, _ sink: inout Sink) {
            sink.append(separator)
            sink.append(text)
            separator = ","
        }
        if contains(.sampling) {
            switch (contains(.samplingTools), contains(.samplingContext)) {
            case (false, false): member("\"sampling\":{}", &sink)
            case (true, false): member("\"sampling\":{\"tools\":{}}", &sink)
            case (false, true): member("\"sampling\":{\"context\":{}}", &sink)
            case (true, true): member("\"sampling\":{\"context\":{},\"tools\":{}}", &sink)
            }
        }
        switch (contains(.elicitationForm), contains(.elicitationURL)) {
        case (true, false): member("\"elicitation\":{}", &sink)
        case (true, true): member("\"elicitation\":{\"form\":{},\"url\":{}}", &sink)
        case (false, true): member("\"elicitation\":{\"url\":{}}", &sink)
        case (false, false): break
        }
        if contains(.roots) {
            member(contains(.rootsListChanged) ? "\"roots\":{\"listChanged\":true}" : "\"roots\":{}", &sink)
        }
        if !extensions.isEmpty {
            member("\"extensions\":", &sink)
            sink.append(extensions)
        }
        sink.append(separator == "{" ? "{}" : "}")
    }
}

extension StaticString {
    fileprivate static func == (left: StaticString, right: StaticString) -> Bool {
        left.bytes.equals(right)
    }
}
