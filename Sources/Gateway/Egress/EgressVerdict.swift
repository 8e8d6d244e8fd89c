/// What became of one wish to reach a host.
enum EgressVerdict: Int, CaseIterable, Sendable {
    /// Connected.
    case allowed
    /// The sandbox has no business there.
    case unlisted
    /// The host is at an address that sandboxes must not reach.
    case forbidden
    /// Its name has no address.
    case unresolved
    /// None of its addresses took the connection in time.
    case unreachable
    /// The sandbox has too many connections, or opens them too fast.
    case limited
    /// What was asked of the proxy is no request to one.
    case malformed

    var label: String {
        switch self {
        case .allowed: "allowed"
        case .unlisted: "unlisted"
        case .forbidden: "forbidden"
        case .unresolved: "unresolved"
        case .unreachable: "unreachable"
        case .limited: "limited"
        case .malformed: "malformed"
        }
    }

    /// Status and error type (RFC 9209 §2.3) of the proxy's answer.
    var answer: (status: String, error: String) {
        switch self {
        case .allowed: ("200 Connection established", "")
        case .unlisted: ("403 Forbidden", "http_request_denied")
        case .forbidden: ("403 Forbidden", "destination_ip_prohibited")
        case .unresolved: ("502 Bad Gateway", "dns_error")
        case .unreachable: ("502 Bad Gateway", "destination_unavailable")
        case .limited: ("503 Service Unavailable", "connection_limit_reached")
        case .malformed: ("400 Bad Request", "http_request_error")
        }
    }
}

/// Numbers of one loop.
struct EgressCounters: Sendable {
    /// By `EgressVerdict.rawValue`.
    private var verdicts = InlineArray<7, UInt64>(repeating: 0)
    /// Connections that are open, or being opened.
    var open: UInt64 = 0
    /// Bytes that were passed on, both ways.
    var bytes: UInt64 = 0

    subscript(_ verdict: EgressVerdict) -> UInt64 { verdicts[verdict.rawValue] }

    mutating func count(_ verdict: EgressVerdict) { verdicts[verdict.rawValue] &+= 1 }

    /// In Prometheus' text format, over all loops.
    static func render(_ loops: [EgressCounters]) -> String {
        var text =
            "# HELP mcp_gateway_egress_total Connections that servers asked for, by what became of them.\n"
        text += "# TYPE mcp_gateway_egress_total counter\n"
        for verdict in EgressVerdict.allCases {
            let sum = loops.reduce(0 as UInt64) { $0 &+ $1[verdict] }
            text += "mcp_gateway_egress_total{verdict=\"\(verdict.label)\"} \(sum)\n"
        }
        text += "# HELP mcp_gateway_egress_bytes_total Bytes passed on between servers and hosts.\n"
        text += "# TYPE mcp_gateway_egress_bytes_total counter\n"
        text += "mcp_gateway_egress_bytes_total \(loops.reduce(0 as UInt64) { $0 &+ $1.bytes })\n"
        text += "# HELP mcp_gateway_egress_connections Open connections between servers and hosts.\n"
        text += "# TYPE mcp_gateway_egress_connections gauge\n"
        text += "mcp_gateway_egress_connections \(loops.reduce(0 as UInt64) { $0 &+ $1.open })\n"
        return text
    }
}
