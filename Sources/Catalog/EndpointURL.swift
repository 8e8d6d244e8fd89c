/// What is asked of a URL that the gateway is to connect to: RFC 3986 for `http` and `https`, with a host,
/// without user information and fragment.
enum EndpointURL {
    private static let defaultPorts = [
        "http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21, "ssh": 22, "ldap": 389, "ldaps": 636,
        "postgres": 5432, "postgresql": 5432, "mysql": 3306, "mariadb": 3306, "redis": 6379, "rediss": 6379,
        "valkey": 6379, "valkeys": 6379, "mongodb": 27017, "amqp": 5672, "amqps": 5671, "nats": 4222,
        "mssql": 1433, "sqlserver": 1433, "clickhouse": 9000, "neo4j": 7687, "bolt": 7687, "memcached": 11211,
        "cockroachdb": 26257, "mqtt": 1883, "mqtts": 8883, "kafka": 9092, "elasticsearch": 9200,
    ]

    /// Why `text` is not taken; nil when it is.
    static func mistake(_ text: String) -> String? {
        guard let (scheme, authority, rest) = split(text), scheme == "http" || scheme == "https" else {
            return "must begin with https:// or http://"
        }
        guard text.utf8.count <= CatalogLimits.valueBytesMax,
            text.utf8.allSatisfy({
                $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\\") && $0 != UInt8(ascii: "\"")
            })
        else { return "must be ASCII without blanks, quotes and backslashes; percent-encode them" }
        if authority.contains("@") { return "must not carry a user name or password; use headers" }
        if rest.contains("#") { return "must not have a fragment" }
        guard hostAndPort(text) != nil else { return "must name a host, and a port from 1 to 65535 if any" }
        return nil
    }

    /// `host:port` of a URL, the port from its scheme where it says none; nil for what has none.
    static func hostAndPort(_ text: String) -> String? {
        guard let (scheme, whole, _) = split(text) else { return nil }
        let authority = whole.lastIndex(of: "@").map { whole[whole.index(after: $0)...] } ?? whole
        let host: Substring
        let after: Substring
        if authority.hasPrefix("[") {
            guard let end = authority.firstIndex(of: "]") else { return nil }
            host = authority[...end]
            after = authority[authority.index(after: end)...]
            let inner = host.dropFirst().dropLast()
            guard inner.contains(":"), inner.utf8.allSatisfy({ isAddressByte($0) }) else { return nil }
        } else {
            host = authority.prefix { $0 != ":" }
            after = authority[host.endIndex...]
            guard !host.isEmpty, host.utf8.count <= 253,
                host.utf8.allSatisfy({ Names.isAlphanumeric($0) || "-._".utf8.contains($0) })
            else { return nil }
        }
        if after.isEmpty || after == ":" { return defaultPorts[scheme].map { "\(host):\($0)" } }
        guard after.hasPrefix(":"), after.dropFirst().utf8.allSatisfy(Names.isDigit),
            let port = UInt16(after.dropFirst()), port > 0
        else { return nil }
        return "\(host):\(port)"
    }

    /// Scheme (lower case), authority, and what follows it.
    static func split(_ text: String) -> (scheme: String, authority: Substring, rest: Substring)? {
        guard let colon = text.firstIndex(of: ":"), text[colon...].hasPrefix("://") else { return nil }
        let scheme = text[..<colon]
        guard let first = scheme.utf8.first, Names.isLetter(first),
            scheme.utf8.allSatisfy({ Names.isAlphanumeric($0) || "+-.".utf8.contains($0) })
        else { return nil }
        let authority = text[colon...].dropFirst(3).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        return (scheme.lowercased(), authority, text[authority.endIndex...])
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        Names.isDigit(byte) || byte | 0x20 >= 0x61 && byte | 0x20 <= 0x66 || byte == 0x3A || byte == 0x2E
    }
}
