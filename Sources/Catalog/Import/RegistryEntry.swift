import Wire

/// One `server.json` of the MCP registry, in the spelling of any of its schemas: camelCase since September 2025,
/// snake_case before.
struct RegistryEntry {
    /// Names and top-level domains of the hosts that a package of its kind comes from anyway.
    private static let usualHosts = [
        ("pypi", "org"), ("registry.npmjs", "org"), ("docker", "io"), ("registry-1.docker", "io"),
        ("hub.docker", "com"),
    ]

    private let server: JSONValue
    private var made: EntryDraft

    /// Nil when it has no name.
    init?(_ value: JSONValue) {
        guard let name = value["name"]?.stringValue, !name.isEmpty else { return nil }
        server = value
        let short = name.split(separator: "/").last.map(String.init) ?? name
        let title = value["title"]?.stringValue ?? short
        made = EntryDraft(
            label: shown(name), key: ImportNames.key(short), otherKey: ImportNames.plainKey(name),
            title: title.isEmpty ? short : title,
            summary: ImportNames.summary(value["description"]?.stringValue, title: title))
        made.aliases = [name, ImportNames.camelCase(made.key)].filter { $0 != made.key }
    }

    func draft() -> EntryDraft {
        var reader = self
        reader.readFacts()
        for package in server["packages"]?.arrayValue ?? [] { reader.readPackage(package) }
        for remote in server["remotes"]?.arrayValue ?? [] where reader.made.remote == nil {
            reader.readRemote(remote)
        }
        return reader.made
    }

    private mutating func readFacts() {
        let url = server["repository"]?["url"]?.stringValue.flatMap { $0.hasPrefix("http") ? $0 : nil }
        let website = Self.member(server, "websiteUrl", "website_url")?.stringValue
        made.homepage = website.flatMap { $0.hasPrefix("http") ? $0 : nil } ?? url
        if let url {
            var repository = JSONObject()
            repository["url"] = .string(url)
            repository["directory"] = server["repository"]?["subfolder"]
            made.repository = repository
        }
        if server["status"]?.stringValue == "deprecated" { made.status = "archived" }
    }

    // MARK: Packages

    private mutating func readPackage(_ package: JSONValue) {
        let type = Self.member(package, "registryType", "registry_type", "registry_name")?.stringValue ?? ""
        let kind = ["docker": "oci", "docker-hub": "oci"][type] ?? type
        guard let identifier = Self.member(package, "identifier", "name")?.stringValue, !identifier.isEmpty
        else {
            made.warnings.append("a package without an identifier is left out")
            return
        }
        let transport = package["transport"]?["type"]?.stringValue ?? "stdio"
        let base = Self.member(package, "registryBaseUrl", "registry_base_url")?.stringValue ?? ""
        if !["pypi", "npm", "oci"].contains(kind) {
            return leaveOut(identifier, "packages of kind \(shown(type)) are not known here")
        }
        if transport != "stdio" { return leaveOut(identifier, "it serves \(shown(transport)), not stdio") }
        if kind != "oci", !Self.isUsual(base) { return leaveOut(identifier, "it comes from \(shown(base))") }
        // One of each kind is kept.
        guard made.run[kind] == nil else { return }
        var run = JSONObject()
        let version = package["version"]?.stringValue.flatMap { $0.isEmpty || $0 == "latest" ? nil : $0 }
        if kind == "oci" {
            run["image"] = .string(Self.image(identifier, version, base))
        } else {
            run["package"] = .string(identifier)
            run["version"] = version.map(JSONValue.string)
        }
        readLaunch(package, &run)
        readRuntimeArguments(package, kind, &run)
        if kind != "oci" { run["match"] = "same-source" }
        made.run[kind] = .object(run)
    }

    private mutating func leaveOut(_ identifier: String, _ reason: String) {
        made.warnings.append("its package \(shown(identifier)) is left out: \(reason)")
    }

    private static func isUsual(_ base: String) -> Bool {
        if base.isEmpty { return true }
        let url = base.hasSuffix("/") ? String(base.dropLast()) : base
        return usualHosts.contains { name, domain in
            url == "https://\(name).\(domain)" || url == "https://\(name).\(domain)/simple"
        }
    }

    /// Host, path and tag; the tag and, for other hosts than Docker Hub, the host may stand apart.
    private static func image(_ identifier: String, _ version: String?, _ base: String) -> String {
        var image = identifier
        let first = identifier.prefix { $0 != "/" }
        let hasHost = identifier.contains("/") && (first.contains(".") || first.contains(":"))
        if !hasHost, !isUsual(base), let host = EndpointURL.split(base)?.authority {
            image = "\(host)/\(image)"
        }
        let last = image.split(separator: "/").last ?? ""
        guard let version, !last.contains(":"), !last.contains("@") else { return image }
        return "\(image):\(version)"
    }

    private mutating func readLaunch(_ package: JSONValue, _ run: inout JSONObject) {
        var arguments: [JSONValue] = []
        for argument in Self.member(package, "packageArguments", "package_arguments")?.arrayValue ?? [] {
            if let argument = self.argument(argument) { arguments.append(argument) }
        }
        run["args"] = arguments.isEmpty ? nil : .array(arguments)
        var environment = JSONObject()
        for variable in Self.member(package, "environmentVariables", "environment_variables")?.arrayValue
            ?? []
        {
            guard let name = variable["name"]?.stringValue, Names.isVariable(name) else {
                made.warnings.append("a variable without a usable name is left out")
                continue
            }
            environment[name] = .string(value(variable, name: name))
        }
        run["env"] = environment.isEmpty ? nil : .object(environment)
    }

    /// Of `docker run`: volumes, variables and the user. Of other runners nothing is taken over.
    private mutating func readRuntimeArguments(_ package: JSONValue, _ kind: String, _ run: inout JSONObject)
    {
        let arguments = Self.member(package, "runtimeArguments", "runtime_arguments")?.arrayValue ?? []
        guard kind == "oci" else {
            let own: Set<String> = ["-y", "--yes", "-q", "--quiet"]
            for argument in arguments
            where !own.contains(argument["name"]?.stringValue ?? argument["value"]?.stringValue ?? "") {
                made.warnings.append("an argument of its runner is left out")
            }
            return
        }
        var environment = run["env"]?.objectValue ?? JSONObject()
        var volumes: [JSONValue] = []
        for argument in arguments {
            let text = argument["value"]?.stringValue == nil ? "" : value(argument, name: "")
            switch argument["name"]?.stringValue ?? "" {
            case "-e", "--env":
                let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
                if parts.count == 2, Names.isVariable(parts[0]) { environment[parts[0]] = .string(parts[1]) }
            case "-v", "--volume", "--mount":
                if let volume = Self.volume(text) {
                    volumes.append(volume)
                } else {
                    made.warnings.append("a volume of it is not understood")
                }
            case "-u", "--user": if !text.isEmpty { run["user"] = .string(text) }
            case "--network" where text == "none": run["network"] = ["mode": "none"]
            case "", "-i", "--interactive", "--rm", "--init": break
            case let other: made.warnings.append("the argument \(shown(other)) of its runner is left out")
            }
        }
        run["env"] = environment.isEmpty ? nil : .object(environment)
        run["volumes"] = volumes.isEmpty ? nil : .array(volumes)
    }

    /// `source:target[:ro]`, or `type=bind,src=…,dst=…[,readonly]`.
    private static func volume(_ text: String) -> JSONValue? {
        var source: Substring?
        var target: Substring?
        var isReadOnly = false
        if text.contains("=") {
            for part in text.split(separator: ",") {
                let pair = part.split(separator: "=", maxSplits: 1)
                switch pair.first {
                case "src", "source": source = pair.dropFirst().first
                case "dst", "target", "destination": target = pair.dropFirst().first
                case "readonly", "ro": isReadOnly = pair.count == 1 || pair[1] == "true" || pair[1] == "1"
                default: break
                }
            }
        } else {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count == 2 || parts.count == 3 { (source, target) = (parts[0], parts[1]) }
            isReadOnly = parts.count == 3 && parts[2] == "ro"
        }
        guard let source, let target, !source.isEmpty, !target.isEmpty else { return nil }
        var volume = JSONObject()
        volume["kind"] = source.contains("/") || source.contains("${") ? "bind" : "volume"
        volume["source"] = .string(String(source))
        volume["target"] = .string(String(target))
        volume["readOnly"] = isReadOnly ? true : nil
        return .object(volume)
    }

    // MARK: Remotes

    private mutating func readRemote(_ remote: JSONValue) {
        let type =
            Self.member(remote, "type", "transport_type", "transport")?.stringValue ?? "streamable-http"
        guard let url = remote["url"]?.stringValue,
            ["sse", "streamable", "streamable-http", "http"].contains(type)
        else {
            made.warnings.append("an endpoint of kind \(shown(type)) is left out")
            return
        }
        var object = JSONObject()
        object["transport"] = type == "sse" ? "sse" : "streamable-http"
        object["url"] = .string(filled(url, remote["variables"]))
        var headers = JSONObject()
        for header in remote["headers"]?.arrayValue ?? [] {
            guard let name = header["name"]?.stringValue, Names.isHeader(name) else { continue }
            headers[name] = .string(value(header, name: name))
        }
        object["headers"] = headers.isEmpty ? nil : .object(headers)
        made.remote = object
    }

    // MARK: Inputs

    /// `positional`: a text; `named`: the name and its value as a group, or the name when its boolean is true.
    private mutating func argument(_ argument: JSONValue) -> JSONValue? {
        let hint = Self.member(argument, "valueHint", "value_hint")?.stringValue
        guard argument["type"]?.stringValue == "named" else {
            if argument["value"]?.stringValue == nil, hint == nil { return nil }
            return .string(value(argument, name: hint ?? ""))
        }
        guard let name = argument["name"]?.stringValue, !name.isEmpty else { return nil }
        if argument["value"]?.stringValue == nil, argument["format"]?.stringValue == "boolean" {
            let property = property(argument, name: name)
            return ["when": .string(property), "args": [.string(escaped(name))]]
        }
        return [.string(escaped(name)), .string(value(argument, name: name))]
    }

    /// A fixed value with its variables filled in, or a reference to a property that is made for the input.
    private mutating func value(_ input: JSONValue, name: String) -> String {
        if let fixed = input["value"]?.stringValue { return filled(fixed, input["variables"]) }
        return "${config.\(property(input, name: name))}"
    }

    /// `{name}` of a variable is a reference; a name that `variables` lacks stays as text.
    private mutating func filled(_ text: String, _ variables: JSONValue?) -> String {
        let known = variables?.objectValue ?? JSONObject()
        var out = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{") {
            out += rest[..<open]
            let inner = rest[rest.index(after: open)...].prefix { $0 != "}" }
            if inner.endIndex < rest.endIndex, let variable = known[String(inner)] {
                // `${name}` would be an escaped brace here.
                if out.hasSuffix("$") { out.removeLast() }
                out += value(variable, name: String(inner))
                rest = rest[rest.index(after: inner.endIndex)...]
            } else {
                out += out.hasSuffix("$") ? "${" : "{"
                rest = rest[rest.index(after: open)...]
            }
        }
        return out + rest
    }

    /// The name of the property that stands for `input`.
    private mutating func property(_ input: JSONValue, name: String) -> String {
        var chosen = ImportNames.property(name)
        if !Names.isProperty(chosen) { chosen = "value\(made.properties.count + 1)" }
        var property = PropertyDraft(name: chosen)
        property.aliases = [name].filter { $0 != chosen }
        let format = input["format"]?.stringValue ?? ""
        let isRepeated = Self.flag(input, "isRepeated", "is_repeated")
        let scalar = format == "number" || format == "boolean" ? format : "string"
        property.kind = isRepeated ? "array" : scalar
        property.items = isRepeated && scalar == "number" ? "number" : "string"
        property.isPath = format == "filepath" || format == "file_path"
        property.isRequired = Self.flag(input, "isRequired", "is_required")
        property.isSecret = Self.flag(input, "isSecret", "is_secret")
        property.choices =
            scalar == "string" ? (input["choices"]?.arrayValue ?? []).compactMap(\.stringValue) : []
        property.defaultValue = input["default"]
        property.example = input["placeholder"]
        property.summary = input["description"]?.stringValue.flatMap { $0.isEmpty ? nil : $0 }
        made.add(property)
        return chosen
    }

    private static func flag(_ object: JSONValue, _ names: String...) -> Bool {
        names.contains { object[$0]?.boolValue == true }
    }

    private static func member(_ object: JSONValue, _ names: String...) -> JSONValue? {
        for name in names {
            if let value = object[name], !value.isNull { return value }
        }
        return nil
    }
}
