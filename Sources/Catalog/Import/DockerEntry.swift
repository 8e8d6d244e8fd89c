import Wire

/// One entry of Docker's catalog, or a `server.yaml` of its registry.
struct DockerEntry {
    /// Docker's words for categories that are ours under another name.
    private static let categories = [
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
    private var made: EntryDraft
    private var scope = DockerTemplate.Scope()
    private var environment = JSONObject()

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

    private mutating func read() {
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
    private func field(_ name: String) -> JSONValue? {
        let value = entry[name] ?? entry["run"]?[name]
        return value?.isNull == true ? nil : value
    }

    private mutating func readFacts() {
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

    private mutating func readParameters() {
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

    private mutating func readSchema(_ schema: JSONValue) {
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

    private mutating func addParameter(_ path: String, _ schema: JSONValue, isRequired: Bool) {
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

    private mutating func readSecrets(areRequired: Bool) {
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

    private mutating func readEnvironment() {
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

    // MARK: Ways

    private mutating func readImage() {
        var image = JSONObject()
        image["image"] = field("image")
        let arguments = arguments(Self.strings(field("command")))
        image["args"] = arguments.isEmpty ? nil : .array(arguments)
        image["env"] = environment.isEmpty ? nil : .object(environment)
        let volumes = Self.strings(field("volumes")).compactMap { volume($0) }
        image["volumes"] = volumes.isEmpty ? nil : .array(volumes)
        if let user = field("user").flatMap(Self.text), !user.isEmpty {
            image["user"] = translated(user, "user").map(JSONValue.string)
        }
        image["network"] = network()
        image["longLived"] = field("longLived")?.boolValue == true ? true : nil
        if field("extraHosts") != nil { made.warnings.append("extraHosts is not taken over") }
        made.run["oci"] = .object(image)
    }

    private mutating func network() -> JSONValue? {
        if field("disableNetwork")?.boolValue == true { return ["mode": "none"] }
        let hosts = Self.strings(field("allowHosts"))
        let usable = hosts.filter(Names.isHostAndPort)
        if usable.count < hosts.count { made.warnings.append("hosts without a port are not taken over") }
        return usable.isEmpty
            ? nil : ["mode": "allowlist", "allowHosts": .array(usable.map(JSONValue.string))]
    }

    /// A flag and the optional value that follows it become a group, so that neither stands alone.
    private mutating func arguments(_ texts: [String]) -> [JSONValue] {
        var arguments: [JSONValue] = []
        for (index, text) in texts.enumerated() {
            let template = DockerTemplate(text, scope)
            apply(template.filters, to: template.property)
            guard let translated = known(template, "argument \(index + 1)") else { continue }
            let property = template.property.flatMap { made.property($0) }
            if template.isWhole, let property, !property.isRequired, property.kind != "array",
                case .string(let flag)? = arguments.last, flag.hasPrefix("-"), !flag.contains("="),
                !flag.contains("${")
            {
                arguments[arguments.count - 1] = [.string(flag), .string(translated)]
            } else {
                arguments.append(.string(translated))
            }
        }
        return arguments
    }

    /// `a:b`, `a:b:ro`, or a path or list of paths that stands for itself.
    private mutating func volume(_ text: String) -> JSONValue? {
        let template = DockerTemplate(text, scope)
        apply(template.filters, to: template.property)
        guard let translated = known(template, "volume") else { return nil }
        let mount = template.filters.first { $0.hasPrefix("mount_as:") }.map {
            String($0.dropFirst("mount_as:".count))
        }
        if template.isWhole, let property = template.property,
            mount != nil || template.filters.contains("volume")
        {
            made.change(property) { $0.isPath = true }
            return ["kind": "bind", "source": .string(translated), "target": .string(mount ?? translated)]
        }
        let parts = Self.volumeParts(translated)
        guard parts.count == 2 || parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty else {
            made.warnings.append("its volume \(shown(text)) is not understood")
            return nil
        }
        if let property = template.property, parts[0] == "${config.\(property)}" {
            made.change(property) { $0.isPath = true }
        }
        let isPath = parts[0].contains("/") || parts[0].contains("${")
        var volume = JSONObject()
        volume["kind"] = isPath ? "bind" : "volume"
        volume["source"] = .string(parts[0])
        volume["target"] = .string(parts[1])
        volume["readOnly"] = parts.count == 3 && parts[2].split(separator: ",").contains("ro") ? true : nil
        return .object(volume)
    }

    /// At colons outside of `${…}`.
    private static func volumeParts(_ text: String) -> [String] {
        var parts = [""]
        var isInside = false
        for character in text {
            if character == "{" { isInside = true }
            if character == "}" { isInside = false }
            if character == ":", !isInside {
                parts.append("")
            } else {
                parts[parts.count - 1].append(character)
            }
        }
        return parts
    }

    private mutating func readRemote() {
        let remote = entry["remote"]
        guard let url = remote?["url"]?.stringValue ?? entry["sseEndpoint"]?.stringValue else { return }
        var object = JSONObject()
        switch remote?["transport_type"]?.stringValue {
        case "sse": object["transport"] = "sse"
        case nil where remote?["url"] == nil || url.hasSuffix("/sse"): object["transport"] = "sse"
        default: object["transport"] = "streamable-http"
        }
        guard let text = translated(url, "url") else { return }
        object["url"] = .string(text)
        var headers = JSONObject()
        for header in remote?["headers"]?.objectValue?.members ?? [] {
            guard let value = Self.text(header.value) else { continue }
            headers[header.name] = translated(value, "header \(header.name)").map(JSONValue.string)
        }
        object["headers"] = headers.isEmpty ? nil : .object(headers)
        made.remote = object
    }

    /// The token comes from the provider's flow, or from a property that the user fills.
    private mutating func readOAuth() {
        let providers = entry["oauth"]?["providers"]?.arrayValue ?? entry["oauth"]?.arrayValue
        guard let first = providers?.first, let provider = first["provider"]?.stringValue, !provider.isEmpty
        else { return }
        var token = first["env"]?.stringValue.flatMap { scope.secrets[$0] }
        if token == nil {
            var property = PropertyDraft(name: "accessToken")
            property.isSecret = true
            property.aliases = [first["secret"]?.stringValue, first["env"]?.stringValue].compactMap(\.self)
            made.add(property)
            token = property.name
            if let variable = first["env"]?.stringValue, Names.isVariable(variable) {
                environment[variable] = "${config.accessToken}"
            }
        }
        guard let token else { return }
        var headers = made.remote?["headers"]?.objectValue ?? JSONObject()
        if made.remote != nil, !headers.names.contains(where: { $0.lowercased() == "authorization" }) {
            headers["Authorization"] = .string("Bearer ${config.\(token)}")
            made.remote?["headers"] = .object(headers)
        }
        made.oauth = JSONObject()
        made.oauth?["provider"] = .string(provider)
        made.oauth?["tokenProperty"] = .string(token)
    }

    private mutating func readContainerTools() {
        let tools = (entry["tools"]?.arrayValue ?? []).compactMap { tool -> JSONValue? in
            guard let name = tool["name"]?.stringValue, let image = tool["container"]?["image"] else {
                return nil
            }
            let arguments = Self.strings(tool["container"]?["command"]).map {
                JSONValue.string(Self.input($0))
            }
            var object = JSONObject()
            object["name"] = .string(name)
            object["summary"] = .string(ImportNames.summary(tool["description"]?.stringValue, title: name))
            object["inputSchema"] = Self.schema(tool)
            object["image"] = image
            object["args"] = arguments.isEmpty ? nil : .array(arguments)
            return .object(object)
        }
        if !tools.isEmpty { made.run["containerTools"] = .array(tools) }
    }

    /// `{{name|into}}` of a tool's container is an argument of the tool.
    private static func input(_ text: String) -> String {
        var out = ""
        for (index, piece) in text.split(separator: "{{", omittingEmptySubsequences: false).enumerated() {
            let halves = piece.split(separator: "}}", maxSplits: 1, omittingEmptySubsequences: false)
            guard index > 0, halves.count == 2 else {
                out += (index > 0 ? "{{" : "") + escaped(piece)
                continue
            }
            let name = halves[0].prefix { $0 != "|" }.filter { !$0.isWhitespace }
            out += "${input.\(name)}" + escaped(halves[1])
        }
        return out
    }

    private static func schema(_ tool: JSONValue) -> JSONValue {
        if let parameters = tool["parameters"], parameters.objectValue != nil { return parameters }
        var properties = JSONObject()
        var required: [JSONValue] = []
        for argument in tool["arguments"]?.arrayValue ?? [] {
            guard let name = argument["name"]?.stringValue else { continue }
            var property = JSONObject()
            property["type"] = argument["type"] ?? "string"
            property["items"] = argument["items"]
            property["description"] = argument["desc"] ?? argument["description"]
            properties[name] = .object(property)
            if argument["optional"]?.boolValue != true { required.append(.string(name)) }
        }
        return ["type": "object", "properties": .object(properties), "required": .array(required)]
    }

    // MARK: Texts

    private mutating func translated(_ text: String, _ place: String) -> String? {
        let template = DockerTemplate(text, scope)
        apply(template.filters, to: template.property)
        return known(template, place)
    }

    private mutating func known(_ template: DockerTemplate, _ place: String) -> String? {
        if template.unknown.isEmpty { return template.text }
        let paths = template.unknown.map { "{{\(shown($0))}}" }.joined(separator: ", ")
        made.warnings.append("its \(place) is left out: \(paths) is not a parameter of it")
        return nil
    }

    /// Filters that say something of the property itself.
    private mutating func apply(_ filters: [String], to property: String?) {
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

    private static func strings(_ value: JSONValue?) -> [String] {
        (value?.arrayValue ?? []).compactMap { text($0) }
    }

    /// YAML has numbers and booleans where a text is meant.
    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text): text
        case .integer(let number): "\(number)"
        case .number(_, let text): text
        case .bool(let flag): flag ? "true" : "false"
        default: nil
        }
    }
}
