import Wire

/// One entry of Docker's catalog, or a `server.yaml` of its registry.
struct DockerEntry {
    /// Docker's words for categories that are ours under another name.
    static let categories = [
        "database": "data", "data": "data", "data-analytics": "data", "data-visualization": "data",
        "cloud": "cloud",
        "devops": "cloud", "development": "development", "developer-tools": "development",
        "documentation": "development", "search": "web", "web": "web", "web-search": "web", "scraping": "web",
        "communication": "business", "productivity": "business", "business": "business", "crm": "business",
        "ai": "ai", "machine-learning": "ai", "media": "ai", "finance": "finance", "ecommerce": "finance",
        "payments": "finance", "monitoring": "observability", "observability": "observability",
        "security": "security",
    ]

    let name: String
    let entry: JSONValue
    var made: EntryDraft
    var scope = DockerTemplate.Scope()
    var environment = JSONObject()

    init(name: String, _ value: JSONValue) {
        self.name = name
        entry = value
        let title = value["title"]?.stringValue ?? value["about"]?["title"]?.stringValue ?? name
        let description = value["description"]?.stringValue ?? value["about"]?["description"]?.stringValue
        made = EntryDraft(
            label: shown(name), key: ImportNames.key(name), otherKey: ImportNames.plainKey(name),
            title: title.isEmpty ? name : title, summary: ImportNames.summary(description, title: name))
    }

    func draft() -> EntryDraft {
        var reader = self
        reader.read()
        return reader.made
    }

    mutating func read() {
        readFacts()
        readParameters()
        // Docker asks for nothing that is not listed as required; a server that has secrets and nothing else to
        // set is of no use without them.
        readSecrets(areRequired: made.properties.isEmpty)
        readEnvironment()
        readRemote()
        readOAuth()
        let kind = entry["type"]?.stringValue
        if kind == "poci" {
            readContainerTools()
        } else if kind != "remote", field("image") != nil {
            readImage()
        }
    }

    /// A field of the catalog's form, or where a `server.yaml` has it.
    func field(_ name: String) -> JSONValue? {
        let value = entry[name] ?? entry["run"]?[name]
        return value?.isNull == true ? nil : value
    }

    mutating func readFacts() {
        made.aliases = [name, ImportNames.camelCase(made.key)].filter { $0 != made.key }
        let meta = entry["metadata"] ?? entry["meta"]
        let category = meta?["category"]?.stringValue ?? entry["category"]?.stringValue
        made.category = category.flatMap { Self.categories[$0.lowercased()] } ?? "special"
        made.tags = Self.strings(entry["tags"] ?? meta?["tags"])
        let source = entry["source"]
        let project = source?["project"]?.stringValue ?? entry["upstream"]?.stringValue
        if let project, project.hasPrefix("https://") {
            made.homepage = project
            var repository = JSONObject()
            repository["url"] = .string(project)
            repository["commit"] = source?["commit"]
            repository["directory"] = source?["directory"]
            made.repository = repository
        }
        made.origin = JSONObject()
        made.origin?["dockerRegistry"] = .string(name)
    }

    // MARK: Settings

    mutating func readParameters() {
        let config = entry["config"]
        // The catalog has a list of schemas, a server.yaml one under `parameters`.
        let schemas =
            config?.arrayValue
            ?? [config?["parameters"], config?["properties"] == nil ? nil : config].compactMap(\.self)
        for schema in schemas {
            readSchema(schema)
            for choice in schema["anyOf"]?.arrayValue ?? [] {
                let names = Self.strings(choice["required"]).compactMap { scope.parameters[$0] }
                made.requireAnyOf.append(names)
            }
        }
    }

    mutating func readSchema(_ schema: JSONValue) {
        var open: [(path: String, schema: JSONValue)] = [("", schema)]
        while !open.isEmpty {
            let (path, schema) = open.removeFirst()
            let required = Self.strings(schema["required"])
            for member in schema["properties"]?.objectValue?.members ?? [] {
                let full = path.isEmpty ? member.name : "\(path).\(member.name)"
                if member.value["properties"] != nil {
                    open.append((full, member.value))
                } else {
                    addParameter(full, member.value, isRequired: required.contains(member.name))
                }
            }
        }
    }

    mutating func addParameter(_ path: String, _ schema: JSONValue, isRequired: Bool) {
        var property = PropertyDraft(name: ImportNames.camelCase(path))
        guard Names.isProperty(property.name) else {
            made.warnings.append("its parameter \(shown(path)) has no name that can be used here")
            return
        }
        let kinds = ["string", "integer", "number", "boolean", "array"]
        property.kind = schema["type"]?.stringValue.flatMap { kinds.contains($0) ? $0 : nil } ?? "string"
        let items = schema["items"]?["type"]?.stringValue
        property.items = items == "integer" || items == "number" ? items : "string"
        property.choices = Self.strings(schema["enum"])
        property.defaultValue = schema["default"]
        property.summary = schema["description"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        property.isRequired = isRequired
        let last = path.split(separator: ".").last.map(String.init) ?? path
        property.aliases = ["\(name).\(path)", path, last].filter { $0 != property.name }
        made.add(property)
        scope.parameters[path] = property.name
        scope.parameters["\(name).\(path)"] = property.name
    }

    mutating func readSecrets(areRequired: Bool) {
        let isOptional = entry["oauth"] != nil
        for secret in entry["secrets"]?.arrayValue ?? entry["config"]?["secrets"]?.arrayValue ?? [] {
            guard let variable = secret["env"]?.stringValue, Names.isVariable(variable) else { continue }
            var property = PropertyDraft(name: ImportNames.secret(variable, of: name))
            guard Names.isProperty(property.name) else { continue }
            let dotted = secret["name"]?.stringValue ?? ""
            let last = dotted.split(separator: ".").last.map(String.init) ?? ""
            property.aliases = [dotted, variable, last].filter { $0 != property.name }
            property.isSecret = true
            property.isRequired = secret["required"]?.boolValue ?? (areRequired && !isOptional)
            made.add(property)
            scope.secrets[variable] = property.name
            environment[variable] = .string("${config.\(property.name)}")
        }
    }

    mutating func readEnvironment() {
        var variables = entry["env"]?.arrayValue ?? []
        // `run.env` is a mapping, `config.env` a list as in the catalog.
        for member in entry["run"]?["env"]?.objectValue?.members ?? [] {
            variables.append(["name": .string(member.name), "value": member.value])
        }
        variables += entry["config"]?["env"]?.arrayValue ?? []
        for variable in variables {
            guard let name = variable["name"]?.stringValue, let value = Self.text(variable["value"]) else {
                continue
            }
            guard Names.isVariable(name) else {
                made.warnings.append("its variable \(shown(name)) has no usable name")
                continue
            }
            if !value.isEmpty, let text = translated(value, "variable \(name)") {
                environment[name] = .string(text)
            }
        }
    }

    // MARK: Texts

    mutating func translated(_ text: String, _ place: String) -> String? {
        let template = DockerTemplate(text, scope)
        apply(template.filters, to: template.property)
        return known(template, place)
    }

    mutating func known(_ template: DockerTemplate, _ place: String) -> String? {
        if template.unknown.isEmpty { return template.text }
        let paths = template.unknown.map { "{{\(shown($0))}}" }.joined(separator: ", ")
        made.warnings.append("its \(place) is left out: \(paths) is not a parameter of it")
        return nil
    }

    /// Filters that say something of the property itself.
    mutating func apply(_ filters: [String], to property: String?) {
        guard let property else { return }
        for filter in filters {
            if filter.hasPrefix("or:"), filter != "or:[]" {
                let value = String(filter.dropFirst(3))
                made.change(property) { $0.defaultValue = $0.defaultValue ?? .string(value) }
            } else if filter == "first" || filter == "last" {
                made.warnings.append("all items of \(property) are used, not its \(filter) one")
            }
        }
    }

    static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap { text($0) }
    }

    /// YAML has numbers and booleans where a text is meant.
    static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .number(_, let text): text
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }
}
