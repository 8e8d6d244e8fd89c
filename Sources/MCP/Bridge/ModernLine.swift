import Wire

/// Messages that the gateway itself sends to a server of 2026-07-28, without a line end: on stdio the driver
/// adds LF, over HTTP they are bodies.
public enum ModernLine {
    public static func discover<Sink: ByteSink & ~Copyable>(
        id: Int, envelope: ModernEnvelope, into sink: inout Sink
    ) {
        SouthLine.open(id, "server/discover", into: &sink)
        sink.append(",\"params\":{")
        close(envelope, into: &sink)
    }

    /// One page of a list; `cursor` is the raw JSON string of the page before's `nextCursor`.
    public static func list<Sink: ByteSink & ~Copyable>(
        _ kind: ListKind, id: Int, cursor: UnsafeRawBufferPointer? = nil, envelope: ModernEnvelope,
        into sink: inout Sink
    ) {
        SouthLine.open(id, kind.method.text, into: &sink)
        sink.append(",\"params\":{")
        if let cursor {
            sink.append("\"cursor\":")
            sink.append(cursor)
            sink.append(",")
        }
        close(envelope, into: &sink)
    }

    /// `subscriptions/listen`; `uris` and `tasks` are raw JSON strings.
    public static func listen<Sink: ByteSink & ~Copyable>(
        _ filter: ListenFilter, uris: [[UInt8]], tasks: [[UInt8]] = [], id: Int, envelope: ModernEnvelope,
        into sink: inout Sink
    ) {
        SouthLine.open(id, "subscriptions/listen", into: &sink)
        sink.append(",\"params\":{\"notifications\":")
        filter.write(uris: uris, tasks: tasks, into: &sink)
        sink.append(",")
        close(envelope, into: &sink)
    }

    private static func close<Sink: ByteSink & ~Copyable>(
        _ envelope: ModernEnvelope, into sink: inout Sink
    ) {
        sink.append("\"_meta\":{")
        sink.append(array: envelope.members)
        sink.append("}}}")
    }
}

extension ListenFilter {
    /// As the value of `notifications` in a listen request and in its acknowledgement. `uris` and `tasks` are raw JSON
    /// strings.
    func write<Sink: ByteSink & ~Copyable>(uris: [[UInt8]], tasks: [[UInt8]], into sink: inout Sink) {
        var isFirst = true
        func begin(_ text: StaticString, _ sink: inout Sink) {
            sink.append(isFirst ? "{" : ",")
            isFirst = false
            sink.append(text)
        }
        if contains(.tools) { begin("\"toolsListChanged\":true", &sink) }
        if contains(.prompts) { begin("\"promptsListChanged\":true", &sink) }
        if contains(.resources) { begin("\"resourcesListChanged\":true", &sink) }
        func list(_ texts: [[UInt8]], _ sink: inout Sink) {
            for (i, text) in texts.enumerated() {
                if i > 0 { sink.append(",") }
                sink.append(array: text)
            }
            sink.append("]")
        }
        if !uris.isEmpty {
            begin("\"resourceSubscriptions\":[", &sink)
            list(uris, &sink)
        }
        if !tasks.isEmpty {
            begin("\"taskIds\":[", &sink)
            list(tasks, &sink)
        }
        sink.append(isFirst ? "{}" : "}")
    }
}
