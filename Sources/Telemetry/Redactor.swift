/// Hides secrets in text that is shown: by their values, also as they look percent-encoded, in Base64 (at any
/// offset, as in `Authorization: Basic`) and as JSON strings.
public struct Redactor: Sendable {
    private struct Form: Sendable {
        let bytes: [UInt8]
        /// Hidden only where no letter, digit or `_` touches it.
        let isWord: Bool
    }

    private static let mask = Array("[secret]".utf8)

    /// Longest first: a secret that contains another one is hidden whole.
    private let forms: [Form]

    public init(_ secrets: [String]) {
        var found: Set<[UInt8]> = []
        var forms: [Form] = []
        func add(_ bytes: [UInt8], isWord: Bool = false) {
            if !bytes.isEmpty, found.insert(bytes).inserted {
                forms.append(Form(bytes: bytes, isWord: isWord))
            }
        }
        for secret in secrets {
            for part in Self.parts(of: secret) {
                let bytes = Array(part.utf8)
                let isWord = bytes.count < TelemetryLimits.wordSecretBytes
                add(bytes, isWord: isWord)
                for form in Self.percentEncoded(bytes) { add(form, isWord: isWord) }
                for form in Self.jsonEscaped(part) { add(form, isWord: isWord) }
                if !isWord { for form in Self.base64Cores(bytes) { add(form) } }
            }
        }
        self.forms = forms.sorted { $0.bytes.count > $1.bytes.count }
    }

    /// The text with every secret replaced by `[secret]`.
    public func redact(_ text: String) -> String {
        guard !forms.isEmpty else { return text }
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var at = 0
        while at < bytes.count {
            if let form = forms.first(where: { Self.matches($0, bytes, at) }) {
                out += Self.mask
                at += form.bytes.count
            } else {
                out.append(bytes[at])
                at += 1
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func matches(_ form: Form, _ bytes: [UInt8], _ at: Int) -> Bool {
        let end = at + form.bytes.count
        guard bytes[at] == form.bytes[0], end <= bytes.count, bytes[at..<end].elementsEqual(form.bytes) else {
            return false
        }
        guard form.isWord else { return true }
        return (at == 0 || !isWordByte(bytes[at - 1])) && (end == bytes.count || !isWordByte(bytes[end]))
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), 0x80...:
            true
        default: false
        }
    }

    // MARK: Forms

    /// The secret, and its lines when it has several (a PEM key): servers' output is shown line by line.
    private static func parts(of secret: String) -> [String] {
        let lines = secret.split(whereSeparator: \.isNewline).map(String.init)
        guard lines.count > 1 else { return [secret] }
        return [secret] + lines.filter { $0.utf8.count >= TelemetryLimits.base64CoreBytes }
    }

    /// RFC 3986 §2.1 with upper- and lower-case digits, and the form encoding's `+` for a space.
    private static func percentEncoded(_ bytes: [UInt8]) -> [[UInt8]] {
        ["0123456789ABCDEF", "0123456789abcdef"].flatMap { alphabet in
            let digits = Array(alphabet.utf8)
            return [Array("%20".utf8), Array("+".utf8)].map { space in
                bytes.flatMap { byte -> [UInt8] in
                    if byte == UInt8(ascii: " ") { return space }
                    if isUnreserved(byte) { return [byte] }
                    return [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
                }
            }
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        byte < 0x80 && (isWordByte(byte) || "-.~".utf8.contains(byte))
    }

    /// As JSON writers do it: with or without `\/`, non-ASCII characters as they are or as `\u` escapes.
    private static func jsonEscaped(_ text: String) -> [[UInt8]] {
        [(false, false), (true, false), (false, true), (true, true)].map { escapesSlash, isASCII in
            text.utf16.isEmpty ? [] : Array(escaped(text, escapesSlash: escapesSlash, isASCII: isASCII).utf8)
        }
    }

    private static func escaped(_ text: String, escapesSlash: Bool, isASCII: Bool) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "/" where escapesSlash: out += "\\/"
            case _ where scalar.value < 0x20 || (isASCII && scalar.value > 0x7E):
                for unit in String(scalar).utf16 {
                    let hex = String(unit, radix: 16)
                    out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                }
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out
    }

    /// The characters that Base64 of *any* text with this secret in it must contain: one core for each of the
    /// three offsets that the secret may have, in both alphabets (RFC 4648 §4, §5).
    private static func base64Cores(_ bytes: [UInt8]) -> [[UInt8]] {
        let alphabets = ["+/", "-_"].map {
            Array(("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + $0).utf8)
        }
        return (0..<3).flatMap { offset in
            // A character holds 6 bits: those that mix in bits of the neighbours are left out.
            let first = (offset * 8 + 5) / 6
            let end = (offset + bytes.count) * 8 / 6
            guard end - first >= TelemetryLimits.base64CoreBytes else { return [[UInt8]]() }
            return alphabets.map { alphabet in
                (first..<end).map { alphabet[sextet(bytes, at: $0 * 6 - offset * 8)] }
            }
        }
    }

    /// Six bits from bit `start` on; what lies beyond the end is 0.
    private static func sextet(_ bytes: [UInt8], at start: Int) -> Int {
        let index = start / 8
        let pair = Int(bytes[index]) << 8 | (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
        return pair >> (10 - start % 8) & 63
    }
}
