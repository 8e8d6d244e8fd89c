import Wire

/// One entry of Docker's catalog (`registry.<name>` of a version 2 or 3 file).
enum DockerEntry {
    /// Docker's words for categories that are ours under another name.
    private static let categories = [
        "database": "data", "data-analytics": "data", "cloud": "cloud", "devops": "development",
        "development": "development", "search": "web", "web": "web", "communication": "business",
        "productivity": "business", "ai": "ai", "finance": "finance", "ecommerce": "finance",
        "monitoring": "observability", "security": "security",
    ]

    static func read(_ name: String, _ entry: JSONValue) -> ImportedServer {
        let title = entry["title"]?.stringValue ?? name
        var server = ImportedServer(
            key: ServerNaming.key(name), title: title,
            summary: ServerNaming.summary(entry["description"]?.stringValue ?? "", title: title))
        server.aliases = [name, ServerNaming.camelCase(server.key)]
        server.category =
            (entry["metadata"]?["category"]?.stringValue).flatMap { categories[$0] } ?? "special"
        server.tags = strings(entry["metadata"]?["tags"])
        server.origin = JSONObject()
        server.origin?["dockerRegistry"] = .string(name)
        let hasRequired = readParameters(entry["config"], &server)
        let template = readSecrets(entry["secrets"], name, areRequired: !hasRequired, &server)
        readOAuth(entry["oauth"], name, &server)
        readEndpoint(entry, template, &server)
        switch entry["type"]?.stringValue ?? "server" {
        case "poci": server.notes.append("its tools are containers of their own, which are not imported")
        case "remote": break
        default: readImage(entry, template, &server)
        }
        return server
    }

    // MARK: Settings

    /// True when the entry itself says which parameters are required; its secrets are optional then.
    private static func readParameters(_ config: JSONValue?, _ server: inout ImportedServer) -> Bool {
        var hasRequired = false
        for group in config?.arrayValue ?? [] {
            var open: [(path: String, schema: JSONValue)] = [("", group)]
            while let (path, schema) = open.popLast() {
                let required = strings(schema["required"])
                if !required.isEmpty { hasRequired = true }
                for (name, member) in (schema["properties"]?.objectValue?.members ?? []).map({
                    ($0.name, $0.value)
                }) {
                    let full = path.isEmpty ? name : "\(path).\(name)"
                    if member["properties"] != nil {
                        open.append((full, member))
                    } else {
                        addParameter(full, member, isRequired: required.contains(name), &server)
                    }
                }
            }
        }
        return hasRequired
    }

    private static func addParameter(
        _ path: String, _ schema: JSONValue, isRequired: Bool, _ server: inout ImportedServer
    ) {
        let known = ["string", "integer", "number", "boolean", "array"]
        let type = schema["type"]?.stringValue.flatMap { known.contains($0) ? $0 : nil } ?? "string"
        let items = schema["items"]?["type"]?.stringValue.flatMap { known.prefix(3).contains($0) ? $0 : nil }
        let choices = strings(schema["enum"])
        server.addProperty(
            ServerNaming.camelCase(path), type: type, items: items, isRequired: isRequired, alias: path,
            more: [
                ("default", scalar(schema["default"])), ("enum", choices.isEmpty ? nil : schema["enum"]),
                ("summary", schema["description"].flatMap { $0.stringValue.map(JSONValue.string) }),
            ])
    }

    private static func readSecrets(
        _ secrets: JSONValue?, _ name: String, areRequired: Bool, _ server: inout ImportedServer
    ) -> DockerTemplate {
        var template = DockerTemplate(secrets: [:])
        for secret in secrets?.arrayValue ?? [] {
            guard let variable = secret["env"]?.stringValue else { continue }
            let property = ServerNaming.property(variable: variable, server: name)
            let isRequired = secret["required"]?.boolValue ?? areRequired
            server.addProperty(property, isRequired: isRequired, isSecret: true, alias: variable)
            template.secrets[variable] = property
        }
        return template
    }

    private static func readOAuth(_ oauth: JSONValue?, _ name: String, _ server: inout ImportedServer) {
        guard let provider = oauth?["providers"]?.arrayValue?.first ?? oauth?.arrayValue?.first,
            let title = provider["provider"]?.stringValue, let variable = provider["env"]?.stringValue
        else { return }
        let property = ServerNaming.property(variable: variable, server: name)
        server.addProperty(property, isSecret: true, alias: variable)
        var object = JSONObject()
        object["provider"] = .string(title)
        object["tokenProperty"] = .string(property)
        server.oauth = object
    }

    // MARK: Ways to run

    private static func readEndpoint(
        _ entry: JSONValue, _ template: DockerTemplate, _ server: inout ImportedServer
    ) {
        let old = entry["sseEndpoint"]?.stringValue
        guard let url = entry["remote"]?["url"]?.stringValue ?? old else { return }
        let isSSE = entry["remote"] == nil || entry["remote"]?["transport_type"]?.stringValue == "sse"
        var remote = JSONObject()
        remote["transport"] = .string(isSSE ? "sse" : "streamable-http")
        remote["url"] = .string(template.text(url))
        if let headers = entry["remote"]?["headers"]?.objectValue, !headers.isEmpty {
            var translated = JSONObject()
            for header in headers {
                translated[header.name] = .string(template.text(scalarText(header.value)))
            }
            remote["headers"] = .object(translated)
        }
        server.remote = remote
    }

    private static func readImage(
        _ entry: JSONValue, _ template: DockerTemplate, _ server: inout ImportedServer
    ) {
        guard let image = entry["image"]?.stringValue else { return }
        var oci = JSONObject()
        oci["image"] = .string(image)
        let arguments = self.arguments(strings(entry["command"]), template)
        if !arguments.isEmpty { oci["args"] = .array(arguments) }
        let environment = self.environment(entry, template)
        if !environment.isEmpty { oci["env"] = .object(environment) }
        let volumes = strings(entry["volumes"]).map { volume($0, template) }
        if !volumes.isEmpty { oci["volumes"] = .array(volumes) }
        oci["user"] = entry["user"].map { .string(template.text(scalarText($0))) }
        let hosts = strings(entry["allowHosts"])
        if entry["disableNetwork"]?.boolValue == true {
            oci["network"] = ["mode": "none"]
        } else if !hosts.isEmpty {
            oci["network"] = ["mode": "allowlist", "allowHosts": .array(hosts.map(JSONValue.string))]
        }
        if entry["longLived"]?.boolValue == true { oci["longLived"] = true }
        server.run["oci"] = .object(oci)
    }

    private static func environment(_ entry: JSONValue, _ template: DockerTemplate) -> JSONObject {
        var environment = JSONObject()
        for variable in entry["env"]?.arrayValue ?? [] {
            guard let name = variable["name"]?.stringValue, let value = variable["value"] else { continue }
            environment[name] = .string(template.text(scalarText(value)))
        }
        for secret in entry["secrets"]?.arrayValue ?? [] {
            guard let name = secret["env"]?.stringValue, let property = template.secrets[name] else {
                continue
            }
            environment[name] = .string("${config.\(property)}")
        }
        return environment
    }

    /// A flag and the placeholder after it are one group: left out together when the value is unset.
    private static func arguments(_ words: [String], _ template: DockerTemplate) -> [JSONValue] {
        var arguments: [JSONValue] = []
        for word in words {
            let text = JSONValue.string(template.text(word))
            if DockerTemplate.whole(word) != nil, case .string(let flag)? = arguments.last,
                flag.hasPrefix("-"), !flag.contains("$")
            {
                arguments[arguments.count - 1] = [.string(flag), text]
            } else {
                arguments.append(text)
            }
        }
        return arguments
    }

    /// `source:target[:ro]`, or a placeholder that stands for paths mounted where they are.
    private static func volume(_ text: String, _ template: DockerTemplate) -> JSONValue {
        if let reference = DockerTemplate.whole(text) {
            let path = JSONValue.string("${config.\(reference.property)}")
            let mount = reference.filters.first { $0.hasPrefix("mount_as:") }.map { String($0.dropFirst(9)) }
            return ["kind": "bind", "source": path, "target": mount.map(JSONValue.string) ?? path]
        }
        // Colons inside a placeholder are its own.
        let end = text.firstRange(of: "}}")?.upperBound ?? text.startIndex
        let colon = text[end...].firstIndex(of: ":") ?? text.endIndex
        let source = template.text(String(text[..<colon]))
        let rest = text[colon...].dropFirst().split(separator: ":")
        var volume = JSONObject()
        volume["kind"] = source.contains("/") || source.contains("$") ? "bind" : "volume"
        volume["source"] = .string(source)
        volume["target"] = .string(template.text(rest.first.map(String.init) ?? source))
        if rest.dropFirst().contains("ro") { volume["readOnly"] = true }
        return .object(volume)
    }

    // MARK: Values

    private static func strings(_ value: JSONValue?) -> [String] { (value?.arrayValue ?? []).map(scalarText) }

    private static func scalarText(_ value: JSONValue) -> String {
        value.stringValue ?? String(decoding: value.serialized(), as: UTF8.self)
    }

    private static func scalar(_ value: JSONValue?) -> JSONValue? {
        guard let value, !value.isNull, value.objectValue == nil else { return nil }
        return value
    }
}
