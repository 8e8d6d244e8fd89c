import Wire

/// RFC 8259 as plainly as it can be written, to be compared with: one byte at a time, recursive, and with the
/// standard library's own check of UTF-8.
struct ReferenceJSON {
    private let bytes: [UInt8]
    private var at = 0
    private let depthMax: Int

    static func accepts(_ bytes: [UInt8], depthMax: Int = WireLimits.jsonDepthMax) -> Bool {
        var reader = ReferenceJSON(bytes: bytes, depthMax: depthMax)
        reader.blanks()
        guard reader.value(0) else { return false }
        reader.blanks()
        return reader.at == bytes.count
    }

    private init(bytes: [UInt8], depthMax: Int) {
        self.bytes = bytes
        self.depthMax = depthMax
    }

    private var here: UInt8? { at < bytes.count ? bytes[at] : nil }

    private mutating func take(_ byte: Character) -> Bool {
        guard here == byte.asciiValue else { return false }
        at += 1
        return true
    }

    private mutating func blanks() {
        while let byte = here, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { at += 1 }
    }

    private mutating func value(_ depth: Int) -> Bool {
        switch here.map({ Character(UnicodeScalar($0)) }) {
        case "{": depth < depthMax && sequence("{", "}") { $0.member(depth) }
        case "[": depth < depthMax && sequence("[", "]") { $0.value(depth + 1) }
        case "\"": string()
        case "t": word("true")
        case "f": word("false")
        case "n": word("null")
        default: number()
        }
    }

    private mutating func sequence(
        _ open: Character, _ close: Character, _ element: (inout ReferenceJSON) -> Bool
    ) -> Bool {
        guard take(open) else { return false }
        blanks()
        if take(close) { return true }
        while true {
            blanks()
            guard element(&self) else { return false }
            blanks()
            if take(close) { return true }
            guard take(",") else { return false }
        }
    }

    private mutating func member(_ depth: Int) -> Bool {
        guard string() else { return false }
        blanks()
        guard take(":") else { return false }
        blanks()
        return value(depth + 1)
    }

    private mutating func word(_ text: String) -> Bool {
        guard bytes[at...].starts(with: text.utf8) else { return false }
        at += text.utf8.count
        return true
    }

    private mutating func digits() -> Bool {
        let start = at
        while let byte = here, (0x30...0x39).contains(byte) { at += 1 }
        return at > start
    }

    private mutating func number() -> Bool {
        _ = take("-")
        if !take("0"), !digits() { return false }
        if take("."), !digits() { return false }
        if take("e") || take("E") {
            if !take("+") { _ = take("-") }
            return digits()
        }
        return true
    }

    private mutating func string() -> Bool {
        guard take("\"") else { return false }
        let start = at
        while let byte = here, byte != 0x22 {
            guard byte >= 0x20 else { return false }
            at += 1
            if byte == 0x5C, !escape() { return false }
        }
        return String(validating: bytes[start..<at], as: UTF8.self) != nil && take("\"")
    }

    private mutating func escape() -> Bool {
        guard let kind = here else { return false }
        at += 1
        guard kind == 0x75 else { return "\"\\/bfnrt".utf8.contains(kind) }
        for _ in 0..<4 {
            guard let digit = here, Character(UnicodeScalar(digit)).isHexDigit, digit < 0x80 else {
                return false
            }
            at += 1
        }
        return true
    }
}
