import Wire

/// The header fields that mirror an MCP message, trimmed of white space; nil when absent. The body is the
/// truth: they are compared with it, never used in its place.
public struct RoutingHeaders {
    /// `MCP-Protocol-Version`.
    public var version: UnsafeRawBufferPointer?
    /// `Mcp-Method`.
    public var method: UnsafeRawBufferPointer?
    /// `Mcp-Name`.
    public var name: UnsafeRawBufferPointer?
    /// One of them stands more than once: two readers could see two different messages.
    public var isAmbiguous: Bool

    public init(
        version: UnsafeRawBufferPointer? = nil, method: UnsafeRawBufferPointer? = nil,
        name: UnsafeRawBufferPointer? = nil, isAmbiguous: Bool = false
    ) {
        self.version = version
        self.method = method
        self.name = name
        self.isAmbiguous = isAmbiguous
    }

    public init(_ head: RequestHead, in bytes: UnsafeRawBufferPointer) {
        self = withUnsafePointer(to: head) { RoutingHeaders($0, in: bytes) }
    }

    public init(_ head: UnsafePointer<RequestHead>, in bytes: UnsafeRawBufferPointer) {
        version = head.pointee[.mcpProtocolVersion]?.of(bytes)
        method = head.pointee[.mcpMethod]?.of(bytes)
        name = head.pointee[.mcpName]?.of(bytes)
        isAmbiguous =
            head.pointee.isDuplicated(.mcpProtocolVersion) || head.pointee.isDuplicated(.mcpMethod)
            || head.pointee.isDuplicated(.mcpName)
    }

    /// A version header that no session of the handshake revisions would send.
    var claimsModern: Bool {
        guard let version else { return false }
        guard let known = Revision(version) else { return true }
        return known.isModern
    }
}
