/// What names may be made of. Everything here is ASCII: names end up in files, headers and tool names.
enum Names {
    /// `[a-z0-9]+(-[a-z0-9]+)*`
    static func isKey(_ text: String) -> Bool {
        guard text.utf8.count <= CatalogLimits.nameBytesMax else { return false }
        return text.split(separator: "-", omittingEmptySubsequences: false).allSatisfy { word in
            !word.isEmpty && word.utf8.allSatisfy { isDigit($0) || isLower($0) }
        }
    }

    /// Letters, digits and `._-/` after a letter or a digit; also what a caller may write as a server's name.
    static func isAlias(_ text: String) -> Bool {
        text.utf8.count <= CatalogLimits.nameBytesMax && isName(text, "._-/")
    }

    /// The alphabet of tool names, so that nothing of the prefix has to be replaced.
    static func isCustom(_ text: String) -> Bool {
        text.utf8.count <= CatalogLimits.customNameBytesMax && isName(text, "._-")
    }

    /// `[A-Za-z][A-Za-z0-9]*`
    static func isProperty(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) else { return false }
        return text.utf8.allSatisfy(isAlphanumeric) && text.utf8.count <= CatalogLimits.nameBytesMax
    }

    /// `[A-Za-z_][A-Za-z0-9_]*`
    static func isVariable(_ text: String) -> Bool {
        guard let first = text.utf8.first, isLetter(first) || first == UInt8(ascii: "_") else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == UInt8(ascii: "_") }
            && text.utf8.count <= CatalogLimits.nameBytesMax
    }

    /// A token of RFC 9110 §5.6.2.
    static func isHeader(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= CatalogLimits.nameBytesMax
            && text.utf8.allSatisfy { isAlphanumeric($0) || "!#$%&'*+-.^_`|~".utf8.contains($0) }
    }

    /// Visible ASCII, blanks and tabs inside, or octets above: RFC 9110 §5.5.
    static func isHeaderValue(_ text: String) -> Bool {
        text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }
    }

    /// An image reference: `[host[:port]/]path[:tag][@digest]`.
    static func isImage(_ text: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || "._-/:@".utf8.contains($0) }
            && !text.contains("//") && !text.hasSuffix("/") && !text.hasSuffix(":") && !text.hasSuffix("@")
    }

    /// `*` or a name, a colon and a port.
    static func isHostAndPort(_ text: String) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, parts[1].utf8.allSatisfy(isDigit),
            let port = UInt16(parts[1]), port > 0
        else { return false }
        return parts[0].utf8.allSatisfy { isAlphanumeric($0) || ".-*_".utf8.contains($0) }
    }

    /// The same for a name, or `*.` and the end of names.
    static func isHostPattern(_ text: String) -> Bool {
        let name = text.hasPrefix("*.") ? String(text.dropFirst(2)) : text
        return isHostAndPort(name) && !name.contains("*")
    }

    // MARK: Bytes

    private static func isName(_ text: String, _ also: String) -> Bool {
        guard let first = text.utf8.first, isAlphanumeric(first) else { return false }
        return text.utf8.allSatisfy { isAlphanumeric($0) || also.utf8.contains($0) }
    }

    static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    static func isLower(_ byte: UInt8) -> Bool { byte >= 0x61 && byte <= 0x7A }
    static func isLetter(_ byte: UInt8) -> Bool { isLower(byte | 0x20) && byte < 0x80 }
    static func isAlphanumeric(_ byte: UInt8) -> Bool { isLetter(byte) || isDigit(byte) }
}
