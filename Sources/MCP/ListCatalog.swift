import System
import Wire

/// Everything the servers of one sandbox list, merged: one epoch of it, immutable, so that any thread may
/// answer from it. Building costs what copying the items costs; answering copies nothing.
public final class ListCatalog: Sendable {
    /// What one server has listed so far; a list that was never read is nil. A list may be older than its
    /// server: a crashed server's tools stay visible.
    public struct Server: Sendable {
        /// As the caller of the gateway wrote it.
        public var name: String
        public var tools: ItemList?
        public var prompts: ItemList?
        public var resources: ItemList?
        public var templates: ItemList?
        /// It is of the older era and lets clients run tools as tasks.
        public var runsTasks: Bool

        public init(
            name: String, tools: ItemList? = nil, prompts: ItemList? = nil, resources: ItemList? = nil,
            templates: ItemList? = nil, runsTasks: Bool = false
        ) {
            self.name = name
            self.runsTasks = runsTasks
            self.tools = tools
            self.prompts = prompts
            self.resources = resources
            self.templates = templates
        }

        public subscript(_ kind: ListKind) -> ItemList? {
            get {
                switch kind {
                case .tools: tools
                case .prompts: prompts
                case .resources: resources
                case .templates: templates
                }
            }
            set {
                switch kind {
                case .tools: tools = newValue
                case .prompts: prompts = newValue
                case .resources: resources = newValue
                case .templates: templates = newValue
                }
            }
        }
    }

    public struct Options: Sendable {
        public var prefix: PrefixMode
        public var filter: ToolFilter
        /// How long a modern client may keep a list, in milliseconds.
        public var ttlMilliseconds: Int
        /// Raw JSON for the `mcp-gateway/servers` member of `_meta` in every list; empty leaves it out.
        public var serverStates: [UInt8]
        public var implementation: Implementation

        public init(
            implementation: Implementation, prefix: PrefixMode = .always, filter: ToolFilter = .all,
            ttlMilliseconds: Int = 0, serverStates: [UInt8] = []
        ) {
            self.implementation = implementation
            self.prefix = prefix
            self.filter = filter
            self.ttlMilliseconds = ttlMilliseconds
            self.serverStates = serverStates
        }
    }

    public typealias Kind = ListKind

    let lists: MergedLists
    /// `{` and the members before the list.
    private let legacyHead: [UInt8]
    private let modernHead: [UInt8]

    /// `servers` in configured order: it is the order of the lists, and decides who keeps a name that two have.
    public convenience init(servers: [Server], options: Options) {
        self.init(MergedLists(servers, options), options)
    }

    private init(_ lists: MergedLists, _ options: Options) {
        self.lists = lists
        legacyHead = Self.head(options, isModern: false)
        modernHead = Self.head(options, isModern: true)
    }

    /// The same lists with other `serverStates` or `ttlMilliseconds`; nothing is merged again.
    public func with(heads options: Options) -> ListCatalog { ListCatalog(lists, options) }

    /// What was left out of the lists and why, for the operator.
    public var problems: [String] { lists.problems }

    public func count(_ kind: ListKind) -> Int { lists[kind].count }

    /// Items of one server that clients see.
    public func count(_ kind: ListKind, ofServer server: Int) -> Int {
        lists[kind].countsByServer.indices.contains(server) ? lists[kind].countsByServer[server] : 0
    }

    // Answers

    /// Bytes of the whole response that `write` produces.
    public func responseByteCount(_ kind: ListKind, isModern: Bool, id: UnsafeRawBufferPointer) -> Int {
        var counter = ByteCounter()
        write(kind, isModern: isModern, id: id, into: &counter)
        return counter.count
    }

    /// The whole JSON-RPC response.
    public func write<Sink: ByteSink & ~Copyable>(
        _ kind: ListKind, isModern: Bool, id: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        Answers.open(id: id, into: &sink)
        sink.append(array: isModern ? modernHead : legacyHead)
        sink.append(lists.tail(kind).bytes)
        sink.append("}")
    }

    /// The same by reference: a list of megabytes leaves without being copied.
    public func write(
        _ kind: ListKind, isModern: Bool, id: UnsafeRawBufferPointer, into outbox: inout Outbox
    ) {
        write(lists.tail(kind), isModern: isModern, id: id, into: &outbox)
    }

    func write(
        _ tail: OwnedBytes, isModern: Bool, id: UnsafeRawBufferPointer, into outbox: inout Outbox
    ) {
        Answers.open(id: id, into: &outbox)
        outbox.append(isModern ? modernHead : legacyHead)
        outbox.append(owned: tail)
        outbox.append("}")
    }

    /// Bytes of `{"tools":[…]}`.
    public var restToolsByteCount: Int { lists.tail(.tools).count + 1 }

    /// `{"tools":[…]}`, for plain HTTP clients.
    public func writeToolsForREST(into outbox: inout Outbox) {
        outbox.append("{")
        outbox.append(owned: lists.tail(.tools))
    }

    private static func head(_ options: Options, isModern: Bool) -> [UInt8] {
        var head = ByteCollector()
        head.append("{")
        if isModern {
            head.append("\"resultType\":\"complete\",\"ttlMs\":")
            head.append(decimal: max(0, options.ttlMilliseconds))
            head.append(",\"cacheScope\":\"private\",")
        }
        guard isModern || !options.serverStates.isEmpty else { return head.bytes }
        head.append("\"_meta\":{")
        if isModern {
            head.append("\"io.modelcontextprotocol/serverInfo\":")
            options.implementation.write(into: &head)
        }
        if !options.serverStates.isEmpty {
            if isModern { head.append(",") }
            head.append("\"mcp-gateway/servers\":")
            options.serverStates.withUnsafeBytes { head.append(onOneLine: $0) }
        }
        head.append("},")
        return head.bytes
    }
}
