import Wire

/// A text of Docker's catalog in our own syntax: `{{server.path|filter}}` and `$SECRET` become `${config.name}`.
struct DockerTemplate {
    /// What the names in such a text mean.
    struct Scope {
        /// Dotted path of a parameter, without the server's name, to its property.
        var parameters: [String: String] = [:]
        /// Variable of a secret to its property.
        var secrets: [String: String] = [:]
    }

    private(set) var text = ""
    /// The property of the first `{{…}}`, with its filters.
    private(set) var property: String?
    private(set) var filters: [String] = []
    /// There is nothing around the one `{{…}}`.
    private(set) var isWhole = false
    /// Paths that lead to no parameter: Docker puts an empty text there.
    private(set) var unknown: [String] = []

    init(_ source: String, _ scope: Scope) {
        var rest = source[...]
        var pieces = 0
        while let start = Self.find("{{", in: rest), let end = Self.find("}}", in: rest[start...]) {
            if start > rest.startIndex { pieces += 1 }
            text += Self.variables(rest[..<start], scope)
            expression(rest[rest.index(start, offsetBy: 2)..<end], scope)
            pieces += 1
            rest = rest[rest.index(end, offsetBy: 2)...]
        }
        if !rest.isEmpty { pieces += 1 }
        isWhole = pieces == 1 && property != nil
        text += Self.variables(rest, scope)
    }

    /// `server.path.to.param|filter|filter`
    private mutating func expression(_ source: Substring, _ scope: Scope) {
        let parts = source.split(separator: "|").map { part in String(part.filter { !$0.isWhitespace }) }
        let path = (parts.first ?? "").split(separator: ".").dropFirst().joined(separator: ".")
        guard let name = scope.parameters[path] ?? scope.parameters[parts.first ?? ""] else {
            unknown.append(String(source))
            return
        }
        text += "${config.\(name)}"
        if property == nil {
            property = name
            filters = Array(parts.dropFirst())
        }
    }

    /// `$NAME` and `${NAME}` of secrets; every other dollar is a dollar.
    private static func variables(_ source: Substring, _ scope: Scope) -> String {
        var out = ""
        var rest = source
        while let dollar = rest.firstIndex(of: "$") {
            out += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            let isBraced = rest.hasPrefix("{")
            let name = (isBraced ? rest.dropFirst() : rest).prefix {
                $0 == "_" || $0.isASCII && ($0.isLetter || $0.isNumber)
            }
            let after = rest[name.endIndex...]
            if let property = scope.secrets[String(name)], !isBraced || after.hasPrefix("}") {
                out += "${config.\(property)}"
                rest = isBraced ? after.dropFirst() : after
            } else {
                out += isBraced ? "$$" : "$"
            }
        }
        return out + rest
    }

    private static func find(_ mark: String, in text: Substring) -> Substring.Index? {
        text.indices.first { text[$0...].hasPrefix(mark) }
    }
}
