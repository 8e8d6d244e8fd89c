import Wire

/// The ways in which such a server is run or reached.
extension DockerEntry {
    mutating func readImage() {
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

    mutating func network() -> JSONValue? {
        if field("disableNetwork")?.boolValue == true { return ["mode": "none"] }
        let hosts = Self.strings(field("allowHosts"))
        let usable = hosts.filter(Names.isHostAndPort)
        if usable.count < hosts.count { made.warnings.append("hosts without a port are not taken over") }
        return usable.isEmpty
            ? nil : ["mode": "allowlist", "allowHosts": .array(usable.map(JSONValue.string))]
    }

    /// A flag and the optional value that follows it become a group, so that neither stands alone.
    mutating func arguments(_ texts: [String]) -> [JSONValue] {
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
    mutating func volume(_ text: String) -> JSONValue? {
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
    static func volumeParts(_ text: String) -> [String] {
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

    mutating func readRemote() {
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
    mutating func readOAuth() {
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

    mutating func readContainerTools() {
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
    static func input(_ text: String) -> String {
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

    static func schema(_ tool: JSONValue) -> JSONValue {
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

}
