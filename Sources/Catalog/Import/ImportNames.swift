/// How E2B makes its names from those of Docker's registry, so that imported entries are called by what their
/// users expect.
enum ImportNames {
    /// Lower case, without a leading `mcp-` and a trailing `-mcp-server` or `-mcp`, words joined with dashes.
    static func key(_ name: String) -> String {
        var text = name.lowercased()
        if text.hasPrefix("mcp-") { text.removeFirst(4) }
        for suffix in ["-mcp-server", "-mcp"] where text.hasSuffix(suffix) && text.count > suffix.count {
            text.removeLast(suffix.count)
            break
        }
        let key = words(text).joined(separator: "-")
        return key.isEmpty ? plainKey(name) : key
    }

    /// The whole name with dashes, for when the short one is taken.
    static func plainKey(_ name: String) -> String { words(name.lowercased()).joined(separator: "-") }

    /// Words after the first begin with a capital; all other letters stay as they are.
    static func camelCase(_ text: String) -> String {
        var out = ""
        for word in words(text) { out += out.isEmpty ? word : word.prefix(1).uppercased() + word.dropFirst() }
        // A property begins with a letter.
        return out.utf8.first.map(Names.isDigit) == true ? "n" + out : out
    }

    /// Of a secret: its variable without the server's own prefix.
    static func secret(_ variable: String, of server: String) -> String {
        let prefix = server.uppercased() + "_"
        let rest = variable.hasPrefix(prefix) ? String(variable.dropFirst(prefix.count)) : variable
        return camelCase(rest.lowercased())
    }

    /// Of a variable, a flag or a placeholder: constants become camel case, the rest keeps its case.
    static func property(_ name: String) -> String {
        let isConstant = !name.utf8.contains(where: Names.isLower)
        return camelCase(isConstant ? name.lowercased() : name)
    }

    /// One line for lists.
    static func summary(_ description: String?, title: String) -> String {
        let line = (description ?? "").split(whereSeparator: \.isWhitespace).joined(separator: " ")
        if line.isEmpty { return title }
        return line.count > summaryMax ? line.prefix(summaryMax - 1) + "…" : line
    }

    /// Characters of a summary.
    private static let summaryMax = 200

    private static func words(_ text: String) -> [String] {
        var words: [String] = []
        var word = ""
        for scalar in text.unicodeScalars {
            if scalar.isASCII, Names.isAlphanumeric(UInt8(scalar.value)) {
                word.unicodeScalars.append(scalar)
            } else if !word.isEmpty {
                words.append(word)
                word = ""
            }
        }
        return word.isEmpty ? words : words + [word]
    }
}
