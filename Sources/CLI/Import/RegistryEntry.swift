import Wire

/// One `server.json` of the MCP Registry, in the spelling of any of its schemas: camelCase since September 2025,
/// snake_case before.
enum RegistryEntry {
    static func read(_ entry: JSONValue) -> ImportedServer? {
        guard let name = entry["name"]?.stringValue else { return nil }
        let short = name.split(separator: "/").last.map(String.init) ?? name
        let title = entry["title"]?.stringValue ?? short
        var server = ImportedServer(
            key: ServerNaming.key(short), title: title,
            summary: ServerNaming.summary(entry["description"]?.stringValue ?? "", title: title))
        server.aliases = [name]
        server.homepage = entry["websiteUrl"]?.stringValue ?? entry["repository"]?["url"]?.stringValue
        if let url = entry["repository"]?["url"]?.stringValue {
            var repository = JSONObject()
            repository["url"] = .string(url)
            repository["directory"] = entry["repository"]?["subfolder"]
            server.repository = repository
        }
        for package in entry["packages"]?.arrayValue ?? [] { readPackage(package, &server) }
        readRemote(entry["remotes"]?.arrayValue?.first, &server)
        return server
    }

    private static func readPackage(_ package: JSONValue, _ server: inout ImportedServer) {
        let kind = member(package, "registryType", "registry_type", "registry_name")?.stringValue ?? ""
        guard let identifier = member(package, "identifier", "name")?.stringValue else { return }
        let transport = package["transport"]?["type"]?.stringValue ?? "stdio"
        guard transport == "stdio", ["pypi", "npm", "oci", "docker"].contains(kind) else {
            server.notes.append("its package \(identifier) (\(kind), \(transport)) is not imported")
            return
        }
        let place = kind == "docker" ? "oci" : kind
        guard server.run[place] == nil else { return }
        let version = package["version"]?.stringValue
        var run = JSONObject()
        if place == "oci" {
            let hasTag = identifier.split(separator: "/").last?.contains(":") ?? false
            run["image"] = .string(
                hasTag || version == nil ? identifier : "\(identifier):\(version ?? "latest")")
        } else {
            run["package"] = .string(identifier)
            run["version"] = version.map(JSONValue.string)
        }
        let arguments = (member(package, "packageArguments", "package_arguments")?.arrayValue ?? [])
            .compactMap { argument($0, &server) }
        if !arguments.isEmpty { run["args"] = .array(arguments) }
        var environment = JSONObject()
        for variable in member(package, "environmentVariables", "environment_variables")?.arrayValue ?? [] {
            guard let name = variable["name"]?.stringValue else { continue }
            environment[name] = .string(value(variable, name: name, &server))
        }
        if !environment.isEmpty { run["env"] = .object(environment) }
        if place != "oci" { run["match"] = "same-source" }
        server.run[place] = .object(run)
    }

    private static func readRemote(_ remote: JSONValue?, _ server: inout ImportedServer) {
        guard let remote, let url = remote["url"]?.stringValue else { return }
        let transport = member(remote, "type", "transport_type")?.stringValue
        var object = JSONObject()
        object["transport"] = .string(transport == "sse" ? "sse" : "streamable-http")
        object["url"] = .string(substituted(url, remote["variables"], &server))
        var headers = JSONObject()
        for header in remote["headers"]?.arrayValue ?? [] {
            guard let name = header["name"]?.stringValue else { continue }
            headers[name] = .string(value(header, name: name, &server))
        }
        if !headers.isEmpty { object["headers"] = .object(headers) }
        server.remote = object
    }

    // MARK: Inputs

    /// `positional`: a text; `named`: the name, and with a value a group of both.
    private static func argument(_ argument: JSONValue, _ server: inout ImportedServer) -> JSONValue? {
        let isNamed = argument["type"]?.stringValue == "named"
        let label = argument["name"]?.stringValue ?? member(argument, "valueHint", "value_hint")?.stringValue
        guard let label else {
            return argument["value"]?.stringValue.map {
                .string(substituted($0, argument["variables"], &server))
            }
        }
        let hasValue =
            argument["value"] != nil || !isNamed || member(argument, "isRequired", "is_required") != nil
            || argument["default"] != nil
        guard isNamed else { return .string(value(argument, name: label, &server)) }
        guard hasValue else { return .string(label) }
        return [.string(label), .string(value(argument, name: label, &server))]
    }

    /// A fixed value with its variables, or a placeholder for a property that is made for it.
    private static func value(_ input: JSONValue, name: String, _ server: inout ImportedServer) -> String {
        if let fixed = input["value"]?.stringValue { return substituted(fixed, input["variables"], &server) }
        return placeholder(input, name: name, &server)
    }

    private static func placeholder(_ input: JSONValue, name: String, _ server: inout ImportedServer)
        -> String
    {
        let isConstant = name.allSatisfy { $0.isUppercase || $0.isNumber || $0 == "_" }
        let property = ServerNaming.camelCase(isConstant ? name.lowercased() : name)
        let format = input["format"]?.stringValue
        let isRepeated = member(input, "isRepeated", "is_repeated")?.boolValue == true
        let scalar = format == "number" ? "number" : format == "boolean" ? "boolean" : "string"
        let choices = input["choices"]?.arrayValue ?? []
        let fallback = input["default"].flatMap { $0.stringValue?.isEmpty == true ? nil : $0 }
        server.addProperty(
            property, type: isRepeated ? "array" : scalar, items: isRepeated ? "string" : nil,
            isRequired: member(input, "isRequired", "is_required")?.boolValue == true,
            isSecret: member(input, "isSecret", "is_secret")?.boolValue == true, alias: name,
            more: [
                ("format", format == "filepath" || format == "file_path" ? "path" : nil),
                ("default", fallback),
                ("enum", choices.isEmpty ? nil : .array(choices)), ("summary", input["description"]),
            ])
        return "${config.\(property)}"
    }

    /// `{name}` of a variable becomes a placeholder; a name that `variables` lacks stays as text.
    private static func substituted(_ text: String, _ variables: JSONValue?, _ server: inout ImportedServer)
        -> String
    {
        var out = text.replacing("${", with: "$${")
        for variable in variables?.objectValue?.members ?? [] {
            let mark = "{\(variable.name)}"
            guard out.contains(mark) else { continue }
            out = out.replacing(mark, with: placeholder(variable.value, name: variable.name, &server))
        }
        return out
    }

    private static func member(_ object: JSONValue, _ names: String...) -> JSONValue? {
        names.lazy.compactMap { object[$0] }.first
    }
}
