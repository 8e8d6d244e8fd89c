import Wire

/// A task of 2026-07-28 among the things that clients watch, in the place of a resource's URI.
public struct TaskKey: Sendable, Equatable {
    public var process: UInt32
    /// As its server has it.
    public var id: String

    public init(process: UInt32, id: String) {
        self.process = process
        self.id = id
    }

    /// No URI begins so.
    private static let mark = "\u{1}"

    /// Without a `/`, at which URIs are cut.
    public var text: String {
        let bytes = Array(id.utf8)
        let digits = [UInt8](unsafeUninitializedCapacity: Base64.encodedCount(bytes.count, .url)) {
            room, count in
            count = bytes.withUnsafeBytes {
                Base64.encode($0, .url, into: UnsafeMutableRawBufferPointer(room))
            }
        }
        return "\(Self.mark)\(process).\(String(decoding: digits, as: UTF8.self))"
    }

    /// Nil for a URI.
    public init?(_ text: String) {
        guard text.hasPrefix(Self.mark), let dot = text.firstIndex(of: "."),
            let process = UInt32(text[text.index(after: text.startIndex)..<dot])
        else { return nil }
        let digits = Array(text[text.index(after: dot)...].utf8)
        var id = [UInt8](repeating: 0, count: digits.count)
        let count = digits.withUnsafeBytes { digits in
            id.withUnsafeMutableBytes { Base64.decode(digits, .url, into: $0) }
        }
        guard let count else { return nil }
        self.init(process: process, id: String(decoding: id.prefix(count), as: UTF8.self))
    }
}

extension TaskRewriter {
    /// `notifications/tasks` of a server as one listen stream gets it. `exposed` and `subscription` are raw JSON.
    public static func writeTold<Sink: ByteSink & ~Copyable>(
        _ params: UnsafeRawBufferPointer, as exposed: [UInt8], subscription: UnsafeRawBufferPointer,
        into sink: inout Sink
    ) {
        var extra = ByteCollector()
        extra.append("\"taskId\":")
        extra.append(array: exposed)
        extra.append(",\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":")
        extra.append(subscription)
        extra.append("}")
        sink.append("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tasks\",\"params\":")
        MemberFilter.write(params, without: ["taskId", "_meta"], adding: extra.bytes, into: &sink)
        sink.append("}")
    }
}
