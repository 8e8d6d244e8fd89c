import MCP

/// A host and a port, as a sandbox names them.
struct HostPort: Hashable, Sendable, CustomStringConvertible {
    /// Lower case, without brackets and without a dot at its end: letters, digits, `.-_`, or an IPv6 address.
    let host: String
    let port: UInt16

    init?(host: String, port: UInt16) {
        var name = host.lowercased()
        if name.hasPrefix("["), name.hasSuffix("]") {
            name = String(name.dropFirst().dropLast())
            guard case .v6 = IPAddress(name) else { return nil }
        } else {
            if name.hasSuffix(".") { name.removeLast() }
            guard HostPort.isName(name), !Self.isMisspelt(name) else { return nil }
        }
        guard port > 0 else { return nil }
        self.host = name
        self.port = port
    }

    /// `host:port`, an IPv6 address in brackets.
    init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = Self.port(text[text.index(after: colon)...])
        else { return nil }
        self.init(host: String(text[..<colon]), port: port)
    }

    /// Digits alone, 1 to 65535.
    static func port(_ text: Substring) -> UInt16? {
        guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let port = UInt16(text), port > 0 else {
            return nil
        }
        return port
    }

    /// What may become a line of `/etc/hosts` and a question to the resolver (RFC 1123 §2.1, and underscores).
    static func isName(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count) && !text.hasPrefix("-")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x61...0x7A, UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"): true
                default: false
                }
            }
    }

    /// An address that only some would read as one, and those not all as the same: `0177.0.0.1`, `127.1`, `0x7f000001`.
    /// A name whose last part is a number is an IPv4 address in four decimal parts, or nothing.
    private static func isMisspelt(_ name: String) -> Bool {
        guard let last = name.split(separator: ".", omittingEmptySubsequences: false).last else {
            return true
        }
        let isNumber =
            last.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 }
            || last.hasPrefix("0x") && last.dropFirst(2).allSatisfy(\.isHexDigit)
        return isNumber && IPAddress(name) == nil
    }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// One entry of a list of hosts: `host:port`, `*.domain:port` for every name below a domain, `*:port` for any.
public struct HostPattern: Hashable, Sendable {
    enum Name: Hashable, Sendable {
        case exact(String)
        /// With its leading dot.
        case below(String)
        case any
    }

    let name: Name
    let port: UInt16

    public init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"),
            let port = HostPort.port(text[text.index(after: colon)...])
        else { return nil }
        let host = text[..<colon]
        self.port = port
        if host == "*" {
            name = .any
        } else if host.hasPrefix("*.") {
            guard let domain = HostPort(host: String(host.dropFirst(2)), port: port) else { return nil }
            name = .below("." + domain.host)
        } else {
            guard let target = HostPort(host: String(host), port: port) else { return nil }
            name = .exact(target.host)
        }
    }

    func matches(_ target: HostPort) -> Bool {
        guard port == target.port else { return false }
        switch name {
        case .exact(let host): return host == target.host
        case .below(let domain): return target.host.hasSuffix(domain)
        case .any: return true
        }
    }

    /// Nil for those that stand for more than one host.
    var target: HostPort? {
        guard case .exact(let host) = name else { return nil }
        return HostPort(host: host.contains(":") ? "[\(host)]" : host, port: port)
    }
}
