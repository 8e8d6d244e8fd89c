/// What is spoken inside TLS (ALPN, RFC 7301).
public enum ApplicationProtocol: String, Sendable, CaseIterable {
    case http2 = "h2"
    case http11 = "http/1.1"

    /// Each name with its length before it.
    static func wire(_ protocols: [ApplicationProtocol]) -> [UInt8] {
        protocols.flatMap { [UInt8(truncatingIfNeeded: $0.rawValue.utf8.count)] + Array($0.rawValue.utf8) }
    }
}

/// The first byte of a connection.
public enum FirstByte {
    /// True for the first byte of a TLS connection: a handshake record (RFC 8446 §5.1). No HTTP request, and
    /// no HTTP/2 preface, begins with it.
    @inlinable public static func isTLS(_ byte: UInt8) -> Bool { byte == 0x16 }
}
