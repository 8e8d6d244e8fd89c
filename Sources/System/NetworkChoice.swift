/// What the servers of a sandbox can reach, each more than the one before.
public enum NetworkChoice: String, Sendable, CaseIterable, Comparable {
    /// Each other, and the gateway's endpoint of their own sandbox.
    case none
    /// Also the hosts of a list, through the gateway.
    case listed
    /// Also every public host, through the gateway's HTTP proxy.
    case proxy
    /// What the host reaches, its own loopback included.
    case host

    private var rank: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    public static func < (left: NetworkChoice, right: NetworkChoice) -> Bool { left.rank < right.rank }
}

/// What sandboxes get whose creators say nothing, and what those may ask for at the most.
public struct NetworkPolicy: Sendable, Equatable {
    public var standard: NetworkChoice
    public var maximum: NetworkChoice

    public init(_ standard: NetworkChoice, upTo maximum: NetworkChoice? = nil) {
        self.standard = standard
        self.maximum = maximum ?? standard
    }
}
