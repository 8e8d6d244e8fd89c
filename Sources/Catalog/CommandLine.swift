/// A command as somebody types it.
enum CommandLine {
    /// Words, with quotes and backslashes as in a POSIX shell (2.2 Quoting). What only a shell can do, such as
    /// `npm ci && npm run build`, becomes `/bin/sh -c TEXT`: TEXT is one argument, nothing is put into it, and
    /// it runs where the server itself runs. Nil when a quote is open or there is no word.
    static func words(_ text: String) -> [String]? {
        var scanner = Scanner(characters: Array(text.unicodeScalars))
        guard let words = scanner.scan(), !words.isEmpty else { return nil }
        return scanner.needsShell ? ["/bin/sh", "-c", text] : words
    }

    private struct Scanner {
        let characters: [Unicode.Scalar]
        var at = 0
        var needsShell = false
        var words: [String] = []
        /// Nil between words.
        var word: String?

        init(characters: [Unicode.Scalar]) { self.characters = characters }

        mutating func scan() -> [String]? {
            while at < characters.count {
                let character = characters[at]
                at += 1
                switch character {
                case " ", "\t", "\r": endWord()
                case "\n":
                    if !words.isEmpty || word != nil { needsShell = needsShell || hasMore }
                    endWord()
                case "'": guard singleQuoted() else { return nil }
                case "\"": guard doubleQuoted() else { return nil }
                case "\\":
                    guard at < characters.count else { return nil }
                    append(characters[at])
                    at += 1
                case "|", "&", ";", "<", ">", "(", ")", "$", "`", "*", "?", "[", "{":
                    needsShell = true
                    append(character)
                case "~", "#":
                    if word == nil { needsShell = true }
                    append(character)
                case "=":
                    // `NAME=value program`
                    if words.isEmpty, let name = word, Names.isVariable(name) { needsShell = true }
                    append(character)
                default: append(character)
                }
            }
            endWord()
            return words
        }

        /// Something other than blanks follows.
        private var hasMore: Bool { characters[at...].contains { !$0.properties.isWhitespace } }

        private mutating func append(_ character: Unicode.Scalar) {
            word = word ?? ""
            word?.unicodeScalars.append(character)
        }

        private mutating func endWord() {
            if let word { words.append(word) }
            word = nil
        }

        private mutating func singleQuoted() -> Bool {
            word = word ?? ""
            while at < characters.count {
                let character = characters[at]
                at += 1
                if character == "'" { return true }
                append(character)
            }
            return false
        }

        private mutating func doubleQuoted() -> Bool {
            word = word ?? ""
            while at < characters.count {
                let character = characters[at]
                at += 1
                switch character {
                case "\"": return true
                case "\\":
                    guard at < characters.count else { return false }
                    // A backslash stands for itself before anything else.
                    if !"\"\\$`".unicodeScalars.contains(characters[at]) { append("\\") }
                    append(characters[at])
                    at += 1
                case "$", "`":
                    needsShell = true
                    append(character)
                default: append(character)
                }
            }
            return false
        }
    }
}
