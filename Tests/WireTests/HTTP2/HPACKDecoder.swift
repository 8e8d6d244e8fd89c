/// Reads what our HPACK encoder writes (RFC 7541), independently of it.
struct HPACKDecoder {
    struct Malformed: Error {}

    /// The newest entry first.
    private var table: [(name: String, value: String)] = []

    mutating func decode(_ block: [UInt8]) throws -> [String] {
        var at = 0
        var lines: [String] = []
        while at < block.count {
            let byte = block[at]
            if byte & 0x80 != 0 {
                let field = try entry(try integer(block, &at, bits: 7))
                lines.append("\(field.name): \(field.value)")
            } else if byte & 0xE0 == 0x20 {
                _ = try integer(block, &at, bits: 5)
            } else {
                let isIndexed = byte & 0x40 != 0
                let index = try integer(block, &at, bits: isIndexed ? 6 : 4)
                let name = index == 0 ? try string(block, &at) : try entry(index).name
                let value = try string(block, &at)
                if isIndexed { table.insert((name, value), at: 0) }
                lines.append("\(name): \(value)")
            }
        }
        return lines
    }

    private func entry(_ index: Int) throws -> (name: String, value: String) {
        guard index > 0, index <= Self.fixed.count + table.count else { throw Malformed() }
        if index > Self.fixed.count { return table[index - Self.fixed.count - 1] }
        let parts = Self.fixed[index - 1].split(separator: "|", omittingEmptySubsequences: false)
        return (String(parts[0]), String(parts[1]))
    }

    private func integer(_ block: [UInt8], _ at: inout Int, bits: Int) throws -> Int {
        let mask = (1 << bits) - 1
        var value = Int(block[at]) & mask
        at += 1
        guard value == mask else { return value }
        var shift = 0
        while at < block.count, shift < 28 {
            let byte = Int(block[at])
            at += 1
            value += (byte & 0x7F) << shift
            if byte & 0x80 == 0 { return value }
            shift += 7
        }
        throw Malformed()
    }

    private func string(_ block: [UInt8], _ at: inout Int) throws -> String {
        guard at < block.count else { throw Malformed() }
        let isHuffman = block[at] & 0x80 != 0
        let count = try integer(block, &at, bits: 7)
        guard count <= block.count - at else { throw Malformed() }
        let bytes = Array(block[at..<(at + count)])
        at += count
        return String(decoding: isHuffman ? Self.expand(bytes) : bytes, as: UTF8.self)
    }

    /// The code is canonical: its lengths say all (RFC 7541, appendix B).
    private static let codes: [Int: UInt8] = {
        var codes: [Int: UInt8] = [:]
        var code = 0
        for length in 5...30 {
            for symbol in 0..<256 where lengths[symbol] == length {
                codes[length << 32 | code] = UInt8(symbol)
                code += 1
            }
            code <<= 1
        }
        return codes
    }()

    private static func expand(_ bytes: [UInt8]) -> [UInt8] {
        var out: [UInt8] = []
        var code = 0
        var length = 0
        for byte in bytes {
            for bit in (0..<8).reversed() {
                code = code << 1 | Int(byte >> UInt8(bit)) & 1
                length += 1
                if let symbol = codes[length << 32 | code] {
                    out.append(symbol)
                    code = 0
                    length = 0
                }
            }
        }
        return out
    }

    private static let lengths: [Int] = [
        13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
        28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
        5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
        7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
        15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
        7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
        24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
        23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
        26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
        21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
        26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
    ]

    /// RFC 7541, appendix A.
    private static let fixed: [String] = [
        ":authority|", ":method|GET", ":method|POST", ":path|/", ":path|/index.html", ":scheme|http",
        ":scheme|https", ":status|200", ":status|204", ":status|206", ":status|304", ":status|400",
        ":status|404", ":status|500", "accept-charset|", "accept-encoding|gzip, deflate",
        "accept-language|", "accept-ranges|", "accept|", "access-control-allow-origin|", "age|", "allow|",
        "authorization|", "cache-control|", "content-disposition|", "content-encoding|",
        "content-language|", "content-length|", "content-location|", "content-range|", "content-type|",
        "cookie|", "date|", "etag|", "expect|", "expires|", "from|", "host|", "if-match|",
        "if-modified-since|", "if-none-match|", "if-range|", "if-unmodified-since|", "last-modified|",
        "link|", "location|", "max-forwards|", "proxy-authenticate|", "proxy-authorization|", "range|",
        "referer|", "refresh|", "retry-after|", "server|", "set-cookie|", "strict-transport-security|",
        "transfer-encoding|", "user-agent|", "vary|", "via|", "www-authenticate|",
    ]
}
