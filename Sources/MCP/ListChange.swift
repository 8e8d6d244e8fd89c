import Wire

/// Which lists a modern client wants to hear about: `params.notifications` of `subscriptions/listen`.
public struct ListenFilter: OptionSet, Sendable, Hashable {
    public let rawValue: UInt8
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    public static let tools = ListenFilter(rawValue: 1 << 0)
    public static let prompts = ListenFilter(rawValue: 1 << 1)
    public static let resources = ListenFilter(rawValue: 1 << 2)

    /// `object` is the raw value. Members that are not known, and `resourceSubscriptions`, are not honoured:
    /// the acknowledgement leaves them out.
    public init(object: UnsafeRawBufferPointer) {
        var found = ListenFilter()
        JSONMembers.forEach(of: object) { key, value in
            guard value.equals("true") else { return }
            if key.equals("toolsListChanged") { found.insert(.tools) }
            if key.equals("promptsListChanged") { found.insert(.prompts) }
            if key.equals("resourcesListChanged") { found.insert(.resources) }
        }
        self = found
    }

    /// Templates are announced as resources.
    public func includes(_ kind: ListKind) -> Bool {
        switch kind {
        case .tools: contains(.tools)
        case .prompts: contains(.prompts)
        case .resources, .templates: contains(.resources)
        }
    }
}

/// The messages by which clients learn that a list has changed.
public enum ListChange {
    /// `notifications/…/list_changed`. `subscription` is the raw id of a modern client's listen request, which
    /// every message of that stream carries; nil for a session.
    public static func notify<Sink: ByteSink & ~Copyable>(
        _ kind: ListKind, subscription: UnsafeRawBufferPointer?, into sink: inout Sink
    ) {
        let method: MethodName =
            switch kind {
            case .tools: .toolsChanged
            case .prompts: .promptsChanged
            case .resources, .templates: .resourcesChanged
            }
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"")
        sink.append(method.text)
        sink.append("\"")
        if let subscription {
            sink.append(",\"params\":{")
            writeSubscription(subscription, into: &sink)
            sink.append("}")
        }
        sink.append("}")
    }

    /// `notifications/resources/updated`; `uri` is a raw JSON string, `subscription` as for a list.
    public static func updated<Sink: ByteSink & ~Copyable>(
        uri: UnsafeRawBufferPointer, subscription: UnsafeRawBufferPointer?, into sink: inout Sink
    ) {
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{")
        if let subscription {
            writeSubscription(subscription, into: &sink)
            sink.append(",")
        }
        sink.append("\"uri\":")
        sink.append(onOneLine: uri)
        sink.append("}}")
    }

    /// The first message of a listen stream: what of the filter is honoured. `uris` and `tasks` are raw JSON strings.
    public static func acknowledge<Sink: ByteSink & ~Copyable>(
        _ filter: ListenFilter, uris: [[UInt8]] = [], tasks: [[UInt8]] = [],
        subscription: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        sink.append(
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{")
        writeSubscription(subscription, into: &sink)
        sink.append(",\"notifications\":")
        filter.write(uris: uris, tasks: tasks, into: &sink)
        sink.append("}}")
    }

    /// The result that ends a listen stream in good order.
    public static func end<Sink: ByteSink & ~Copyable>(
        subscription: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        Answers.open(id: subscription, into: &sink)
        sink.append("{\"resultType\":\"complete\",")
        writeSubscription(subscription, into: &sink)
        sink.append("}}")
    }

    private static func writeSubscription<Sink: ByteSink & ~Copyable>(
        _ id: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        sink.append("\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
        sink.append(id)
        sink.append("}")
    }
}
