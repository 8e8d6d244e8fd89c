/// Every number that bounds what this module accepts from outside.
public enum WireLimits {
    // HTTP/1.1 heads

    /// Bytes of a request head, request line and final CRLF included. nginx and h2o allow 32 KiB; MCP heads
    /// are below 1 KiB, and a half-sent head is memory that a stranger holds. Offsets fit 16 bits.
    public static let headBytesMax = 16 * 1024
    /// Bytes of a request target: RFC 9112 §3 recommends at least 8000.
    public static let targetBytesMax = 8 * 1024
    /// Field lines of one head: parsing and any look-up stay linear.
    public static let fieldLinesMax = 100
    /// Bytes of a method token; the longest registered one has 17.
    public static let methodBytesMax = 32
    /// CRLF pairs tolerated before a request line (RFC 9112 §2.2 asks for at least one).
    public static let leadingEmptyLinesMax = 2
    /// Bytes of a Host value: a DNS name has 253, a port six more.
    public static let hostBytesMax = 300

    /// Informational responses (1xx) before the one that counts.
    public static let interimResponsesMax = 8

    // HTTP/1.1 bodies

    /// Hexadecimal digits of a chunk size: 2^60 is beyond any body, and the sum cannot overflow.
    public static let chunkSizeDigitsMax = 15
    /// Bytes of all chunk extensions and trailers of one body: both are read only to be dropped.
    public static let chunkOverheadBytesMax = 16 * 1024
    /// Trailer lines of one body.
    public static let trailerLinesMax = 100

    // JSON

    /// Nesting of arrays and objects: the kinds of the open brackets are the bits of one word.
    public static let jsonDepthMax = 64
    /// Bytes of one JSON text: ranges are 32 bits wide.
    public static let jsonBytesMax = Int(UInt32.max)
    /// Members with names the gateway does not know, of the top level, `params` and `_meta` together. They are
    /// compared pairwise to refuse duplicates, in memory on the stack.
    public static let unknownMembersMax = 64
    /// Bytes of a raw JSON-RPC id: the gateway keeps it for as long as the call runs.
    public static let idBytesMax = 1024

    // Server-sent events

    /// Bytes of one incoming event, all its lines together. Our own children answer in JSON up to 4 MiB; an
    /// event carries the same messages.
    public static let eventBytesMax = 4 * 1024 * 1024
    /// Bytes of an incoming event's id or type: both are kept between events.
    public static let eventNameBytesMax = 1024
}
