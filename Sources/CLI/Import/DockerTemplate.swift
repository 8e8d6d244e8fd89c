/// Texts of Docker's catalog with `{{server.path|filter}}` and `$SECRET` in them, as texts of ours with
/// `${config.name}`.
struct DockerTemplate {
    /// Environment variables of secrets and the properties that they became.
    var secrets: [String: String]

    /// A placeholder: which property, and through which filters.
    struct Reference: Equatable {
        var property: String
        var filters: [String]
    }

    func text(_ source: String) -> String {
        var rest = source[...]
        var out = ""
        while let start = rest.firstRange(of: "{{"), let end = rest[start.upperBound...].firstRange(of: "}}")
        {
            out += variables(rest[..<start.lowerBound])
            out +=
                Self.reference(rest[start.upperBound..<end.lowerBound]).map { "${config.\($0.property)}" }
                ?? ""
            rest = rest[end.upperBound...]
        }
        return out + variables(rest)
    }

    /// The placeholder that is all of `source`; nil when there is more or less in it.
    static func whole(_ source: String) -> Reference? {
        guard source.hasPrefix("{{"), source.hasSuffix("}}"), source.count > 4 else { return nil }
        let inner = source.dropFirst(2).dropLast(2)
        return inner.contains("{{") ? nil : reference(inner)
    }

    /// `server.path.to.param|filter|filter`
    static func reference(_ inner: Substring) -> Reference? {
        let parts = inner.split(separator: "|").map { $0.filter { !$0.isWhitespace } }
        guard let path = parts.first, let dot = path.firstIndex(of: ".") else { return nil }
        let property = ServerNaming.camelCase(String(path[path.index(after: dot)...]))
        return Reference(property: property, filters: Array(parts.dropFirst()))
    }

    /// `$NAME` and `${NAME}` of secrets; other dollars stay, `${` as the literal that it is.
    private func variables(_ source: Substring) -> String {
        var out = ""
        var rest = source
        while let dollar = rest.firstIndex(of: "$") {
            out += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            let isBraced = rest.hasPrefix("{")
            let name = (isBraced ? rest.dropFirst() : rest).prefix { $0 == "_" || $0.isLetter || $0.isNumber }
            let after = rest.dropFirst(name.count + (isBraced ? 1 : 0))
            if let property = secrets[String(name)], !isBraced || after.hasPrefix("}") {
                out += "${config.\(property)}"
                rest = isBraced ? after.dropFirst() : after
            } else {
                out += isBraced ? "$$" : "$"
            }
        }
        return out + rest
    }
}
