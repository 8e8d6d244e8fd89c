/// Splits a command line into words as a POSIX shell does (XCU 2.2), for commands that are nothing but
/// words. Whatever a shell would expand, redirect or chain is refused: it never reaches a shell here.
enum ShellWords {
    struct Refusal: Error, Equatable {
        let reason: String
    }

    private enum Quote {
        case none, single, double
    }

    static func split(_ text: String, wordsMax: Int) throws(Refusal) -> [String] {
        var words: [String] = []
        var word: [UInt8] = []
        var isInWord = false
        var quote = Quote.none
        var escapes = false
        for byte in text.utf8 {
            guard byte != 0 else { throw Refusal(reason: "a NUL byte") }
            if escapes {
                escapes = false
                append(escaped: byte, quote: quote, to: &word, isInWord: &isInWord)
                continue
            }
            switch (quote, byte) {
            case (.single, UInt8(ascii: "'")), (.double, UInt8(ascii: "\"")):
                quote = .none
            case (.single, _):
                word.append(byte)
            case (_, UInt8(ascii: "\\")):
                escapes = true
            case (.double, UInt8(ascii: "$")), (.double, UInt8(ascii: "`")):
                throw Refusal(reason: "an expansion inside double quotes")
            case (.double, _):
                word.append(byte)
            case (.none, UInt8(ascii: "'")):
                quote = .single
                isInWord = true
            case (.none, UInt8(ascii: "\"")):
                quote = .double
                isInWord = true
            case (.none, 0x20), (.none, 0x09):
                if isInWord { words.append(String(decoding: word, as: UTF8.self)) }
                word.removeAll(keepingCapacity: true)
                isInWord = false
            case (.none, _):
                guard !isSpecial(byte, startsWord: !isInWord) else {
                    throw Refusal(reason: "the shell character \(printable(byte)) outside quotes")
                }
                word.append(byte)
                isInWord = true
            }
            guard words.count <= wordsMax else { throw Refusal(reason: "more than \(wordsMax) words") }
        }
        guard quote == .none else { throw Refusal(reason: "a quote that is not closed") }
        guard !escapes else { throw Refusal(reason: "a backslash at the end") }
        if isInWord { words.append(String(decoding: word, as: UTF8.self)) }
        guard words.count <= wordsMax else { throw Refusal(reason: "more than \(wordsMax) words") }
        return words
    }

    /// A backslash takes any byte outside quotes, four of them inside double quotes; before a line break
    /// both vanish.
    private static func append(
        escaped byte: UInt8, quote: Quote, to word: inout [UInt8], isInWord: inout Bool
    ) {
        if byte == 0x0A { return }
        if quote == .double, !Array("$`\"\\".utf8).contains(byte) { word.append(UInt8(ascii: "\\")) }
        word.append(byte)
        isInWord = true
    }

    private static func isSpecial(_ byte: UInt8, startsWord: Bool) -> Bool {
        if Array("|&;<>()$`*?[\n\r".utf8).contains(byte) { return true }
        return startsWord && Array("~#!".utf8).contains(byte)
    }

    private static func printable(_ byte: UInt8) -> String {
        byte == 0x0A || byte == 0x0D ? "of a line break" : "'\(Character(Unicode.Scalar(byte)))'"
    }
}
