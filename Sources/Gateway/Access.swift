import MCP
import System
import Wire

/// Which `Host` and `Origin` values are served, and the CORS lines for browsers.
/// A page of a foreign site must not reach a gateway on the visitor's own machine by DNS rebinding
/// (MCP 2025-11-25, Streamable HTTP §Security): names are compared whole, after parsing.
final class Access: Sendable {
    private let origins: Set<String>
    private let hosts: Set<String>
    private let domain: String
    private let checksHost: Bool

    /// While every listener is bound to this machine alone, a foreign `Host` is an attack or a reverse proxy
    /// that was not announced; behind other listeners any name may lead here.
    init(configuration: GatewayConfiguration) {
        origins = Set(configuration.allowedOrigins.map { $0.lowercased() })
        var names = Set(configuration.allowedHosts.map { $0.lowercased() })
        if let name = Self.authority(ofURL: configuration.effectivePublicURL) { names.insert(name) }
        hosts = names
        domain = Self.name(ofAuthority: configuration.effectiveDomain.lowercased())
        checksHost = configuration.listensOnLoopbackAlone
    }

    /// `host` is the raw field value. Called for each request; the common names are compared as bytes.
    func admitsHost(_ host: UnsafeRawBufferPointer) -> Bool {
        if !checksHost { return true }
        if Self.isLocalAuthority(host) { return true }
        let name = Self.name(ofAuthority: String(decoding: host, as: UTF8.self).lowercased())
        return Self.isAddress(name) || hosts.contains(name)
            || !domain.isEmpty && (name == domain || name.hasSuffix("." + domain))
    }

    func admitsOrigin(_ origin: UnsafeRawBufferPointer) -> Bool {
        let text = String(decoding: origin, as: UTF8.self).lowercased()
        if origins.contains("*") || origins.contains(text) { return true }
        guard let name = Self.authority(ofURL: text) else { return false }
        return name == "localhost" || name == "127.0.0.1" || name == "[::1]" || hosts.contains(name)
            || !domain.isEmpty && name == domain
    }

    /// Only called for an origin that was admitted or whose request is refused without a secret in it.
    func appendCORS<Sink: ByteSink & ~Copyable>(_ origin: [UInt8], into out: inout Sink) {
        let isAdmitted = origin.withUnsafeBytes { admitsOrigin($0) }
        guard isAdmitted else { return }
        out.append("Access-Control-Allow-Origin: ")
        origin.withUnsafeBytes { out.append($0) }
        out.append("\r\nVary: Origin\r\n")
        out.append(
            "Access-Control-Expose-Headers: Mcp-Session-Id, MCP-Protocol-Version, WWW-Authenticate\r\n")
    }

    /// `localhost`, `127.0.0.1` or `[::1]`, with or without a port.
    private static func isLocalAuthority(_ host: UnsafeRawBufferPointer) -> Bool {
        let count: Int
        if host.hasPrefix("127.0.0.1") {
            count = 9
        } else if host.hasPrefix("localhost") || isLocalhost(host) {
            count = 9
        } else if host.hasPrefix("[::1]") {
            count = 5
        } else {
            return false
        }
        return host.count == count || host[count] == UInt8(ascii: ":")
    }

    /// Letter case aside.
    private static func isLocalhost(_ host: UnsafeRawBufferPointer) -> Bool {
        let name: StaticString = "localhost"
        guard host.count >= 9 else { return false }
        for i in 0..<9 where host[i] | 0x20 != name.utf8Start[i] { return false }
        return true
    }

    /// Without the port, in lower case.
    static func name(ofAuthority authority: String) -> String {
        if authority.hasPrefix("[") {
            guard let close = authority.firstIndex(of: "]") else { return authority }
            return String(authority[...close])
        }
        guard let colon = authority.lastIndex(of: ":") else { return authority }
        return String(authority[..<colon])
    }

    /// The host name of `scheme://host[:port][/…]`; nil for `null` and everything else.
    static func authority(ofURL url: String) -> String? {
        for scheme in ["http://", "https://"] where url.hasPrefix(scheme) {
            let rest = url.dropFirst(scheme.count)
            let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            guard !authority.isEmpty, !authority.contains("@") else { return nil }
            return name(ofAuthority: authority.lowercased())
        }
        return nil
    }

    /// An IPv4 or IPv6 literal: a browser sends it only to that very address.
    private static func isAddress(_ name: String) -> Bool {
        if name.hasPrefix("[") { return true }
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }
    }
}
