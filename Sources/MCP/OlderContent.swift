import Wire

/// Results as sessions of their revision understand them. Clients refuse a whole result for one block of a kind that
/// they do not know: before 2025-06-18 links become text, and for 2024-11-05 sound becomes a resource. Structured
/// content that the revision does not have stays as text, where its server gave none.
public enum OlderContent {
    /// The same response without what the revision does not know, on one line without its end; nil when there is
    /// nothing of it.
    public static func rewrite(
        _ line: UnsafeRawBufferPointer, _ envelope: Envelope, _ method: MethodName, for revision: Revision
    ) -> [UInt8]? {
        guard envelope.kind == .response, envelope.resultIsObject else { return nil }
        let result = envelope.result.of(line)
        if revision >= .v2025_06_18 {
            // Before 2026-07-28 it is an object.
            guard method == .toolsCall, let structured = JSONMembers.value("structuredContent", in: result),
                JSONKind(structured) != .object
            else { return nil }
        }
        var out = ByteCollector()
        Answers.open(id: envelope.id.of(line), into: &out)
        var writer = Writer(revision: revision)
        switch method {
        case .toolsCall: writer.toolResult(result, into: &out)
        case .promptsGet: writer.prompt(result, into: &out)
        default: return nil
        }
        out.append("}")
        return writer.isChanged ? out.bytes : nil
    }

    private struct Writer {
        let revision: Revision
        var isChanged = false
        private var sounds = 0

        init(revision: Revision) { self.revision = revision }

        mutating func toolResult(_ result: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            let structured = JSONMembers.value("structuredContent", in: result)
            if structured != nil { isChanged = true }
            var hasContent = false
            members(of: result, into: &out) { key, value, writer, out in
                if key.equals("structuredContent") { return false }
                guard key.equals("content"), JSONKind(value) == .array else { return nil }
                hasContent = true
                out.append("\"content\":")
                writer.blocks(value, orElse: structured, into: &out)
                return true
            }
            guard !hasContent, let structured else { return }
            out.bytes.removeLast()
            if out.bytes.last != UInt8(ascii: "{") { out.append(",") }
            out.append("\"content\":[")
            text(of: structured, into: &out)
            out.append("]}")
        }

        mutating func prompt(_ result: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            members(of: result, into: &out) { key, value, writer, out in
                guard key.equals("messages"), JSONKind(value) == .array else { return nil }
                out.append("\"messages\":[")
                var walker = ArrayWalker(value)
                var isFirst = true
                while let range = walker.next() {
                    if !isFirst { out.append(",") }
                    isFirst = false
                    writer.message(range.of(value), into: &out)
                }
                out.append("]")
                return true
            }
        }

        private mutating func message(_ message: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            guard JSONKind(message) == .object else { return out.append(onOneLine: message) }
            members(of: message, into: &out) { key, value, writer, out in
                guard key.equals("content"), JSONKind(value) == .object else { return nil }
                out.append("\"content\":")
                writer.block(value, into: &out)
                return true
            }
        }

        /// Writes an object. `body` writes a member itself (true), leaves it out (false), or has it passed as it is.
        private mutating func members(
            of object: UnsafeRawBufferPointer, into out: inout ByteCollector,
            _ body: (JSONKey, UnsafeRawBufferPointer, inout Writer, inout ByteCollector) -> Bool?
        ) {
            var walker = ObjectWalker(object)
            var isFirst = true
            out.append("{")
            while let member = walker.next() {
                let start = out.bytes.count
                if !isFirst { out.append(",") }
                switch body(JSONKey(member, in: object), member.value.of(object), &self, &out) {
                case true?: isFirst = false
                case false?: out.bytes.removeLast(out.bytes.count - start)
                case nil:
                    isFirst = false
                    out.append(onOneLine: member.whole.of(object))
                }
            }
            out.append("}")
        }

        private mutating func blocks(
            _ content: UnsafeRawBufferPointer, orElse structured: UnsafeRawBufferPointer?,
            into out: inout ByteCollector
        ) {
            var walker = ArrayWalker(content)
            var isFirst = true
            out.append("[")
            while let range = walker.next() {
                if !isFirst { out.append(",") }
                isFirst = false
                block(range.of(content), into: &out)
            }
            if isFirst, let structured { text(of: structured, into: &out) }
            out.append("]")
        }

        private mutating func block(_ block: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            let type = JSONMembers.value("type", in: block)
            if type?.equals("\"resource_link\"") == true {
                isChanged = true
                link(block, into: &out)
            } else if revision < .v2025_03_26, type?.equals("\"audio\"") == true {
                isChanged = true
                sound(block, into: &out)
            } else {
                out.append(onOneLine: block)
            }
        }

        private func link(_ link: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            func member(_ name: StaticString) -> String? {
                JSONMembers.value(name, in: link)?.insideQuotes.map { JSONText.string($0) }
            }
            let uri = member("uri") ?? ""
            var text = (member("title") ?? member("name")).map { "\($0): \(uri)" } ?? uri
            if let description = member("description") { text += "\n\(description)" }
            out.append("{\"type\":\"text\",\"text\":")
            JSONText.appendString(text, into: &out)
            annotations(of: link, into: &out)
            out.append("}")
        }

        private mutating func sound(_ sound: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            sounds += 1
            out.append("{\"type\":\"resource\",\"resource\":{\"uri\":\"mcpgw:audio/")
            out.append(decimal: sounds)
            out.append("\"")
            if let type = JSONMembers.value("mimeType", in: sound) {
                out.append(",\"mimeType\":")
                out.append(onOneLine: type)
            }
            out.append(",\"blob\":")
            if let data = JSONMembers.value("data", in: sound) {
                out.append(onOneLine: data)
            } else {
                out.append("\"\"")
            }
            out.append("}")
            annotations(of: sound, into: &out)
            out.append("}")
        }

        private func annotations(of block: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            guard let found = JSONMembers.value("annotations", in: block) else { return }
            out.append(",\"annotations\":")
            out.append(onOneLine: found)
        }

        /// Structured content as the text that its server did not give.
        private func text(of structured: UnsafeRawBufferPointer, into out: inout ByteCollector) {
            out.append("{\"type\":\"text\",\"text\":")
            JSONText.appendString(structured, into: &out)
            out.append("}")
        }
    }
}
