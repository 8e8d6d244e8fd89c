import Wire

/// A property on its way into a catalog.
struct PropertyDraft {
    var name: String
    var aliases: [String] = []
    var kind = "string"
    var items: String?
    var isPath = false
    var isRequired = false
    var isSecret = false
    var defaultValue: JSONValue?
    var choices: [String] = []
    var example: JSONValue?
    var summary: String?

    fileprivate func json(isRequired: Bool) -> JSONValue {
        let defaultValue = fittingDefault
        var object = JSONObject()
        object["name"] = .string(name)
        object["type"] = .string(kind)
        object["items"] = kind == "array" ? .string(items ?? "string") : nil
        object["format"] = isPath ? "path" : nil
        object["required"] = .bool(isRequired && defaultValue == nil)
        object["secret"] = .bool(isSecret)
        object["default"] = defaultValue
        object["enum"] = choices.isEmpty ? nil : .array(choices.map(JSONValue.string))
        object["example"] = isSecret ? nil : example
        object["summary"] = summary.map(JSONValue.string)
        object["aliases"] = aliases.isEmpty ? nil : .array(aliases.map(JSONValue.string))
        return .object(object)
    }

    /// A default that the property itself takes: examples such as `$HOME/x` stand there too.
    private var fittingDefault: JSONValue? {
        guard let defaultValue, !isSecret else { return nil }
        var property = ConfigProperty(name: name)
        property.kind = ConfigProperty.Kind(rawValue: kind) ?? .string
        property.items = items.flatMap(ConfigProperty.Kind.init(rawValue:)) ?? .string
        property.choices = choices
        property.format = isPath ? .path : nil
        guard (try? property.convert(defaultValue, home: "/")) != nil else { return nil }
        return defaultValue
    }
}

/// An entry on its way into a catalog.
struct EntryDraft {
    /// What warnings call it.
    var label: String
    var key: String
    /// In place of `key` when that is taken.
    var otherKey: String
    var title: String
    var summary: String
    var category = "special"
    var aliases: [String] = []
    var tags: [String] = []
    var status: String?
    var homepage: String?
    var repository: JSONObject?
    var requireAnyOf: [[String]] = []
    var run = JSONObject()
    var remote: JSONObject?
    var oauth: JSONObject?
    var origin: JSONObject?
    var warnings: [String] = []
    private(set) var properties: [PropertyDraft] = []

    init(label: String, key: String, otherKey: String, title: String, summary: String) {
        self.label = label
        self.key = key
        self.otherKey = otherKey
        self.title = title
        self.summary = summary
    }

    func property(_ name: String) -> PropertyDraft? { properties.first { $0.name == name } }

    /// Adds a property, or merges it into the one of the same name.
    mutating func add(_ property: PropertyDraft) {
        if let at = properties.firstIndex(where: { $0.name == property.name }) {
            properties[at].isRequired = properties[at].isRequired && property.isRequired
            properties[at].isSecret = properties[at].isSecret || property.isSecret
            properties[at].aliases += property.aliases
            return
        }
        properties.append(property)
    }

    mutating func change(_ name: String, _ body: (inout PropertyDraft) -> Void) {
        if let at = properties.firstIndex(where: { $0.name == name }) { body(&properties[at]) }
    }

    // MARK: Names

    /// Takes a key and aliases that no earlier entry has.
    mutating func settleNames(_ taken: inout Set<String>) {
        if taken.contains(key), !taken.contains(otherKey), Names.isKey(otherKey) { key = otherKey }
        if taken.contains(key) {
            var number = 2
            while taken.contains("\(key)-\(number)") { number += 1 }
            warnings.append("its key \(key) is taken; it is \(key)-\(number) here")
            key = "\(key)-\(number)"
        }
        taken.insert(key)
        aliases = aliases.filter { Names.isAlias($0) && taken.insert($0).inserted }
        settlePropertyNames()
    }

    /// Names come before aliases; an alias that two properties claim is the first one's.
    private mutating func settlePropertyNames() {
        var seen = Set(properties.map(\.name))
        for at in properties.indices {
            properties[at].aliases = properties[at].aliases.filter { !$0.isEmpty && seen.insert($0).inserted }
        }
    }

    // MARK: The entry

    var json: JSONValue {
        var object = JSONObject()
        object["key"] = .string(key)
        object["aliases"] = .array(aliases.map(JSONValue.string))
        object["title"] = .string(title)
        object["category"] = .string(category)
        object["tags"] = tags.isEmpty ? nil : .array(tags.map(JSONValue.string))
        object["summary"] = .string(summary)
        object["status"] = .string(status ?? "active")
        object["homepage"] = homepage.map(JSONValue.string)
        object["repository"] = repository.map(JSONValue.object)
        let ways = waysText
        object["config"] = .array(
            properties.map { property in
                // What nothing refers to cannot be required.
                property.json(isRequired: property.isRequired && ways.uses(property.name))
            })
        let anyOf = requireAnyOf.filter { !$0.isEmpty }
        object["requireAnyOf"] = anyOf.isEmpty ? nil : .array(anyOf.map { .array($0.map(JSONValue.string)) })
        object["run"] = run.isEmpty ? nil : .object(run)
        object["remote"] = remote.map(JSONValue.object)
        object["oauth"] = oauth.map(JSONValue.object)
        object["origin"] = origin.map(JSONValue.object)
        return .object(object)
    }

    /// Where references are looked for.
    private var waysText: Ways {
        let whole: JSONValue = ["run": .object(run), "remote": remote.map(JSONValue.object) ?? .null]
        return Ways(text: String(decoding: whole.serialized(), as: UTF8.self))
    }

    private struct Ways {
        let text: String

        func uses(_ name: String) -> Bool {
            text.contains("${config.\(name)}") || text.contains("\"when\":\"\(name)\"")
        }
    }
}

/// Takes `${` in foreign text as the text that it is.
func escaped(_ text: some StringProtocol) -> String {
    var out = ""
    var rest = text[...]
    while let dollar = rest.firstIndex(of: "$") {
        out += rest[..<dollar]
        rest = rest[rest.index(after: dollar)...]
        out += rest.hasPrefix("{") ? "$$" : "$"
    }
    return out + rest
}
