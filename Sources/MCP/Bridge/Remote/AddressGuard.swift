/// Which addresses the gateway connects to on a tenant's behalf. Asked after every resolution of a name, for each
/// address, before the connection is made to exactly that address: a name that resolves anew cannot slip by.
public enum AddressGuard {
    /// Why an address is refused.
    public enum Reason: String, Sendable {
        case unspecified = "an unspecified address"
        case loopback = "a loopback address"
        case privateNetwork = "an address of a private network"
        case shared = "an address of a carrier's shared network"
        case linkLocal = "a link-local address"
        case metadata = "the address of a cloud's metadata service"
        case multicast = "a multicast address"
        case reserved = "a reserved address"
    }

    /// Nil when the address is a public one.
    public static func refusal(_ address: IPAddress) -> Reason? {
        switch address {
        case .v4(let number): v4(number)
        case .v6(let high, let low): v6(high, low)
        }
    }

    /// Whether a connection to `address` for `host`, as the URL has it, may be made. `allowed` are the host names
    /// and addresses (`host` or `host:port`) that the operator lets pass whatever they resolve to; the metadata
    /// services of clouds never are.
    public static func allows(
        _ address: IPAddress, host: String, port: UInt16, allowed: Set<String>
    ) -> Bool {
        guard let reason = refusal(address) else { return true }
        guard reason != .metadata else { return false }
        return allowed.contains(host) || allowed.contains("\(host):\(port)")
    }

    private static func v4(_ number: UInt32) -> Reason? {
        for block in blocks where number >> (32 - block.bits) == block.prefix >> (32 - block.bits) {
            return block.reason
        }
        return nil
    }

    private struct Block {
        let prefix: UInt32
        let bits: UInt32
        let reason: Reason

        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ bits: UInt32, _ reason: Reason) {
            prefix = a << 24 | b << 16 | c << 8 | d
            self.bits = bits
            self.reason = reason
        }
    }

    /// The IANA special-purpose registry, the first match counts.
    private static let blocks: [Block] = [
        Block(169, 254, 169, 254, 32, .metadata), Block(169, 254, 170, 2, 32, .metadata),
        Block(100, 100, 100, 200, 32, .metadata), Block(168, 63, 129, 16, 32, .metadata),
        Block(192, 0, 0, 192, 32, .metadata),
        Block(0, 0, 0, 0, 8, .unspecified), Block(10, 0, 0, 0, 8, .privateNetwork),
        Block(100, 64, 0, 0, 10, .shared), Block(127, 0, 0, 0, 8, .loopback),
        Block(169, 254, 0, 0, 16, .linkLocal), Block(172, 16, 0, 0, 12, .privateNetwork),
        Block(192, 0, 0, 0, 24, .reserved), Block(192, 0, 2, 0, 24, .reserved),
        Block(192, 88, 99, 0, 24, .reserved), Block(192, 168, 0, 0, 16, .privateNetwork),
        Block(198, 18, 0, 0, 15, .privateNetwork), Block(198, 51, 100, 0, 24, .reserved),
        Block(203, 0, 113, 0, 24, .reserved), Block(224, 0, 0, 0, 4, .multicast),
        Block(240, 0, 0, 0, 4, .reserved),
    ]

    private static func v6(_ high: UInt64, _ low: UInt64) -> Reason? {
        if high == 0 {
            if low == 0 { return .unspecified }
            if low == 1 { return .loopback }
            // ::ffff:a.b.c.d is that IPv4 address; ::a.b.c.d was once meant to be.
            if low >> 32 == 0xFFFF { return v4(UInt32(truncatingIfNeeded: low)) }
            return .reserved
        }
        // NAT64 (RFC 6052) leads to the IPv4 address at its end.
        if high == 0x0064_FF9B_0000_0000, low >> 32 == 0 { return v4(UInt32(truncatingIfNeeded: low)) }
        if high == 0xFD00_0EC2_0000_0000, low == 0x254 { return .metadata }
        if high >> 57 == 0x7E { return .privateNetwork }
        if high >> 54 == 0x3FA { return .linkLocal }
        if high >> 54 == 0x3FB { return .privateNetwork }
        if high >> 56 == 0xFF { return .multicast }
        // Only 2000::/3 is handed out; in it, tunnels that carry IPv4 addresses, benchmarks and examples.
        guard high >> 61 == 1 else { return .reserved }
        if high >> 41 == 0x2001_0000 >> 9 { return .reserved }  // 2001::/23
        if high >> 32 == 0x2001_0DB8 { return .reserved }
        if high >> 48 == 0x2002 { return .reserved }
        if high >> 44 == 0x3FFF0 { return .reserved }  // 3fff::/20
        return nil
    }
}
