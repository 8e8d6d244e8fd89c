import Wire

/// A method of any MCP revision, either direction.
public enum MethodName: UInt8, Sendable, CaseIterable {
    case initialize, initialized, ping, discover
    case toolsList, toolsCall
    case promptsList, promptsGet
    case resourcesList, resourcesRead, templatesList, subscribe, unsubscribe
    case complete, setLevel, listen
    case cancelled, progress, message
    case toolsChanged, promptsChanged, resourcesChanged, resourceUpdated
    case rootsList, rootsChanged, createMessage, elicit, elicitComplete
    case tasksGet, tasksResult, tasksList, tasksCancel, tasksUpdate, taskStatus, taskTold
    /// Anything else.
    case unknown

    /// `bytes` without quotes and escapes, as `Envelope.method` holds it when it has no escapes.
    public init(_ bytes: UnsafeRawBufferPointer) {
        // The length leaves one to three candidates; only they are compared.
        switch bytes.count {
        case 4: self = Self.first(bytes, .ping)
        case 9: self = Self.first(bytes, .tasksGet)
        case 10: self = Self.first(bytes, .toolsCall, .toolsList, .initialize, .rootsList, .tasksList)
        case 11: self = Self.first(bytes, .promptsGet)
        case 12: self = Self.first(bytes, .promptsList, .tasksResult, .tasksCancel, .tasksUpdate)
        case 14: self = Self.first(bytes, .resourcesRead, .resourcesList)
        case 15: self = Self.first(bytes, .discover)
        case 16: self = Self.first(bytes, .setLevel)
        case 18: self = Self.first(bytes, .elicit)
        case 19: self = Self.first(bytes, .complete, .subscribe, .taskTold)
        case 20: self = Self.first(bytes, .listen)
        case 21: self = Self.first(bytes, .message, .unsubscribe)
        case 22: self = Self.first(bytes, .progress, .createMessage)
        case 23: self = Self.first(bytes, .cancelled)
        case 24: self = Self.first(bytes, .templatesList)
        case 25: self = Self.first(bytes, .initialized)
        case 26: self = Self.first(bytes, .taskStatus)
        case 32: self = Self.first(bytes, .toolsChanged, .rootsChanged)
        default: self = Self.long(bytes)
        }
    }

    /// The method of a message, escapes in it decoded.
    public init(_ envelope: Envelope, in body: UnsafeRawBufferPointer) {
        self = withUnsafePointer(to: envelope) { MethodName($0, in: body) }
    }

    public init(_ envelope: UnsafePointer<Envelope>, in body: UnsafeRawBufferPointer) {
        let raw = envelope.pointee.method.of(body)
        guard envelope.pointee.methodHasEscapes else {
            self.init(raw)
            return
        }
        self = withDecodedText(raw, limit: 64) { MethodName($0) } ?? .unknown
    }

    public var text: StaticString {
        switch self {
        case .initialize: "initialize"
        case .initialized: "notifications/initialized"
        case .ping: "ping"
        case .discover: "server/discover"
        case .toolsList: "tools/list"
        case .toolsCall: "tools/call"
        case .promptsList: "prompts/list"
        case .promptsGet: "prompts/get"
        case .resourcesList: "resources/list"
        case .resourcesRead: "resources/read"
        case .templatesList: "resources/templates/list"
        case .subscribe: "resources/subscribe"
        case .unsubscribe: "resources/unsubscribe"
        case .complete: "completion/complete"
        case .setLevel: "logging/setLevel"
        case .listen: "subscriptions/listen"
        case .cancelled: "notifications/cancelled"
        case .progress: "notifications/progress"
        case .message: "notifications/message"
        case .toolsChanged: "notifications/tools/list_changed"
        case .promptsChanged: "notifications/prompts/list_changed"
        case .resourcesChanged: "notifications/resources/list_changed"
        case .resourceUpdated: "notifications/resources/updated"
        case .rootsList: "roots/list"
        case .rootsChanged: "notifications/roots/list_changed"
        case .createMessage: "sampling/createMessage"
        case .elicit: "elicitation/create"
        case .elicitComplete: "notifications/elicitation/complete"
        case .tasksGet: "tasks/get"
        case .tasksResult: "tasks/result"
        case .tasksList: "tasks/list"
        case .tasksCancel: "tasks/cancel"
        case .tasksUpdate: "tasks/update"
        case .taskStatus: "notifications/tasks/status"
        case .taskTold: "notifications/tasks"
        case .unknown: ""
        }
    }

    /// A request that 2026-07-28 has and the gateway serves. What that revision removed (`initialize`, `ping`,
    /// `logging/setLevel`, `resources/subscribe` …) is unknown there.
    public var isModernRequest: Bool {
        switch self {
        case .discover, .toolsList, .toolsCall, .promptsList, .promptsGet, .resourcesList, .resourcesRead,
            .templatesList, .complete, .listen, .tasksGet, .tasksUpdate, .tasksCancel:
            true
        default: false
        }
    }

    /// A request that a session of `revision` may make and the gateway serves.
    public func isLegacyRequest(in revision: Revision) -> Bool {
        switch self {
        case .initialize, .ping, .toolsList, .toolsCall, .promptsList, .promptsGet, .resourcesList,
            .resourcesRead, .templatesList, .subscribe, .unsubscribe, .setLevel, .complete:
            revision.isHandshake
        case .tasksGet, .tasksResult, .tasksList, .tasksCancel: revision == .v2025_11_25
        default: false
        }
    }

    /// Where the thing that a request names stands in its params, for `Mcp-Name` and for routing.
    public var target: Target {
        switch self {
        case .toolsCall, .promptsGet: .name
        case .resourcesRead, .subscribe, .unsubscribe: .uri
        case .complete: .reference
        case .tasksGet, .tasksResult, .tasksUpdate, .tasksCancel: .task
        default: .none
        }
    }

    public enum Target: Sendable { case none, name, uri, reference, task }

    /// `Mcp-Name` has to mirror the target (2026-07-28, Streamable HTTP).
    public var requiresNameHeader: Bool {
        switch self {
        case .toolsCall, .promptsGet, .resourcesRead, .tasksGet, .tasksUpdate, .tasksCancel: true
        default: false
        }
    }

    private static func first(_ bytes: UnsafeRawBufferPointer, _ one: MethodName) -> MethodName {
        bytes.equals(one.text) ? one : .unknown
    }

    private static func first(
        _ bytes: UnsafeRawBufferPointer, _ one: MethodName, _ two: MethodName, _ three: MethodName = .unknown,
        _ four: MethodName = .unknown, _ five: MethodName = .unknown
    ) -> MethodName {
        if bytes.equals(one.text) { return one }
        if bytes.equals(two.text) { return two }
        if bytes.equals(three.text) { return three }
        if bytes.equals(four.text) { return four }
        return bytes.equals(five.text) ? five : .unknown
    }

    /// Rare and long: notifications of lists and elicitation.
    private static func long(_ bytes: UnsafeRawBufferPointer) -> MethodName {
        if bytes.equals(MethodName.promptsChanged.text) { return .promptsChanged }
        if bytes.equals(MethodName.resourcesChanged.text) { return .resourcesChanged }
        if bytes.equals(MethodName.resourceUpdated.text) { return .resourceUpdated }
        return bytes.equals(MethodName.elicitComplete.text) ? .elicitComplete : .unknown
    }
}
