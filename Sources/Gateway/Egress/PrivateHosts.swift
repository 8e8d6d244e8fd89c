import MCP

/// The operator's answer to the question which hosts of this machine and of its private networks sandboxes may reach
/// when their owners name them: names and addresses, `host` or `host:port`, and ranges, `10.0.0.0/8`.
public struct PrivateHosts: Sendable, Equatable {
    private struct Range: Sendable, Equatable {
        var address: IPAddress
        var bits: Int

        func contains(_ other: IPAddress) -> Bool {
            switch (address, other) {
            case (.v4(let own), .v4(let number)):
                return bits == 0 || own >> (32 - UInt32(bits)) == number >> (32 - UInt32(bits))
            case (.v6(let high, let low), .v6(let otherHigh, let otherLow)):
                if bits == 0 { return true }
                if bits <= 64 { return high >> (64 - UInt64(bits)) == otherHigh >> (64 - UInt64(bits)) }
                let shift = UInt64(128 - bits)
                return high == otherHigh && low >> shift == otherLow >> shift
            default: return false
            }
        }
    }

    private var names: Set<String> = []
    private var ranges: [Range] = []

    public init() {}

    /// False when it is none of these.
    public mutating func add(_ text: String) -> Bool {
        if let slash = text.firstIndex(of: "/") {
            guard let address = IPAddress(String(text[..<slash])),
                let bits = Int(text[text.index(after: slash)...]), bits >= 0
            else { return false }
            if case .v4 = address, bits > 32 { return false }
            guard bits <= 128 else { return false }
            ranges.append(Range(address: address, bits: bits))
            return true
        }
        if let address = IPAddress(text), case .v6 = address {
            names.insert(text.lowercased())
            return true
        }
        if let target = HostPort(text) {
            names.insert(target.description)
            return true
        }
        guard let target = HostPort(host: text, port: 1) else { return false }
        names.insert(target.host)
        return true
    }

    func allows(_ target: HostPort, at address: IPAddress) -> Bool {
        names.contains(target.host) || names.contains(target.description)
            || ranges.contains { $0.contains(address) }
    }

    public static func + (left: PrivateHosts, right: PrivateHosts) -> PrivateHosts {
        var both = left
        both.names.formUnion(right.names)
        both.ranges += right.ranges
        return both
    }
}
