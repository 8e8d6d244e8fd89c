/// The URL of a remote server, read strictly: what two parsers could read differently is none (no user
/// information, no backslashes, no numbers that stand for an address, no second `@` or `#`).
public struct RemoteURL: Sendable, Hashable, CustomStringConvertible {
    public enum Fault: Error, Sendable, Equatable {
        case tooLong, illegalCharacter, scheme, userInformation, host, port, notOurOrigin

        public var reason: StaticString {
            switch self {
            case .tooLong: "the URL is longer than 4096 bytes"
            case .illegalCharacter: "the URL has a character that must be percent-encoded"
            case .scheme: "the URL must begin with https:// or http://"
            case .userInformation: "the URL must not hold a user name or password"
            case .host: "the URL has no valid host"
            case .port: "the URL has no valid port"
            case .notOurOrigin: "the URL leads to another origin"
            }
        }
    }

    public let isSecure: Bool
    /// In lower case; an IPv6 address without its brackets.
    public let host: String
    public let port: UInt16
    /// Path and query in origin form; begins with `/`.
    public let target: String
    /// The host is an address, not a name.
    public let isAddress: Bool

    public init(_ text: String) throws(Fault) {
        let bytes = Array(text.utf8)
        guard bytes.count <= BridgeLimits.urlBytesMax else { throw .tooLong }
        for byte in bytes where !Self.isLegal(byte) { throw .illegalCharacter }
        let scheme = bytes.prefix(8).map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        let isSecure = scheme.elementsEqual("https://".utf8)
        guard isSecure || scheme.starts(with: "http://".utf8) else { throw .scheme }
        let start = isSecure ? 8 : 7
        let end = bytes[start...].firstIndex { $0 == 0x2F || $0 == 0x3F || $0 == 0x23 } ?? bytes.count
        let authority = bytes[start..<end]
        guard !authority.contains(0x40) else { throw .userInformation }
        (host, port, isAddress) = try Self.authority(Array(authority), defaultPort: isSecure ? 443 : 80)
        self.isSecure = isSecure
        target = Self.target(bytes[end...])
    }

    private init(_ origin: RemoteURL, target: String) {
        isSecure = origin.isSecure
        host = origin.host
        port = origin.port
        isAddress = origin.isAddress
        self.target = target
    }

    /// Where `reference` (an absolute URL, an absolute or relative path, or a query) leads from here; it must stay
    /// at this origin (RFC 3986 §5.2).
    public func resolving(_ reference: String) throws(Fault) -> RemoteURL {
        let bytes = Array(reference.utf8)
        guard bytes.count <= BridgeLimits.urlBytesMax else { throw .tooLong }
        for byte in bytes where !Self.isLegal(byte) { throw .illegalCharacter }
        if let colon = bytes.firstIndex(of: 0x3A),
            bytes[..<colon].allSatisfy({ $0 != 0x2F && $0 != 0x3F && $0 != 0x23 })
        {
            return try checked(RemoteURL(reference))
        }
        if bytes.starts(with: "//".utf8) {
            return try checked(RemoteURL((isSecure ? "https:" : "http:") + reference))
        }
        let path = target.prefix { $0 != "?" }
        let merged: String
        switch bytes.first {
        case nil, 0x23: merged = target
        case 0x2F: merged = reference
        case 0x3F: merged = path + reference
        default: merged = path[...(path.lastIndex(of: "/") ?? path.startIndex)] + reference
        }
        return RemoteURL(self, target: Self.target(Array(merged.utf8)[...]))
    }

    private func checked(_ other: RemoteURL) throws(Fault) -> RemoteURL {
        guard isSameOrigin(as: other) else { throw .notOurOrigin }
        return other
    }

    public func isSameOrigin(as other: RemoteURL) -> Bool {
        isSecure == other.isSecure && host == other.host && port == other.port
    }

    /// The value of `Host`: the port only where it is not the scheme's.
    public var hostField: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
    }

    public var description: String { (isSecure ? "https://" : "http://") + hostField + target }

    // MARK: Parts

    /// Printable ASCII that RFC 3986 allows somewhere in a URL.
    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x22, 0x3C, 0x3E, 0x5C, 0x5E, 0x60, 0x7B, 0x7C, 0x7D: false
        case 0x21...0x7E: true
        default: false
        }
    }

    private static func authority(
        _ bytes: [UInt8], defaultPort: UInt16
    ) throws(Fault) -> (String, UInt16, Bool) {
        var end: Int
        var host: String
        var isAddress = false
        if bytes.first == 0x5B {
            guard let close = bytes.firstIndex(of: 0x5D) else { throw .host }
            host = String(decoding: bytes[1..<close], as: UTF8.self).lowercased()
            guard case .v6? = IPAddress(host) else { throw .host }
            isAddress = true
            end = close + 1
        } else {
            end = bytes.firstIndex(of: 0x3A) ?? bytes.count
            host = String(decoding: bytes[..<end], as: UTF8.self).lowercased()
            if host.hasSuffix(".") { host.removeLast() }
            isAddress = IPAddress(host) != nil
            guard isAddress || isName(host) else { throw .host }
        }
        guard end < bytes.count else { return (host, defaultPort, isAddress) }
        let digits = bytes[(end + 1)...]
        guard bytes[end] == 0x3A, !digits.isEmpty, digits.count <= 5,
            digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let port = UInt16(String(decoding: digits, as: UTF8.self)), port > 0
        else { throw .port }
        return (host, port, isAddress)
    }

    /// Letters, digits, `-` and `_` in labels; the last label is no number, so that nothing which a resolver might
    /// take for an address (`127.1`, `0x7f000001`, `2130706433`) is a name.
    private static func isName(_ host: String) -> Bool {
        guard !host.isEmpty, host.utf8.count <= 253 else { return false }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        for label in labels {
            guard !label.isEmpty, label.utf8.count <= 63, label.first != "-", label.last != "-",
                label.utf8.allSatisfy({
                    $0 >= 0x30 && $0 <= 0x39 || $0 >= 0x61 && $0 <= 0x7A || $0 == 0x2D || $0 == 0x5F
                })
            else { return false }
        }
        guard let last = labels.last else { return false }
        return !(last.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } || last.hasPrefix("0x"))
    }

    /// Without the fragment, with a path, and without `.` and `..` in it.
    private static func target(_ bytes: ArraySlice<UInt8>) -> String {
        let whole = bytes.prefix { $0 != 0x23 }
        let path = whole.prefix { $0 != 0x3F }
        let query = whole[path.endIndex...]
        var kept: [ArraySlice<UInt8>] = []
        let segments = path.split(separator: 0x2F, omittingEmptySubsequences: false).dropFirst()
        for (i, segment) in segments.enumerated() {
            let isLast = i == segments.count - 1
            if segment.elementsEqual(".".utf8) || segment.elementsEqual("..".utf8) {
                if segment.count == 2, !kept.isEmpty { kept.removeLast() }
                if isLast { kept.append([]) }
            } else {
                kept.append(segment)
            }
        }
        var joined: [UInt8] = kept.isEmpty ? [0x2F] : []
        for segment in kept {
            joined.append(0x2F)
            joined += segment
        }
        return String(decoding: joined + query, as: UTF8.self)
    }
}
