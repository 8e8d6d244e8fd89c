import Wire

extension YAMLNode {
    /// The same as JSON, with YAML 1.2's core types for plain scalars. Recursion is as deep as `YAMLDocument`
    /// lets nodes be.
    func json() throws(YAMLError) -> JSONValue {
        switch content {
        case .scalar(let text, isPlain: false): return .string(text)
        case .scalar(let text, isPlain: true): return isNull ? .null : Self.plain(text)
        case .sequence(let nodes):
            var values: [JSONValue] = []
            for node in nodes { values.append(try node.json()) }
            return .array(values)
        case .mapping(let entries):
            var object = JSONObject()
            for entry in entries {
                let name = entry.key.text ?? ""
                guard object[name] == nil else {
                    throw YAMLError(line: entry.key.line, message: "\(name) is there twice")
                }
                object[name] = try entry.value.json()
            }
            return .object(object)
        }
    }

    private static func plain(_ text: String) -> JSONValue {
        switch text {
        case "true", "True", "TRUE": return true
        case "false", "False", "FALSE": return false
        default:
            if let number = Int(text) { return .integer(number) }
            // What JSON takes as a number: `.5`, `1.` and `nan` stay text.
            if case .number? = try? JSONValue.parse(text), let value = try? JSONValue.parse(text) {
                return value
            }
            return .string(text)
        }
    }
}
