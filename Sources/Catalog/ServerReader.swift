import Wire

/// Reads one entry of a catalog file and checks all that can be known without a user's settings.
struct ServerReader {
    private static let fields = [
        "key", "aliases", "title", "category", "tags", "summary", "status", "homepage", "documentation",
        "repository", "config", "requireAnyOf", "run", "remote", "oauth", "origin",
    ]

    let fields: FieldReader
    let categories: Set<String>

    /// Nil when the entry has a mistake.
    func read() -> CatalogServer? {
        fields.expect(Self.fields)
        let properties = PropertyReader.read(fields)
        let ways = WaysReader(fields: fields, properties: properties).read()
        let key = key()
        let title = fields.string("title", required: true)
        let category = category()
        let summary = fields.string("summary", required: true)
        let status = fields.choice("status", CatalogServer.Status.self)
        let aliases = aliases()
        let oauth = oauth(properties)
        let anyOf = requireAnyOf(properties)
        warnOfUnused(properties, ways, oauth)
        guard let key, let title, let category, let summary else { return nil }
        return CatalogServer(
            key: key, aliases: aliases, title: title, category: category, tags: fields.strings("tags"),
            summary: summary, status: status ?? .active, homepage: fields.url("homepage"),
            documentation: fields.url("documentation"), properties: properties, requireAnyOf: anyOf,
            oauth: oauth, ways: ways, text: JSONValue.object(fields.object).serialized())
    }

    private func key() -> String? {
        guard let key = fields.string("key", required: true) else { return nil }
        guard Names.isKey(key) else {
            fields.mistake("key", "\"\(shown(key))\" is not words of a-z and 0-9 with dashes between them")
            return nil
        }
        return key
    }

    private func aliases() -> [String] {
        let aliases = fields.strings("aliases")
        for (index, alias) in aliases.enumerated() where !Names.isAlias(alias) {
            fields.mistake(
                "aliases[\(index)]",
                "\"\(shown(alias))\" is not a name: letters, digits and . _ - / after a letter or digit")
        }
        return aliases
    }

    private func category() -> String? {
        guard let category = fields.string("category", required: true) else { return nil }
        guard categories.contains(category) else {
            fields.mistake("category", "\"\(shown(category))\" is not one of this file's categories")
            return nil
        }
        return category
    }

    private func oauth(_ properties: [ConfigProperty]) -> CatalogServer.OAuth? {
        guard let inner = fields.object("oauth") else { return nil }
        inner.expect(["provider", "tokenProperty", "scopes"])
        guard let provider = inner.string("provider", required: true),
            let property = inner.string("tokenProperty", required: true)
        else { return nil }
        guard properties.contains(where: { $0.name == property }) else {
            inner.mistake("tokenProperty", "\"\(shown(property))\" is not a property of this server")
            return nil
        }
        return .init(provider: provider, tokenProperty: property)
    }

    private func requireAnyOf(_ properties: [ConfigProperty]) -> [[String]] {
        fields.array("requireAnyOf").enumerated().compactMap { index, element in
            let field = "requireAnyOf[\(index)]"
            let names = element.arrayValue?.compactMap(\.stringValue) ?? []
            guard !names.isEmpty, names.count == element.arrayValue?.count else {
                fields.mistake(field, "must be an array of property names")
                return nil
            }
            for name in names where !properties.contains(where: { $0.name == name }) {
                fields.mistake(field, "\"\(shown(name))\" is not a property of this server")
            }
            return names
        }
    }

    /// A setting that nothing refers to has no effect, which its user would not learn.
    private func warnOfUnused(_ properties: [ConfigProperty], _ ways: Ways, _ oauth: CatalogServer.OAuth?) {
        guard !ways.hasContainerTools else { return }
        let used = Set(Runtime.allCases.flatMap(ways.references) + [oauth?.tokenProperty ?? ""])
        for property in properties where !used.contains(property.name) {
            if property.isRequired {
                fields.mistake("config", "\"\(property.name)\" is required, but nothing refers to it")
            } else {
                fields.findings.warning(fields.place(of: "config"), "nothing refers to \"\(property.name)\"")
            }
        }
    }
}

/// Reads the properties of one entry.
enum PropertyReader {
    private static let fields = [
        "name", "aliases", "type", "items", "format", "required", "secret", "default", "enum", "example",
        "summary",
    ]

    static func read(_ server: FieldReader) -> [ConfigProperty] {
        var owner: [String: String] = [:]
        return server.objects("config").compactMap { fields in
            guard let property = property(fields) else { return nil }
            for name in [property.name] + property.aliases {
                if let other = owner.updateValue(property.name, forKey: name) {
                    fields.mistake("name", "\"\(shown(name))\" names \(shown(other)) too")
                }
            }
            return property
        }
    }

    private static func property(_ fields: FieldReader) -> ConfigProperty? {
        fields.expect(Self.fields)
        let kind = fields.choice("type", ConfigProperty.Kind.self, required: true)
        guard let name = fields.string("name", required: true) else { return nil }
        guard Names.isProperty(name) else {
            fields.mistake("name", "\"\(shown(name))\" is not a letter followed by letters and digits")
            return nil
        }
        var property = ConfigProperty(name: name)
        property.kind = kind ?? .string
        property.aliases = fields.strings("aliases")
        property.format = fields.choice("format", ConfigProperty.Format.self)
        property.isRequired = fields.bool("required")
        property.isSecret = fields.bool("secret")
        property.choices = fields.strings("enum")
        property.summary = fields.string("summary")
        property.example = fields.value("example")
        property.defaultValue = fields.value("default")
        readItems(&property, fields)
        check(property, fields)
        return property
    }

    private static func readItems(_ property: inout ConfigProperty, _ fields: FieldReader) {
        let items = fields.choice("items", ConfigProperty.Kind.self, required: property.kind == .array)
        guard let items else { return }
        guard property.kind == .array, items != .array, items != .boolean else {
            return fields.mistake("items", "only an array has items, and they are string, integer or number")
        }
        property.items = items
    }

    private static func check(_ property: ConfigProperty, _ fields: FieldReader) {
        if property.isSecret, property.defaultValue != nil || property.example != nil {
            fields.mistake("secret", "a secret has no default and no example")
        }
        guard let value = property.defaultValue else { return }
        if property.isRequired { fields.mistake("required", "a property with a default is never required") }
        do throws(ConfigProperty.Mismatch) {
            _ = try property.convert(value, home: "/")
        } catch {
            fields.mistake("default", error.reason)
        }
    }
}
