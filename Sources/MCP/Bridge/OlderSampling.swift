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

    /// The params of `sampling/createMessage`: a message with several blocks becomes as many messages.
    func write<Sink: ByteSink & ~Copyable>(params: UnsafeRawBufferPointer, into sink: inout Sink) {
        guard let messages = JSONMembers.value("messages", in: params), JSONKind(messages) == .array else {
            return sink.append(onOneLine: params)
        }
        var out = ByteCollector()
        out.append("\"messages\":[")
        let start = out.bytes.count
        var walker = ArrayWalker(messages)
        while let range = walker.next() { write(message: range.of(messages), start, into: &out) }
        out.append("]")
        MemberFilter.write(params, without: ["messages"], adding: out.bytes, into: &sink)
    }

    /// `start` is where the list of messages begins in `out`.
    private func write(message: UnsafeRawBufferPointer, _ start: Int, into out: inout ByteCollector) {
        func separate() { if out.bytes.count > start { out.append(",") } }
        // What is no role would be written as often as there are blocks, whatever its size.
        guard let content = JSONMembers.value("content", in: message),
            let role = JSONMembers.value("role", in: message), role.count <= Self.roleBytesMax
        else {
            separate()
            return out.append(onOneLine: message)
        }
        func write(_ block: UnsafeRawBufferPointer) {
            separate()
            out.append("{\"role\":")
            out.append(onOneLine: role)
            out.append(",\"content\":")
            self.write(block: block, into: &out)
            out.append("}")
        }
        guard JSONKind(content) == .array else { return write(content) }
        var walker = ArrayWalker(content)
        while let range = walker.next() { write(range.of(content)) }
    }

    /// Those that there are have eleven at most, with their quotes.
    private static let roleBytesMax = 16

    // MARK: Answers

    /// The result of `sampling/createMessage`: several blocks become one text.
    func write<Sink: ByteSink & ~Copyable>(result: UnsafeRawBufferPointer, into sink: inout Sink) {
        guard let content = JSONMembers.value("content", in: result) else {
            return sink.append(onOneLine: result)
        }
        var out = ByteCollector()
        out.append("\"content\":")
        let blocks = Self.elements(content)
        if blocks.count == 1 {
            write(block: blocks[0], into: &out)
        } else {
            Self.write(text: blocks.map(text).joined(separator: "\n"), into: &out)
        }
        MemberFilter.write(result, without: ["content"], adding: out.bytes, into: &sink)
    }

    /// The blocks of a content, which may be one alone.
    private static func elements(_ content: UnsafeRawBufferPointer) -> [UnsafeRawBufferPointer] {
        guard JSONKind(content) == .array else { return [content] }
        var blocks: [UnsafeRawBufferPointer] = []
        var walker = ArrayWalker(content)
        while let range = walker.next() { blocks.append(range.of(content)) }
        return blocks
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
