import Wire

/// What a child said about itself in answer to `initialize`.
public struct ChildProfile: Sendable, Equatable {
    public var revision: Revision
    public var offers: Offers
    /// Raw JSON of `serverInfo`; empty when it gave none.
    public var serverInfo: [UInt8]
    /// Decoded; empty when it gave none. Untrusted text.
    public var instructions: String

    /// The capabilities of a server that change what the gateway asks of it.
    public struct Offers: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }

        public static let tools = Offers(rawValue: 1 << 0)
        public static let prompts = Offers(rawValue: 1 << 1)
        public static let resources = Offers(rawValue: 1 << 2)
        public static let subscriptions = Offers(rawValue: 1 << 3)
        public static let completions = Offers(rawValue: 1 << 4)
        public static let logging = Offers(rawValue: 1 << 5)
        /// Tools that run as tasks: those of 2025-11-25, or the extension of 2026-07-28.
        public static let tasks = Offers(rawValue: 1 << 6)
        /// `tasks/cancel`, which the extension always has.
        public static let taskCancellation = Offers(rawValue: 1 << 7)

        public func includes(_ kind: ListKind) -> Bool {
            switch kind {
            case .tools: contains(.tools)
            case .prompts: contains(.prompts)
            case .resources, .templates: contains(.resources)
            }
        }
    }

    /// `result` is the raw result object. Throws a sentence for the server's state when the child speaks no
    /// revision that the gateway knows.
    public init(result: UnsafeRawBufferPointer) throws(RPCFailure) {
        guard let asked = JSONMembers.value("protocolVersion", in: result), let text = asked.insideQuotes
        else {
            throw .serverFailed("the server's initialize result has no protocolVersion")
        }
        guard let revision = Revision(text), revision.isHandshake else {
            throw .serverFailed(
                "the server chose protocol version \(RPCFailure.quoted(text)); "
                    + "known are 2024-11-05 to \(SouthLine.askedRevision.text)")
        }
        self.revision = revision
        offers = Self.offers(JSONMembers.value("capabilities", in: result))
        let info = JSONMembers.value("serverInfo", in: result)
        serverInfo = info.map { JSONKind($0) == .object ? Array($0) : [] } ?? []
        let words = JSONMembers.value("instructions", in: result)?.insideQuotes
        instructions = words.map { JSONText.string($0) } ?? ""
    }

    static func offers(_ capabilities: UnsafeRawBufferPointer?) -> Offers {
        guard let capabilities else { return [] }
        var offers = Offers()
        JSONMembers.forEach(of: capabilities) { key, value in
            guard JSONKind(value) == .object else { return }
            if key.equals("tools") { offers.insert(.tools) }
            if key.equals("prompts") { offers.insert(.prompts) }
            if key.equals("completions") { offers.insert(.completions) }
            if key.equals("logging") { offers.insert(.logging) }
            if key.equals("tasks") { offers.formUnion(tasks(value)) }
            if key.equals("extensions"), JSONMembers.has("io.modelcontextprotocol/tasks", in: value) {
                offers.formUnion([.tasks, .taskCancellation])
            }
            if key.equals("resources") {
                offers.insert(.resources)
                if let subscribe = JSONMembers.value("subscribe", in: value), subscribe.equals("true") {
                    offers.insert(.subscriptions)
                }
            }
        }
        return offers
    }

    /// Of `tasks` (2025-11-25), those that `tools/call` can begin.
    private static func tasks(_ object: UnsafeRawBufferPointer) -> Offers {
        guard let requests = JSONMembers.value("requests", in: object),
            let tools = JSONMembers.value("tools", in: requests), JSONMembers.has("call", in: tools)
        else { return [] }
        return JSONMembers.has("cancel", in: object) ? [.tasks, .taskCancellation] : .tasks
    }
}
