import Wire

/// Who speaks: `serverInfo` to clients, `clientInfo` to children. Cosmetic; nothing is decided by it.
public struct Implementation: Sendable, Equatable {
    public var name: String
    public var title: String
    public var version: String

    public init(name: String, title: String, version: String) {
        self.name = name
        self.title = title
        self.version = version
    }

    /// As a JSON object.
    public func write<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        sink.append("{\"name\":")
        JSONText.appendString(name, into: &sink)
        sink.append(",\"title\":")
        JSONText.appendString(title, into: &sink)
        sink.append(",\"version\":")
        JSONText.appendString(version, into: &sink)
        sink.append("}")
    }
}
