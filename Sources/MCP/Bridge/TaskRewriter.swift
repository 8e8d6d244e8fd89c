import Wire

/// Task ids in what a server says, exchanged for those that the client knows; all else passes byte for byte.
public enum TaskRewriter {
    /// The id of the task that a call was answered with, decoded; nil when it was answered with none.
    public static func begun(
        _ envelope: Envelope, _ line: UnsafeRawBufferPointer, by era: Era
    ) -> String? {
        guard envelope.kind == .response else { return nil }
        let result = envelope.result.of(line)
        switch era {
        case .modern:
            guard envelope.resultType.of(line).equals("\"task\"") else { return nil }
            return id(in: result)
        case .legacy: return JSONMembers.value("task", in: result).flatMap { id(in: $0) }
        }
    }

    /// `taskId` of an object, decoded.
    public static func id(in object: UnsafeRawBufferPointer) -> String? {
        JSONMembers.value("taskId", in: object)?.insideQuotes.map { JSONText.string($0) }
    }

    /// The task that a message of a legacy server is about, as its `_meta` says; decoded.
    public static func related(_ params: UnsafeRawBufferPointer) -> String? {
        guard let meta = JSONMembers.value("_meta", in: params),
            let related = JSONMembers.value("io.modelcontextprotocol/related-task", in: meta)
        else { return nil }
        return id(in: related)
    }

    /// The task of a `notifications/tasks/status`.
    public static func id(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) -> String? {
        id(in: envelope.params.of(line))
    }

    /// A response or notification with `exposed`, a raw JSON string, in place of the server's `id` wherever a
    /// message may name its task: in itself, in `task`, and in `_meta`. On one line without its end.
    public static func exchange(
        _ id: String, for exposed: [UInt8], _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) -> [UInt8] {
        let object = envelope.kind == .response ? envelope.result : envelope.params
        var out = ByteCollector()
        exposed.withUnsafeBytes { exposed in
            var splice = Splice(line, hasLineBreaks: envelope.hasLineBreaks)
            for range in places(object.of(line)) where Self.id(range.of(object.of(line))) == id {
                splice.replace(range.shifted(by: object.start), with: exposed)
            }
            splice.write(into: &out)
        }
        return out.bytes
    }

    private static func id(_ raw: UnsafeRawBufferPointer) -> String? {
        raw.insideQuotes.map { JSONText.string($0) }
    }

    /// Where in an object its task may be named; three at most.
    private static func places(_ object: UnsafeRawBufferPointer) -> [ByteRange] {
        let paths: [[StaticString]] = [
            ["taskId"], ["task", "taskId"], ["_meta", "io.modelcontextprotocol/related-task", "taskId"],
        ]
        return paths.compactMap { path in
            var found = ByteRange(start: 0, count: UInt32(truncatingIfNeeded: object.count))
            for name in path {
                guard let inner = JSONMembers.range(name, in: found.of(object)) else { return nil }
                found = inner.shifted(by: found.start)
            }
            return found
        }
    }
}
