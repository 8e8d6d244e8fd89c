import Wire

/// What the gateway answers by itself, at once, whether or not any server behind it is up: a client that waits
/// for `initialize` or `server/discover` may take the gateway for an older one, for good.
public struct Answers: Sendable {
    /// The `serverInfo` object, rendered once.
    private let identity: [UInt8]
    /// `"instructions":"…",` or nothing.
    private let instructions: [UInt8]

    /// `instructions` longer than `MCPLimits.instructionsBytesMax` are cut at a character.
    public init(_ implementation: Implementation, instructions: String = "") {
        var info = ByteCollector()
        implementation.write(into: &info)
        identity = info.bytes
        var text = ByteCollector()
        if !instructions.isEmpty {
            text.append("\"instructions\":")
            JSONText.appendString(Self.cut(instructions, MCPLimits.instructionsBytesMax), into: &text)
            text.append(",")
        }
        self.instructions = text.bytes
    }

    /// The result of `initialize`. Capabilities are all the gateway can proxy, not what today's servers have:
    /// a session outlives changes of its sandbox. `subscribes` is false when no server tells of its resources;
    /// `tasks` are what servers of the client's era have.
    public func initialize<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, revision: Revision, subscribes: Bool = true, tasks: TaskOffer = .none,
        into sink: inout Sink
    ) {
        Self.open(id: id, into: &sink)
        sink.append("{\"protocolVersion\":\"")
        sink.append(revision.text)
        sink.append("\",\"capabilities\":")
        Self.capabilities(revision, subscribes, tasks, into: &sink)
        sink.append(",")
        sink.append(array: instructions)
        sink.append("\"serverInfo\":")
        sink.append(array: identity)
        sink.append("}}")
    }

    /// The result of `server/discover`. Only stateless revisions are listed: a client may pick any entry and
    /// send it in an envelope.
    public func discover<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, ttlMilliseconds: Int = 60_000, subscribes: Bool = true,
        tasks: TaskOffer = .none, into sink: inout Sink
    ) {
        Self.open(id: id, into: &sink)
        sink.append("{\"resultType\":\"complete\",\"supportedVersions\":[\"")
        sink.append(Revision.newest.text)
        sink.append("\"],\"capabilities\":")
        Self.capabilities(.newest, subscribes, tasks, into: &sink)
        sink.append(",")
        sink.append(array: instructions)
        sink.append("\"ttlMs\":")
        sink.append(decimal: max(0, ttlMilliseconds))
        sink.append(",\"cacheScope\":\"private\",")
        Self.serverInfoMeta(identity, into: &sink)
        sink.append("}}")
    }

    /// An empty result: `{}` exactly for sessions, which is what ping and logging/setLevel must answer there.
    public static func empty<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, isModern: Bool, into sink: inout Sink
    ) {
        open(id: id, into: &sink)
        sink.append(isModern ? "{\"resultType\":\"complete\"}}" : "{}}")
    }

    /// No suggestions: the answer to `completion/complete` when the server concerned offers none.
    public static func noCompletions<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, isModern: Bool, into sink: inout Sink
    ) {
        open(id: id, into: &sink)
        sink.append("{")
        if isModern { sink.append("\"resultType\":\"complete\",") }
        sink.append("\"completion\":{\"values\":[],\"total\":0,\"hasMore\":false}}}")
    }

    /// A response with `result`, a raw object.
    public static func result<Sink: ByteSink & ~Copyable>(
        id: UnsafeRawBufferPointer, _ result: [UInt8], into sink: inout Sink
    ) {
        open(id: id, into: &sink)
        sink.append(array: result)
        sink.append("}")
    }

    /// `{"jsonrpc":"2.0","id":…,"result":`
    static func open<Sink: ByteSink & ~Copyable>(id: UnsafeRawBufferPointer, into sink: inout Sink) {
        sink.append("{\"jsonrpc\":\"2.0\",\"id\":")
        sink.append(id)
        sink.append(",\"result\":")
    }

    /// `"_meta":{…}` with the gateway's name, which 2026-07-28 wants on every result.
    static func serverInfoMeta<Sink: ByteSink & ~Copyable>(_ identity: [UInt8], into sink: inout Sink) {
        sink.append("\"_meta\":{\"io.modelcontextprotocol/serverInfo\":")
        sink.append(array: identity)
        sink.append("}")
    }

    private static func capabilities<Sink: ByteSink & ~Copyable>(
        _ revision: Revision, _ subscribes: Bool, _ tasks: TaskOffer, into sink: inout Sink
    ) {
        sink.append("{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"resources\":{")
        if subscribes { sink.append("\"subscribe\":true,") }
        sink.append("\"listChanged\":true},\"logging\":{}")
        // 2024-11-05 has the method but no capability for it.
        if revision >= .v2025_03_26 { sink.append(",\"completions\":{}") }
        switch (revision, tasks) {
        case (.v2025_11_25, .running(let isCancellable)):
            sink.append(",\"tasks\":{\"list\":{},")
            if isCancellable { sink.append("\"cancel\":{},") }
            sink.append("\"requests\":{\"tools\":{\"call\":{}}}}")
        case (.v2026_07_28, .running):
            sink.append(",\"extensions\":")
            sink.append(ModernEnvelope.tasks)
        default: break
        }
        sink.append("}")
    }

    private static func cut(_ text: String, _ bytesMax: Int) -> String {
        guard text.utf8.count > bytesMax else { return text }
        var kept = ""
        var left = bytesMax
        for character in text {
            left -= character.utf8.count
            if left < 0 { break }
            kept.append(character)
        }
        return kept
    }
}

/// What servers let a client run as tasks.
public enum TaskOffer: Sendable, Equatable {
    case none
    case running(isCancellable: Bool)
}
