import MCP
import Sandbox

/// Where in a sandbox's network each host is found that it may reach: a name at an address of the loopback net that
/// is written to the sandbox's `/etc/hosts`, an address at itself. What a name was given stays its own as long as
/// the sandbox lives.
struct EgressAddresses {
    private var numbers: [String: Int] = [:]
    /// In the order in which they were named.
    private var names: [String] = []
    /// Addresses of the loopback net that are hosts themselves.
    private var taken: Set<String> = []
    private var next = 0

    /// Nil for what cannot be there: an address that is none of a host, one of the gateway's own places, or one
    /// more than there is room for.
    mutating func place(of target: HostPort) -> InsideAddress? {
        if target.host == "localhost" { return unlessOwn("127.0.0.1", target.port) }
        if let literal = IPAddress(target.host) { return place(literal, target) }
        guard let address = address(of: target.host) else { return nil }
        return InsideAddress(address: address, port: Int(target.port))
    }

    private mutating func place(_ literal: IPAddress, _ target: HostPort) -> InsideAddress? {
        switch AddressGuard.refusal(literal) {
        case .metadata, .multicast, .unspecified, .reserved: return nil
        case .loopback:
            guard !numbers.keys.contains(where: { address(of: $0) == target.host }) else { return nil }
            taken.insert(target.host)
            return unlessOwn(target.host, target.port)
        default: return InsideAddress(address: target.host, port: Int(target.port), isForeign: true)
        }
    }

    private func unlessOwn(_ address: String, _ port: UInt16) -> InsideAddress? {
        let place = InsideAddress(address: address, port: Int(port))
        return place == .endpoint || place == .proxy ? nil : place
    }

    private mutating func address(of name: String) -> String? {
        if let number = numbers[name] { return Self.address(number) }
        while taken.contains(Self.address(next)) { next += 1 }
        guard next < Limits.egressNames else { return nil }
        numbers[name] = next
        names.append(name)
        next += 1
        return Self.address(next - 1)
    }

    private static func address(_ number: Int) -> String { "127.0.\(1 + number / 250).\(1 + number % 250)" }

    /// The lines of `/etc/hosts`.
    var hosts: [(address: String, name: String)] {
        names.compactMap { name in numbers[name].map { (Self.address($0), name) } }
    }
}

extension InsideAddress {
    /// The sandbox's own MCP endpoint.
    static let endpoint = InsideAddress(address: "127.0.0.1", port: Limits.insidePort)
    /// The HTTP proxy.
    static let proxy = InsideAddress(address: "127.0.0.1", port: Limits.insideProxyPort)
}
