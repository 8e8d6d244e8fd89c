import Wire

/// An entry of our catalog while it is being put together from another one's.
struct ImportedServer {
    var key: String
    var aliases: [String] = []
    var title: String
    var category = "special"
    var tags: [String] = []
    var summary: String
    var homepage: String?
    var repository: JSONObject?
    private(set) var properties: [JSONObject] = []
    var run = JSONObject()
    var remote: JSONObject?
    var oauth: JSONObject?
    var origin: JSONObject?
    /// What could not be taken over, in words.
    var notes: [String] = []

    /// Adds a property, unless there is one of its name: two ways to say one thing are one property.
    mutating func addProperty(
        _ name: String, type: String = "string", items: String? = nil, isRequired: Bool = false,
        isSecret: Bool = false,
        alias: String? = nil, more: [(String, JSONValue?)] = []
    ) {
        guard !properties.contains(where: { $0["name"]?.stringValue == name }) else { return }
        var property = JSONObject()
        property["name"] = .string(name)
        property["type"] = .string(type)
        if type == "array" { property["items"] = .string(items ?? "string") }
        let hasDefault = more.contains { $0.0 == "default" && $0.1 != nil }
        property["required"] = .bool(isRequired && !hasDefault)
        property["secret"] = .bool(isSecret)
        for (member, value) in more { property[member] = value }
        let taken = properties.flatMap { $0["aliases"]?.arrayValue ?? [] }
        if let alias, alias != name, !taken.contains(.string(alias)) {
            property["aliases"] = [.string(alias)]
        }
        properties.append(property)
    }

    /// Whether it can be run or reached in any way.
    var isUsable: Bool { !run.isEmpty || remote != nil }

    var json: JSONValue {
        var entry = JSONObject()
        entry["key"] = .string(key)
        entry["aliases"] = .array(unique(aliases).filter { $0 != key }.map(JSONValue.string))
        entry["title"] = .string(title)
        entry["category"] = .string(category)
        if !tags.isEmpty { entry["tags"] = .array(unique(tags).map(JSONValue.string)) }
        entry["summary"] = .string(summary)
        entry["status"] = "active"
        entry["homepage"] = homepage.map(JSONValue.string)
        entry["repository"] = repository.map(JSONValue.object)
        entry["config"] = .array(properties.map(JSONValue.object))
        if !run.isEmpty { entry["run"] = .object(run) }
        entry["remote"] = remote.map(JSONValue.object)
        entry["oauth"] = oauth.map(JSONValue.object)
        entry["origin"] = .object(origin ?? JSONObject())
        return .object(entry)
    }

    private func unique(_ texts: [String]) -> [String] {
        var seen: Set<String> = []
        return texts.filter { seen.insert($0).inserted }
    }
}
