import CEpollShim

/// What a server gave this client to resume a session with, at the next connection to the same host. For one
/// use (RFC 8446 appendix C.4). Not `Sendable`.
public final class TLSTicket {
    let raw: OpaquePointer
    let host: String
    /// A ticket says that the server was once trusted by this context.
    let context: TLSContext

    init(_ raw: OpaquePointer, host: String, context: TLSContext) {
        self.raw = raw
        self.host = host
        self.context = context
    }

    deinit { ce_tls_ticket_free(raw) }
}
