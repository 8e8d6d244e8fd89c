/// The hosts that a user's own settings name, such as that of a database's URL: what its server must reach to be of
/// any use. Never more of a setting than host and port.
struct NamedHosts {
    /// `host:port`, in the order in which they were found.
    private(set) var list: [String] = []

    /// A URL of any scheme with a known port or one of its own, one with several hosts, or a list of `host:port`.
    /// - Parameter isSecret: a `user:1234` could be one that looks like the latter.
    mutating func add(_ text: String, isSecret: Bool = false) {
        guard text.utf8.count <= CatalogLimits.valueBytesMax else { return }
        // `jdbc:postgresql://…`, `sqlalchemy`'s `postgresql+psycopg://…`.
        let url = text.hasPrefix("jdbc:") ? String(text.dropFirst(5)) : text
        if let (scheme, authority, _) = EndpointURL.split(url) {
            let hosts =
                authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
            let plain = scheme.prefix { $0 != "+" }
            for host in hosts.split(separator: ",").prefix(CatalogLimits.itemsMax) {
                if let found = EndpointURL.hostAndPort("\(plain)://\(host)") { note(found) }
            }
        } else if !isSecret {
            let items = text.split(separator: ",", maxSplits: CatalogLimits.itemsMax)
            let hosts = items.map { String($0.drop { $0 == " " }) }
            guard hosts.allSatisfy({ Names.isHostAndPort($0) && !$0.contains("*") }) else { return }
            for host in hosts { note(host) }
        }
    }

    /// A host that has a setting of its own, and its port another one.
    mutating func add(host: String, port: String?) {
        guard let port, !host.contains(":"), !host.contains("*") else { return }
        if Names.isHostAndPort("\(host):\(port)") { note("\(host):\(port)") }
    }

    /// The words of a command: `--option=URL` as well.
    mutating func add(words: [String]) {
        for word in words {
            guard word.hasPrefix("-"), let equals = word.firstIndex(of: "=") else {
                add(word)
                continue
            }
            add(String(word[word.index(after: equals)...]))
        }
    }

    /// All settings of a server of the catalog.
    mutating func add(_ settings: Settings, of server: CatalogServer) {
        for property in server.properties {
            guard let value = settings[property.name] else { continue }
            for text in value.texts { add(text, isSecret: property.isSecret) }
            guard property.name.lowercased().hasSuffix("host") else { continue }
            let sibling = "\(property.name.lowercased().dropLast(4))port"
            guard let port = server.properties.first(where: { $0.name.lowercased() == sibling }) else {
                continue
            }
            // A server that is not told its port takes the usual one, which the catalog shows as the example.
            let usual: String? =
                switch port.defaultValue ?? port.example {
                case .integer(let number): String(number)
                case .string(let text): text
                default: nil
                }
            add(host: value.joined, port: settings[port.name]?.joined ?? usual)
        }
    }

    private mutating func note(_ host: String) {
        let lower = host.lowercased()
        if !list.contains(lower), list.count < CatalogLimits.hostsMax { list.append(lower) }
    }
}

/// What is in variables that all servers of a sandbox have.
public enum CommonVariables {
    /// Those that must never be shown, by value.
    public static func secrets(of variables: [(name: String, value: String)]) -> [String] {
        var secrets = Secrets()
        for (name, value) in variables { secrets.addLikely(name, value) }
        return secrets.values
    }

    /// The hosts that they name: `host:port`, in the order in which they were found.
    public static func hosts(of variables: [(name: String, value: String)]) -> [String] {
        var named = NamedHosts()
        for (name, value) in variables {
            named.add(value, isSecret: Secrets.isLikely(name, value))
        }
        return named.list
    }
}

extension ServerPlan {
    /// Of a server that the caller brings: what its words and its variables name.
    mutating func nameHosts(_ words: [String]) {
        var named = NamedHosts()
        named.add(words: words)
        for variable in environment {
            named.add(variable.value, isSecret: secrets.contains(variable.value))
        }
        configuredHosts = named.list
    }
}
