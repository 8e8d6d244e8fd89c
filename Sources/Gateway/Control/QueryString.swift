/// A URL's query and the encodings that the E2B SDKs put on it.
enum QueryString {
    /// The pairs of `application/x-www-form-urlencoded` text (WHATWG URL §5.1), decoded once.
    static func pairs(_ text: String) throws(ControlRefusal) -> [(name: String, value: String)] {
        guard text.utf8.count <= ControlLimits.queryBytes else {
            throw .bad("The query has \(text.utf8.count) bytes; the limit is \(ControlLimits.queryBytes)")
        }
        var pairs: [(name: String, value: String)] = []
        for part in text.utf8.split(separator: UInt8(ascii: "&")) {
            guard pairs.count < ControlLimits.queryParameters else {
                throw .bad("The query has more than \(ControlLimits.queryParameters) parameters")
            }
            let halves = part.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = halves.first else { continue }
            let value = halves.count > 1 ? halves[1] : name[name.endIndex..<name.endIndex]
            pairs.append((try decoded(Array(name), isForm: true), try decoded(Array(value), isForm: true)))
        }
        return pairs
    }

    /// The `metadata` filter. The SDK percent-encodes keys and values, joins them as a query string, which
    /// encodes them again, and the whole becomes a parameter, the third time: three layers, of which `pairs`
    /// has taken off the outer one.
    static func metadata(_ text: String) throws(ControlRefusal) -> [(name: String, value: String)] {
        var filter: [(name: String, value: String)] = []
        for (name, value) in try pairs(text) {
            let plainName = try decoded(Array(name.utf8), isForm: false)
            filter.append((plainName, try decoded(Array(value.utf8), isForm: false)))
        }
        return filter
    }

    private static func decoded(_ bytes: [UInt8], isForm: Bool) throws(ControlRefusal) -> String {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count)
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == UInt8(ascii: "%") else {
                output.append(isForm && byte == UInt8(ascii: "+") ? 0x20 : byte)
                continue
            }
            guard index + 1 < bytes.count, let high = hexValue(bytes[index]),
                let low = hexValue(bytes[index + 1])
            else { throw .bad("The query has a % that two hexadecimal digits do not follow") }
            output.append(high << 4 | low)
            index += 2
        }
        guard let text = String(validating: output, as: UTF8.self) else {
            throw .bad("The query is not UTF-8 once it is percent-decoded")
        }
        return text
    }

    private static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
