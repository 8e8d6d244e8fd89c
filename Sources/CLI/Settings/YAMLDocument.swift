import CYAML

/// Reads one YAML document with libyaml into nodes that know their lines. Containers are kept on a stack of our
/// own, so that depth costs no recursion. Aliases are refused: a few of them can stand for billions of nodes.
enum YAMLDocument {
    /// Containers within containers; a configuration needs three.
    static let depthMax = 32

    private enum Open {
        case sequence([YAMLNode], line: Int)
        case mapping([YAMLNode.Entry], key: YAMLNode?, line: Int)
    }

    /// The root of the document, nil when there is none.
    static func parse(_ bytes: [UInt8]) throws(YAMLError) -> YAMLNode? {
        var parser = yaml_parser_t()
        guard yaml_parser_initialize(&parser) == 1 else {
            throw YAMLError(line: 1, message: "out of memory")
        }
        defer { yaml_parser_delete(&parser) }
        let outcome: Result<YAMLNode?, YAMLError> = bytes.withUnsafeBufferPointer { input in
            yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
            yaml_parser_set_input_string(&parser, input.baseAddress, input.count)
            do throws(YAMLError) { return .success(try root(&parser)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    private static func root(_ parser: inout yaml_parser_t) throws(YAMLError) -> YAMLNode? {
        var stack: [Open] = []
        var root: YAMLNode?
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(&parser, &event) == 1 else { throw failure(parser) }
            defer { yaml_event_delete(&event) }
            let line = Int(clamping: event.start_mark.line) + 1
            switch event.type {
            case YAML_STREAM_END_EVENT: return root
            case YAML_DOCUMENT_START_EVENT where root != nil:
                throw YAMLError(line: line, message: "a second document begins here; one is read")
            case YAML_ALIAS_EVENT:
                throw YAMLError(
                    line: line, message: "aliases (*name) are not read here; write the value itself")
            case YAML_SCALAR_EVENT:
                try add(scalar(event, line), to: &stack, &root)
            case YAML_SEQUENCE_START_EVENT, YAML_MAPPING_START_EVENT:
                guard stack.count < depthMax else {
                    throw YAMLError(line: line, message: "nested more than \(depthMax) deep")
                }
                let isSequence = event.type == YAML_SEQUENCE_START_EVENT
                stack.append(isSequence ? .sequence([], line: line) : .mapping([], key: nil, line: line))
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
                if let node = stack.popLast().map(closed) { try add(node, to: &stack, &root) }
            default: continue
            }
        }
    }

    private static func closed(_ open: Open) -> YAMLNode {
        switch open {
        case .sequence(let nodes, let line): YAMLNode(content: .sequence(nodes), line: line)
        case .mapping(let entries, _, let line): YAMLNode(content: .mapping(entries), line: line)
        }
    }

    /// Hands a whole node to the container it stands in.
    private static func add(
        _ node: YAMLNode, to stack: inout [Open], _ root: inout YAMLNode?
    ) throws(YAMLError) {
        switch stack.popLast() {
        case .none: root = node
        case .sequence(var nodes, let line):
            nodes.append(node)
            stack.append(.sequence(nodes, line: line))
        case .mapping(var entries, let key?, let line):
            entries.append(.init(key: key, value: node))
            stack.append(.mapping(entries, key: nil, line: line))
        case .mapping(let entries, nil, let line):
            guard node.text != nil else {
                throw YAMLError(line: node.line, message: "a key is a single value, not \(node.kindName)")
            }
            stack.append(.mapping(entries, key: node, line: line))
        }
    }

    private static func scalar(_ event: yaml_event_t, _ line: Int) -> YAMLNode {
        let scalar = event.data.scalar
        let bytes = UnsafeBufferPointer(start: scalar.value, count: scalar.length)
        let isPlain = scalar.style == YAML_PLAIN_SCALAR_STYLE
        return YAMLNode(
            content: .scalar(String(decoding: bytes, as: UTF8.self), isPlain: isPlain), line: line)
    }

    private static func failure(_ parser: yaml_parser_t) -> YAMLError {
        let problem = parser.problem.map { String(cString: $0) } ?? "not YAML"
        let context = parser.context.map { " " + String(cString: $0) } ?? ""
        return YAMLError(line: Int(clamping: parser.problem_mark.line) + 1, message: problem + context)
    }
}
