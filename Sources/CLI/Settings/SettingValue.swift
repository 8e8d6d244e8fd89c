import Catalog
import Gateway
import Glibc
import System

/// Reads the text of one value, or says what it should have been.
enum SettingValue {
    /// Loops; more than any machine has cores for.
    static let workersMax = 1024

    /// `HOST:PORT` with a numeric host, `[…]` around an IPv6 one; `localhost` is 127.0.0.1.
    static func address(_ text: String) throws(SettingMistake) -> GatewayConfiguration.Address {
        let wanted = "an address is HOST:PORT, such as 127.0.0.1:8080, 0.0.0.0:8080 or [::1]:8080"
        guard let colon = text.lastIndex(of: ":"), !text[..<colon].isEmpty else {
            throw SettingMistake(message: "\"\(text)\" has no host and port; \(wanted)")
        }
        var host = String(text[..<colon])
        if host == "localhost" { host = "127.0.0.1" }
        let isBracketed = host.hasPrefix("[") && host.hasSuffix("]")
        if isBracketed { host = String(host.dropFirst().dropLast()) }
        guard isBracketed ? isIPv6(host) : isIPv4(host) else {
            throw SettingMistake(message: "\"\(host)\" is no numeric address of this machine; \(wanted)")
        }
        let digits = text[text.index(after: colon)...]
        guard let port = Int(digits), (1...65535).contains(port), digits.utf8.allSatisfy(isDigit) else {
            throw SettingMistake(message: "the port of \"\(text)\" must be a number from 1 to 65535")
        }
        return GatewayConfiguration.Address(host: host, port: port)
    }

    /// `http://` or `https://` with host and maybe port; a slash at its end is dropped.
    static func origin(_ text: String) throws(SettingMistake) -> String {
        let trimmed = text.hasSuffix("/") ? String(text.dropLast()) : text
        for scheme in ["http://", "https://"] where trimmed.hasPrefix(scheme) {
            let authority = trimmed.dropFirst(scheme.count)
            guard !authority.isEmpty, authority.utf8.allSatisfy(isAuthorityByte) else { break }
            return trimmed
        }
        throw SettingMistake(
            message: "\"\(text)\" must be http:// or https://, a host and maybe a port, "
                + "such as https://mcp.example.com; nothing after it")
    }

    /// A host name, maybe with a port.
    static func domain(_ text: String) throws(SettingMistake) -> String {
        guard !text.isEmpty, text.utf8.allSatisfy(isAuthorityByte) else {
            throw SettingMistake(
                message:
                    "\"\(text)\" must be a host name, maybe with a port, such as mcp.example.com; no scheme")
        }
        return text
    }

    /// A host name without a port.
    static func hostName(_ text: String) throws(SettingMistake) -> String {
        guard !text.isEmpty, text.utf8.allSatisfy(isAuthorityByte), !text.contains(":") || text.hasPrefix("[")
        else {
            throw SettingMistake(
                message: "\"\(text)\" must be a host name such as mcp.example.com; no scheme and no port")
        }
        return text
    }

    /// A host of remote servers, `host` or `host:port`; an IPv6 address without brackets.
    static func remoteHost(_ text: String) throws(SettingMistake) -> String {
        guard !text.isEmpty, text.utf8.allSatisfy(isAuthorityByte), !text.contains("[") else {
            throw SettingMistake(
                message: "\"\(text)\" must be a host such as mcp.internal or 10.1.2.3, or one with its port")
        }
        return text
    }

    /// `HOST:PORT`; in place of the host, `*.` and a domain, or `*`.
    static func egressHost(_ text: String) throws(SettingMistake) -> HostPattern {
        guard let pattern = HostPattern(text) else {
            throw SettingMistake(
                message:
                    "\"\(text)\" must be a host and a port such as api.example.com:443, *.example.com:443 or "
                    + "*:443")
        }
        return pattern
    }

    static func addPrivateHost(_ text: String, to hosts: inout PrivateHosts) throws(SettingMistake) {
        guard hosts.add(text) else {
            throw SettingMistake(
                message:
                    "\"\(text)\" must be a host such as db.internal or 10.1.2.3, one with its port, or a range "
                    + "such as 10.1.0.0/16")
        }
    }

    static func number(_ text: String, in range: ClosedRange<Int>) throws(SettingMistake) -> Int {
        guard let number = Int(text), range.contains(number) else {
            throw SettingMistake(
                message: "\"\(text)\" must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// `A..B`, a default and a maximum, or the one value that is both.
    static func range(_ text: String) -> (standard: String, maximum: String?) {
        let parts = text.split(separator: "..", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts.first ?? ""), parts.count == 2 ? String(parts[1]) : nil)
    }

    static func network(_ text: String) throws(SettingMistake) -> NetworkPolicy {
        let (standard, maximum) = range(text)
        let least: NetworkChoice = try choice(standard)
        let most: NetworkChoice = try choice(maximum ?? standard)
        guard least <= most else {
            throw SettingMistake(message: "\"\(text)\" has a maximum below its default")
        }
        return NetworkPolicy(least, upTo: most)
    }

    /// Seconds, or `never`; one value, or a default and a maximum.
    static func idle(_ text: String) throws(SettingMistake) -> IdlePolicy {
        func seconds(_ text: String) throws(SettingMistake) -> Int {
            text == "never" ? 0 : try number(text, in: IdlePolicy.range)
        }
        let (standard, maximum) = range(text)
        let policy = IdlePolicy(
            try seconds(standard), upTo: try maximum.map { text throws(SettingMistake) in try seconds(text) })
        guard policy.allows(policy.standardSeconds) else {
            throw SettingMistake(message: "\"\(text)\" has a maximum below its default")
        }
        return policy
    }

    static func truth(_ text: String) throws(SettingMistake) -> Bool {
        switch text.lowercased() {
        case "true", "yes", "on", "1": return true
        case "false", "no", "off", "0": return false
        default: throw SettingMistake(message: "\"\(text)\" must be true or false")
        }
    }

    /// A member of an enumeration by its word.
    static func choice<Choice: RawRepresentable & CaseIterable>(
        _ text: String
    ) throws(SettingMistake) -> Choice where Choice.RawValue == String {
        if let choice = Choice(rawValue: text) { return choice }
        let words = Choice.allCases.map(\.rawValue)
        throw SettingMistake(
            message: "\"\(text)\" must be \(words.joined(separator: ", "))"
                + Nearest.question(Nearest.of(text, in: words, limit: 1)))
    }

    /// A path, from `folder` when it is relative.
    static func path(_ text: String, from folder: String?) throws(SettingMistake) -> String {
        guard !text.isEmpty, !text.utf8.contains(0) else {
            throw SettingMistake(message: "a path is missing")
        }
        if text.hasPrefix("~/"), let home = Environment.current["HOME"] { return home + text.dropFirst() }
        guard let folder, !text.hasPrefix("/") else { return text }
        return folder + "/" + text
    }

    // MARK: Bytes

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    /// What may stand in host and port; `@` would be userinfo.
    private static func isAuthorityByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: ":"): true
        case UInt8(ascii: "["), UInt8(ascii: "]"): true
        default: false
        }
    }

    private static func isIPv4(_ text: String) -> Bool {
        var address = in_addr()
        return inet_pton(AF_INET, text, &address) == 1
    }

    private static func isIPv6(_ text: String) -> Bool {
        var address = in6_addr()
        return inet_pton(AF_INET6, text, &address) == 1
    }
}
