import Wire

/// The content of a tool's result as text for a person.
enum ToolResultText {
    static func lines(_ result: JSONValue) -> [String] {
        let content = result["content"]?.arrayValue ?? []
        if content.isEmpty, let structured = result["structuredContent"] {
            return [String(decoding: structured.serialized(pretty: true), as: UTF8.self)]
        }
        return content.map(line)
    }

    private static func line(_ block: JSONValue) -> String {
        let kind = block["type"]?.stringValue ?? "unknown"
        switch kind {
        case "text": return block["text"]?.stringValue ?? ""
        case "image", "audio":
            let type = block["mimeType"]?.stringValue ?? "?"
            let characters = block["data"]?.stringValue?.utf8.count ?? 0
            return "[\(kind) \(type), \(characters * 3 / 4) bytes; --json has it]"
        case "resource":
            let resource = block["resource"]
            return resource?["text"]?.stringValue
                ?? "[resource \(resource?["uri"]?.stringValue ?? "?"); --json has it]"
        case "resource_link": return "[link \(block["uri"]?.stringValue ?? "?")]"
        default: return String(decoding: block.serialized(), as: UTF8.self)
        }
    }
}
