import Wire

/// What is asked of a model, and what it answers, as revisions before 2025-11-25 have it: one block of content a
/// message, which is text, an image, or since 2025-03-26 sound. What a revision has no form for becomes a text that
/// says what it was.
struct OlderSampling {
    let revision: Revision

    /// Nil when the revision has all of its forms.
    init?(_ revision: Revision) {
        guard revision < .v2025_11_25 else { return nil }
        self.revision = revision
    }

    // MARK: Requests

    /// The params of `sampling/createMessage`: a message with several blocks becomes as many messages. Throws when
    /// that makes too much of it.
    func params(_ params: UnsafeRawBufferPointer) throws(RPCFailure) -> [UInt8] {
        var out = ByteCollector()
        guard let messages = JSONMembers.value("messages", in: params), JSONKind(messages) == .array else {
            out.append(onOneLine: params)
            return out.bytes
        }
        var list = ByteCollector()
        list.append("\"messages\":[")
        let start = list.bytes.count
        var walker = ArrayWalker(messages)
        // Each block repeats the role of its message.
        let most = params.count + BridgeLimits.askBytesMax
        while let range = walker.next() {
            try write(message: range.of(messages), start, atMost: most, into: &list)
        }
        list.append("]")
        MemberFilter.write(params, without: ["messages"], adding: list.bytes, into: &out)
        return out.bytes
    }

    /// `start` is where the list of messages begins in `out`.
    private func write(
        message: UnsafeRawBufferPointer, _ start: Int, atMost most: Int, into out: inout ByteCollector
    ) throws(RPCFailure) {
        let content = JSONMembers.value("content", in: message)
        let role = JSONMembers.value("role", in: message)
        guard let content, let role, JSONKind(content) == .array || JSONKind(content) == .object else {
            if out.bytes.count > start { out.append(",") }
            return out.append(onOneLine: message)
        }
        guard JSONKind(content) == .array else {
            return write(content, role, start, into: &out)
        }
        var walker = ArrayWalker(content)
        while let range = walker.next() {
            write(range.of(content), role, start, into: &out)
            guard out.bytes.count <= most else {
                throw .serverFailed(
                    "the messages have too many blocks for protocol revision \(revision.text)")
            }
        }
    }

    /// A message of one block.
    private func write(
        _ block: UnsafeRawBufferPointer, _ role: UnsafeRawBufferPointer, _ start: Int,
        into out: inout ByteCollector
    ) {
        if out.bytes.count > start { out.append(",") }
        out.append("{\"role\":")
        out.append(onOneLine: role)
        out.append(",\"content\":")
        write(block: block, into: &out)
        out.append("}")
    }

    // MARK: Answers

    /// The result of `sampling/createMessage`: several blocks become one text.
    func write<Sink: ByteSink & ~Copyable>(result: UnsafeRawBufferPointer, into sink: inout Sink) {
        guard let content = JSONMembers.value("content", in: result) else {
            return sink.append(onOneLine: result)
        }
        var out = ByteCollector()
        out.append("\"content\":")
        if let block = Self.only(content) {
            write(block: block, into: &out)
        } else {
            var words: [String] = []
            var walker = ArrayWalker(content)
            while let range = walker.next() {
                let block = range.of(content)
                if JSONMembers.has("type", in: block) { words.append(text(block)) }
            }
            Self.write(text: words.joined(separator: "\n"), into: &out)
        }
        MemberFilter.write(result, without: ["content"], adding: out.bytes, into: &sink)
    }

    /// The one block of a content, which may be in an array; nil when it has several or none.
    private static func only(_ content: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard JSONKind(content) == .array else { return content }
        var walker = ArrayWalker(content)
        guard let first = walker.next(), walker.next() == nil else { return nil }
        return first.of(content)
    }

    // MARK: Blocks

    private func write(block: UnsafeRawBufferPointer, into out: inout ByteCollector) {
        if isKnown(JSONMembers.value("type", in: block)) {
            out.append(onOneLine: block)
        } else {
            Self.write(text: text(block), into: &out)
        }
    }

    private func isKnown(_ type: UnsafeRawBufferPointer?) -> Bool {
        // Without a type it is no block of any revision: its server's mistake passes as it is.
        guard let type else { return true }
        return type.equals("\"text\"") || type.equals("\"image\"")
            || revision >= .v2025_03_26 && type.equals("\"audio\"")
    }

    /// The words of a block, or what it is.
    private func text(_ block: UnsafeRawBufferPointer) -> String {
        func member(_ name: StaticString) -> String? {
            JSONMembers.value(name, in: block)?.insideQuotes.map { JSONText.string($0) }
        }
        if let text = member("text") { return text }
        let kind = member("type") ?? "unknown"
        let type = member("mimeType").map { " (\($0))" } ?? ""
        return "[\(kind)\(type): left out, as protocol revision \(revision.text) has no form for it here]"
    }

    private static func write(text: String, into out: inout ByteCollector) {
        out.append("{\"type\":\"text\",\"text\":")
        JSONText.appendString(text, into: &out)
        out.append("}")
    }
}
