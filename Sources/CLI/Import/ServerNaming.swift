/// How names of other catalogs become names of ours.
enum ServerNaming {
    /// Lower case, without `mcp-` in front and `-mcp-server` or `-mcp` behind, words joined by dashes.
    static func key(_ name: String) -> String {
        var short = name.lowercased()
        if short.hasPrefix("mcp-") { short.removeFirst(4) }
        for ending in ["-mcp-server", "-mcp"] where short.hasSuffix(ending) {
            short.removeLast(ending.count)
            break
        }
        return words(short).joined(separator: "-")
    }

    /// `word-counter` to `wordCounter`, `BASE_URL` to `baseUrl` when it is lower-cased before.
    static func camelCase(_ text: String) -> String {
        let parts = words(text)
        let joined = parts.enumerated().map { index, word in
            (index == 0 ? word.prefix(1).lowercased() : word.prefix(1).uppercased()) + word.dropFirst()
        }.joined()
        guard let first = joined.first, first.isLetter else { return "value" + joined }
        return joined
    }

    /// The property for a secret's environment variable: without the server's own name in front.
    static func property(variable: String, server: String) -> String {
        let prefix = server.uppercased() + "_"
        let rest =
            variable.hasPrefix(prefix) && variable.count > prefix.count
            ? String(variable.dropFirst(prefix.count)) : variable
        return camelCase(rest.lowercased())
    }

    /// One sentence of at most 110 characters, as the catalog wants it.
    static func summary(_ text: String, title: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        var sentence = line
        if let stop = line.range(of: ". ") { sentence = String(line[..<stop.lowerBound]) }
        while let last = sentence.last, ".…:;, ".contains(last) { sentence.removeLast() }
        if sentence.count < 9 { sentence = "Runs the MCP server \(title)" }
        return sentence.count > 109 ? sentence.prefix(108) + "…." : sentence + "."
    }

    private static func words(_ text: String) -> [String] {
        text.split { !($0.isASCII && ($0.isLetter || $0.isNumber)) }.map(String.init)
    }
}

extension StringProtocol {
    /// The first place where `other` stands; without Foundation.
    func range(of other: String) -> Range<Index>? { self.firstRange(of: other) }
}
