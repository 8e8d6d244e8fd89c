/// Host names as certificates and clients write them.
enum ServerName {
    /// ASCII lower case, without the dot of the root.
    static func normal(_ name: String) -> String {
        var bytes = name.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        if bytes.last == 0x2E { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `*` in place of the first label; nil for a name of one label, which no wildcard covers.
    static func wildcard(for name: String) -> String? {
        guard let dot = name.firstIndex(of: "."), dot > name.startIndex else { return nil }
        return "*" + name[dot...]
    }
}

/// Which identity answers to a name: an exact one, then a wildcard for one label (RFC 6125 §6.4.3), then the
/// default. Where several certificates have a name the first one in the configuration gets it.
struct ServerNames: Sendable {
    private var byName: [String: Identity] = [:]
    let fallback: Identity

    init(_ identities: [Identity], fallback: Identity) {
        self.fallback = fallback
        for identity in identities {
            for name in identity.names where byName[name] == nil { byName[name] = identity }
        }
    }

    func identity(for asked: String) -> Identity {
        let name = ServerName.normal(asked)
        // A client that asks for `*.example.com` itself would otherwise get an exact match.
        guard !name.utf8.contains(0x2A) else { return fallback }
        if let exact = byName[name] { return exact }
        if let wildcard = ServerName.wildcard(for: name), let found = byName[wildcard] { return found }
        return fallback
    }
}
