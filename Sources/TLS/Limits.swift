/// The numbers of this module.
public enum TLSLimits {
    /// Handshake bytes a server takes from a client: a hello with post-quantum key shares has 2 KiB, and no
    /// client certificate is asked for. OpenSSL alone would buffer 128 KiB.
    public static let serverHandshakeBytesMax = 32 * 1024
    /// Handshake bytes a client takes from a server: chains have 3-10 KiB.
    public static let clientHandshakeBytesMax = 128 * 1024
    /// Steps of the state machine after the handshake, three for a change of keys: 85 of them. Peers change
    /// keys every 2^24 records and send a few tickets; each change costs 7 us (measured) for 27 bytes.
    public static let lateMessagesMax: UInt32 = 256
    /// Records after which TLS 1.3 gets new keys: half of what AES-GCM bears (RFC 8446 §5.5).
    public static let recordsPerKey = 1 << 23
    /// Plaintext of one record (RFC 8446 §5.1).
    public static let recordBytesMax = 16 * 1024
    /// Plaintext of a record that fits one segment: 1500 less IPv6, TCP with timestamps and 22 for TLS, less
    /// 56 for a tunnel.
    public static let segmentBytes = 1350
    /// A connection silent for this long has lost its congestion window (RFC 6298 §5.7), and begins anew with
    /// small records.
    public static let restartMilliseconds = 1000
    /// Pieces below this are copied together into one record: a record of its own would cost 1.4 us on each
    /// side (measured for 200 bytes) and 22 to 29 bytes.
    public static let gatherBytesMax = 4096
    /// Plaintext delivered at once: what one read of the poller carries.
    public static let scratchBytes = 64 * 1024
    /// How long one ticket key makes tickets; after as long again it opens none. Whoever steals the key can
    /// read what TLS 1.2 clients resumed in that time.
    public static let ticketKeySeconds = 8 * 3600
    /// A file of certificates or of a key; the system's bundle of all authorities has 210 KiB.
    public static let fileBytesMax = 1 << 20
    /// Days before the end of a certificate from which on it is warned of: renewals happen 30 days before.
    public static let expiryWarningDays = 14
    /// A DNS name with its NUL (RFC 1035 §3.1).
    static let nameBytesMax = 256
}
