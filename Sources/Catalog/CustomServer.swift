import Wire

/// A server that the caller brings: `{"command": ["prog", "arg"], "env": {}}` or
/// `{"url": "https://…", "headers": {}}`.
struct CustomServer {
    private static let commandProperties = ["command", "env"]
    private static let urlProperties = ["url", "headers", "transport"]

    let name: String
    let object: JSONObject

    static func isMeant(_ object: JSONObject) -> Bool { object["command"] != nil || object["url"] != nil }

    func plan(_ mistakes: inout [ConfigurationError]) -> ServerPlan? {
        let before = mistakes.count
        if !Names.isCustom(name) {
            mistakes.append(
                .init(
                    name,
                    reason: "a name is 1 to \(CatalogLimits.customNameBytesMax) letters, digits and . _ -, "
                        + "and begins with a letter or digit"))
        }
        guard object["command"] == nil || object["url"] == nil else {
            mistakes.append(.init(name, "url", reason: "give either a command or a url"))
            return nil
        }
        let plan = object["command"] != nil ? command(&mistakes) : remote(&mistakes)
        return mistakes.count == before ? plan : nil
    }

    private func command(_ mistakes: inout [ConfigurationError]) -> ServerPlan {
        expect(Self.commandProperties, also: ["envs"], &mistakes)
        let words = CallerFields(name, object).words("command", &mistakes) ?? []
        let variables = CallerFields(name, object).environment(&mistakes)
        var plan = ServerPlan(
            name: name, key: name, source: .command(words), environment: variables.variables,
            secrets: variables.secrets)
        plan.nameHosts(words)
        return plan
    }

    private func remote(_ mistakes: inout [ConfigurationError]) -> ServerPlan {
        expect(Self.urlProperties, also: ["type"], &mistakes)
        var secrets = Secrets()
        let url = object["url"]?.stringValue ?? ""
        if object["url"]?.stringValue == nil {
            mistakes.append(.init(name, "url", reason: "must be a string"))
        } else if let reason = EndpointURL.mistake(url) {
            mistakes.append(.init(name, "url", reason: reason))
        }
        addQuery(of: url, to: &secrets)
        let headers = headers(&secrets, &mistakes)
        let endpoint = RemoteEndpoint(transport: transport(&mistakes), url: url, headers: headers)
        return ServerPlan(name: name, key: name, source: .remote(endpoint), secrets: secrets.values)
    }

    private func headers(
        _ secrets: inout Secrets, _ mistakes: inout [ConfigurationError]
    ) -> [RemoteEndpoint.Header] {
        let pairs = CallerFields(name, object).pairs("headers", &mistakes)
        for pair in pairs {
            let property = "headers.\(pair.name)"
            if !Names.isHeader(pair.name) {
                mistakes.append(.init(name, property, reason: "is not the name of a header"))
            } else if Self.ownHeaders.contains(pair.name.lowercased()) {
                mistakes.append(.init(name, property, reason: "is set by the gateway itself"))
            } else if !Names.isHeaderValue(pair.value) {
                mistakes.append(.init(name, property, reason: "must not contain control characters"))
            }
            // Every header of a caller's own is there to be recognised by.
            if pair.value.utf8.count >= 6 { secrets.add(pair.value) }
            if let token = pair.value.split(separator: " ").last, pair.value.contains(" ") {
                secrets.add(String(token))
            }
        }
        return pairs.map { RemoteEndpoint.Header(name: $0.name, value: $0.value) }
    }

    /// Those of framing and of MCP's transport: a second value would change what a message is.
    private static let ownHeaders: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "content-type", "accept", "upgrade",
        "te",
        "trailer", "expect", "mcp-session-id", "mcp-protocol-version", "last-event-id",
    ]

    private func transport(_ mistakes: inout [ConfigurationError]) -> RemoteEndpoint.Transport {
        let property = object["transport"] != nil ? "transport" : "type"
        switch object[property] {
        case nil, "streamable-http", "http", "streamableHttp": return .streamableHTTP
        case "sse": return .sse
        default:
            mistakes.append(.init(name, property, reason: "must be \"streamable-http\" or \"sse\""))
            return .streamableHTTP
        }
    }

    private func addQuery(of url: String, to secrets: inout Secrets) {
        guard let mark = url.firstIndex(of: "?") else { return }
        for pair in url[url.index(after: mark)...].split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { secrets.addLikely(parts[0], parts[1]) }
        }
    }

    private func expect(_ known: [String], also: [String], _ mistakes: inout [ConfigurationError]) {
        CallerFields(name, object).expect(known, also: also, &mistakes)
    }
}

/// Fields of a server that the caller describes.
struct CallerFields {
    let name: String
    let object: JSONObject

    init(_ name: String, _ object: JSONObject) {
        self.name = name
        self.object = object
    }

    /// - Parameter also: known, but not suggested.
    func expect(_ known: [String], also: [String], _ mistakes: inout [ConfigurationError]) {
        for member in object where !(known + also).contains(member.name) {
            let near = Nearest.of(member.name, in: known, limit: 1)
            let all = near.isEmpty ? "; known are \(known.joined(separator: ", "))" : Nearest.question(near)
            let isArguments = member.name == "args" && known.contains("command")
            mistakes.append(
                .init(
                    name, member.name,
                    reason: isArguments
                        ? "unknown property; arguments stand in command, after the program"
                        : "unknown property" + all))
        }
    }

    /// A program and its arguments.
    func words(_ property: String, _ mistakes: inout [ConfigurationError]) -> [String]? {
        guard let elements = object[property]?.arrayValue else {
            mistakes.append(
                .init(name, property, reason: "must be an array of the program and its arguments"))
            return nil
        }
        let words = elements.compactMap(\.stringValue)
        guard words.count == elements.count, let program = words.first, !program.isEmpty,
            words.count <= CatalogLimits.itemsMax
        else {
            mistakes.append(
                .init(
                    name, property,
                    reason: "must have 1 to \(CatalogLimits.itemsMax) strings, the first of them not empty"))
            return nil
        }
        check(property, words, &mistakes)
        return words
    }

    private func check(_ property: String, _ texts: [String], _ mistakes: inout [ConfigurationError]) {
        if texts.contains(where: { $0.utf8.contains(0) }) {
            mistakes.append(.init(name, property, reason: "must not contain NUL characters"))
        }
        let total = texts.reduce(0) { $0 + $1.utf8.count }
        let longest = texts.map(\.utf8.count).max() ?? 0
        if longest > CatalogLimits.valueBytesMax || total > CatalogLimits.launchBytesMax {
            mistakes.append(.init(name, property, reason: "is too long"))
        }
    }

    /// An object of strings; empty when it is absent.
    func pairs(
        _ property: String, _ mistakes: inout [ConfigurationError]
    ) -> [(name: String, value: String)] {
        guard let value = object[property], !value.isNull else { return [] }
        guard let members = value.objectValue, members.count <= CatalogLimits.variablesMax else {
            let most = CatalogLimits.variablesMax
            mistakes.append(.init(name, property, reason: "must be an object of at most \(most) strings"))
            return []
        }
        let pairs: [(name: String, value: String)] = members.members.compactMap { member in
            guard let text = member.value.stringValue else {
                mistakes.append(
                    .init(
                        name, "\(property).\(member.name)",
                        reason: "must be a string, not \(member.value.kindName)"))
                return nil
            }
            return (member.name, text)
        }
        check(property, pairs.map(\.value), &mistakes)
        return pairs
    }

    /// `env`, or `envs` as E2B spells it.
    func environment(
        _ mistakes: inout [ConfigurationError]
    ) -> (variables: [EnvironmentVariable], secrets: [String]) {
        let property = object["env"] == nil && object["envs"] != nil ? "envs" : "env"
        if object["env"] != nil, object["envs"] != nil {
            mistakes.append(.init(name, "envs", reason: "given twice, as \"env\" and as \"envs\""))
        }
        var secrets = Secrets()
        let variables = pairs(property, &mistakes).map { pair in
            if !Names.isVariable(pair.name) {
                mistakes.append(
                    .init(name, "\(property).\(pair.name)", reason: "is not the name of a variable"))
            }
            secrets.addLikely(pair.name, pair.value)
            return EnvironmentVariable(name: pair.name, value: pair.value)
        }
        return (variables, secrets.values)
    }
}
