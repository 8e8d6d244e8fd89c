/// Writes a `JSONValue` with a stack of open containers instead of recursion.
struct JSONValueWriter {
    private enum Open {
        case array(IndexingIterator<[JSONValue]>)
        case object(IndexingIterator<[JSONObject.Member]>)
    }

    let pretty: Bool

    func write<Sink: ByteSink & ~Copyable>(_ value: JSONValue, into out: inout Sink) {
        var stack: [Open] = []
        begin(value, &stack, &out)
        var isFirst = true
        while let top = stack.popLast() {
            let depth = stack.count
            switch top {
            case .array(var rest):
                guard let element = rest.next() else {
                    end(0x5D, depth, &out)
                    isFirst = false
                    continue
                }
                separate(isFirst, depth + 1, &out)
                stack.append(.array(rest))
                isFirst = begin(element, &stack, &out)
            case .object(var rest):
                guard let member = rest.next() else {
                    end(0x7D, depth, &out)
                    isFirst = false
                    continue
                }
                separate(isFirst, depth + 1, &out)
                JSONText.appendString(member.name, into: &out)
                out.append(byte: ASCII.colon)
                if pretty { out.append(byte: ASCII.space) }
                stack.append(.object(rest))
                isFirst = begin(member.value, &stack, &out)
            }
        }
    }

    /// True when a container was opened, whose first member comes next.
    @discardableResult
    private func begin<Sink: ByteSink & ~Copyable>(
        _ value: JSONValue, _ stack: inout [Open], _ out: inout Sink
    ) -> Bool {
        switch value {
        case .null: out.append("null")
        case .bool(let flag): out.append(flag ? "true" : "false")
        case .integer(let number): out.append(decimal: number)
        case .number(let number, let text): append(text.isEmpty ? "\(number)" : text, &out)
        case .string(let text): JSONText.appendString(text, into: &out)
        case .array(let elements):
            guard !elements.isEmpty else {
                out.append("[]")
                return false
            }
            out.append(byte: 0x5B)
            stack.append(.array(elements.makeIterator()))
            return true
        case .object(let object):
            guard !object.isEmpty else {
                out.append("{}")
                return false
            }
            out.append(byte: 0x7B)
            stack.append(.object(object.makeIterator()))
            return true
        }
        return false
    }

    private func append<Sink: ByteSink & ~Copyable>(_ text: String, _ out: inout Sink) {
        var text = text
        text.withUTF8 { out.append(UnsafeRawBufferPointer($0)) }
    }

    private func separate<Sink: ByteSink & ~Copyable>(_ isFirst: Bool, _ depth: Int, _ out: inout Sink) {
        if !isFirst { out.append(byte: ASCII.comma) }
        indent(depth, &out)
    }

    private func end<Sink: ByteSink & ~Copyable>(_ bracket: UInt8, _ depth: Int, _ out: inout Sink) {
        indent(depth, &out)
        out.append(byte: bracket)
    }

    private func indent<Sink: ByteSink & ~Copyable>(_ depth: Int, _ out: inout Sink) {
        guard pretty else { return }
        out.append(byte: ASCII.lineFeed)
        for _ in 0..<depth { out.append("  ") }
    }
}
