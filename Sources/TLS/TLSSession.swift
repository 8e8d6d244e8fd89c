import CEpollShim
import System

/// What both sides have agreed on.
public struct TLSHandshake: Equatable, Sendable {
    /// nil when the client offered no protocols.
    public let `protocol`: ApplicationProtocol?
    /// `TLSv1.2` or `TLSv1.3`.
    public let version: String
    public let cipher: String
    /// True when the handshake was shortened by a ticket.
    public let isResumed: Bool
    /// The host a server was asked for.
    public let serverName: String?
}

/// TLS of one connection, either side, without I/O: ciphertext in, events and ciphertext out. Confined to a
/// thread; its memory while idle is under 16 KiB (14.3 kB measured).
///
///     session.receive(bytes)
///     while let event = session.next(into: &outbox) { … }
///
/// The events are pulled, so that their handler is free to send, and to append to the same outbox. A client
/// begins with `next` without input. Kernel TLS is not used: `ce_tls.h` says why.
public final class TLSSession {
    public enum Event {
        /// Comes once, before any plaintext; from now on `send` takes bytes.
        case handshakeDone(TLSHandshake)
        /// Valid until the next call of `next` of any session with the same scratch.
        case plaintext(UnsafeRawBufferPointer)
        /// The peer has ended its direction, and nothing was cut off. Sending goes on.
        case closed
        /// Final. The alert that tells the peer is in the outbox: flush and close.
        case failed(TLSFailure)
    }

    let raw: OpaquePointer
    private let context: TLSContext
    private let host: String
    let scratch: TLSScratch
    var recordSize = RecordSize()
    /// Records since the last change of keys.
    var records = 0
    public private(set) var isHandshakeDone = false
    /// True from `closed` on. An end of the connection without it may have been forged: a body that only the
    /// end delimits is then incomplete (RFC 9112 §9.8).
    public private(set) var hasPeerClosed = false

    /// The server's side of a connection.
    public convenience init(serving context: TLSContext, scratch: TLSScratch) throws(TLSFailure) {
        precondition(!context.isClient, "a client's context for a server's session")
        var made: OpaquePointer?
        try self.init(ce_tls_session_open(context.raw, nil, &made), made, context, "", scratch)
    }

    /// The client's side: `host`, a name or an address, is whom the certificate must be for.
    /// - Parameter ticket: of an earlier session with the same host; any other is ignored.
    public convenience init(
        connectingTo host: String, _ context: TLSContext, ticket: TLSTicket? = nil, scratch: TLSScratch
    ) throws(TLSFailure) {
        precondition(context.isClient, "a server's context for a client's session")
        guard !host.utf8.contains(0) else { throw TLSFailure(.internal, "the host name holds a NUL") }
        var made: OpaquePointer?
        let name = Self.peerName(host)
        try self.init(ce_tls_session_open(context.raw, name, &made), made, context, name, scratch)
        if let ticket, ticket.host == name, ticket.context === context {
            // Refused tickets cost a full handshake, no more.
            _ = ce_tls_session_offer_ticket(raw, ticket.raw)
        }
    }

    private init(
        _ result: Int32, _ made: OpaquePointer?, _ context: TLSContext, _ host: String, _ scratch: TLSScratch
    ) throws(TLSFailure) {
        guard result == 0, let made else {
            throw TLSFailure(.internal, "starting a session: \(Errno(result, "").reason)")
        }
        raw = made
        self.context = context
        self.host = host
        self.scratch = scratch
    }

    deinit { ce_tls_session_close(raw) }

    /// As the certificate has it: an IPv6 address without brackets, a name without the dot of the root.
    private static func peerName(_ host: String) -> String {
        if host.hasPrefix("["), host.hasSuffix("]") { return String(host.dropFirst().dropLast()) }
        return ServerName.normal(host)
    }

    // MARK: Receiving

    /// Lends bytes of the peer: they must stay valid until `next` has returned nil.
    public func receive(_ ciphertext: UnsafeRawBufferPointer) {
        ce_tls_feed(raw, ciphertext.baseAddress, ciphertext.count)
    }

    /// What has happened, nil when all input is used up. Handshakes, tickets and alerts leave by `outbox`.
    public func next(into outbox: inout Outbox) -> Event? {
        var event = ce_tls_event()
        let kind = withUnsafeMutablePointer(to: &outbox) { sink in
            ce_tls_next(raw, scratch.plain, TLSLimits.scratchBytes, sink, &event)
        }
        switch Int(kind) {
        case CE_TLS_HANDSHAKEN:
            isHandshakeDone = true
            return .handshakeDone(handshake)
        case CE_TLS_PLAINTEXT:
            return .plaintext(UnsafeRawBufferPointer(start: scratch.plain, count: event.count))
        case CE_TLS_CLOSED:
            hasPeerClosed = true
            return .closed
        case CE_TLS_FAILED: return .failed(TLSFailure(event.failure))
        default: return nil
        }
    }

    private var handshake: TLSHandshake {
        var bytes: UnsafePointer<UInt8>?
        let count = Int(ce_tls_session_alpn(raw, &bytes))
        let name = String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
        let isVersion13 = Int(ce_tls_session_version(raw)) == CE_TLS_VERSION_1_3
        return TLSHandshake(
            protocol: ApplicationProtocol(rawValue: name),
            version: isVersion13 ? "TLSv1.3" : "TLSv1.2",
            cipher: ce_tls_session_cipher(raw).map { String(cString: $0) } ?? "",
            isResumed: ce_tls_session_is_resumed(raw) == 1,
            serverName: context.isClient ? nil : ce_tls_session_name(raw).map { String(cString: $0) })
    }

    /// A client's newest ticket, given away; nil when the server sent none since the last call. TLS 1.3 sends
    /// them after the handshake: ask when the first answer has come, or at the end.
    public func takeTicket() -> TLSTicket? {
        ce_tls_session_take_ticket(raw).map { TLSTicket($0, host: host, context: context) }
    }
}
