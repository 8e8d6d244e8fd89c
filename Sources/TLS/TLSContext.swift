import CEpollShim
import System

/// What the sessions of one side have in common: certificates or authorities, protocols, tickets. A reload
/// makes a new one; sessions keep theirs.
///
/// `@unchecked Sendable`: `raw` is configured in `init` and read-only afterwards, which OpenSSL allows on any
/// number of threads; the other properties are constants.
public final class TLSContext: @unchecked Sendable {
    /// Whom a client believes.
    public enum Trust: Sendable {
        /// The authorities of this system, or those of SSL_CERT_FILE and SSL_CERT_DIR.
        case system
        /// The PEM certificates of a file, and no others.
        case file(String)
    }

    /// Versions spoken; older ones are broken (RFC 8996).
    public enum Versions: Sendable {
        case both, only12, only13
    }

    public let isClient: Bool
    /// A server's certificates, the default one first; empty for a client.
    public let identities: [Identity]
    private let names: ServerNames?
    private let tickets: TicketKeys?
    let raw: OpaquePointer

    /// The server's side.
    /// - Parameters:
    ///   - identities: the first one is for clients that name no host, or an unknown one.
    ///   - protocols: best first.
    ///   - tickets: to resume sessions with; nil for none.
    public init(
        serving identities: [Identity], protocols: [ApplicationProtocol] = [.http2, .http11],
        tickets: TicketKeys?, versions: Versions = .both
    ) throws(CertificateFailure) {
        guard let first = identities.first else {
            throw CertificateFailure(.none, file: "", "no certificate is configured")
        }
        raw = try Self.open(isClient: false, versions, protocols)
        isClient = false
        self.identities = identities
        self.tickets = tickets
        names = ServerNames(identities, fallback: first)
        // From here on `deinit` frees `raw`.
        ce_tls_context_limits(raw, TLSLimits.serverHandshakeBytesMax, TLSLimits.lateMessagesMax)
        for identity in identities {
            var why = ce_tls_failure()
            guard ce_tls_context_accepts(raw, identity.raw, &why) == 0 else {
                throw CertificateFailure(why, chain: identity.files.chain, key: identity.files.key)
            }
        }
        // Not retained: each session keeps its context alive, and callbacks come from sessions only.
        let owner = Unmanaged.passUnretained(self).toOpaque()
        ce_tls_context_identities(raw, owner, chooseIdentity)
        if let tickets {
            let seconds = Int32(clamping: tickets.periodSeconds)
            guard ce_tls_context_tickets(raw, owner, findTicketKey, seconds) == 0 else {
                throw CertificateFailure(.none, file: "", "session tickets cannot be set up")
            }
        }
    }

    /// The client's side, for remote servers.
    public init(
        trusting trust: Trust, protocols: [ApplicationProtocol] = [.http2, .http11],
        versions: Versions = .both
    ) throws(CertificateFailure) {
        raw = try Self.open(isClient: true, versions, protocols)
        isClient = true
        identities = []
        names = nil
        tickets = nil
        ce_tls_context_limits(raw, TLSLimits.clientHandshakeBytesMax, TLSLimits.lateMessagesMax)
        var why = ce_tls_failure()
        switch trust {
        case .system:
            guard ce_tls_context_trust(raw, nil, 0, &why) == 0 else {
                throw CertificateFailure(.unreadable, file: "", "the system's authorities: \(why.words)")
            }
        case .file(let path):
            let pem: [UInt8]
            do {
                pem = try Files.read(path, limit: TLSLimits.fileBytesMax)
            } catch {
                throw CertificateFailure(unreadable: path, error)
            }
            // An empty array may have no address, which would mean the system's.
            let result = (pem + [0x0A]).withUnsafeBytes {
                ce_tls_context_trust(raw, $0.baseAddress, $0.count, &why)
            }
            guard result == 0 else { throw CertificateFailure(why, chain: path, key: path) }
        }
    }

    deinit { ce_tls_context_close(raw) }

    private static func open(
        isClient: Bool, _ versions: Versions, _ protocols: [ApplicationProtocol]
    ) throws(CertificateFailure) -> OpaquePointer {
        let min = versions == .only13 ? CE_TLS_VERSION_1_3 : CE_TLS_VERSION_1_2
        let max = versions == .only12 ? CE_TLS_VERSION_1_2 : CE_TLS_VERSION_1_3
        var made: OpaquePointer?
        let opened = ce_tls_context_open(isClient ? 1 : 0, Int32(min), Int32(max), emitIntoOutbox, &made)
        guard opened == 0, let made else {
            throw CertificateFailure(.none, file: "", "OpenSSL has no TLS: \(Errno(opened, "").reason)")
        }
        let wire = ApplicationProtocol.wire(protocols)
        let isDone =
            ce_tls_context_ciphers(made, Suites.tls12, Suites.tls13, Suites.groups) == 0
            && (wire.isEmpty || ce_tls_context_alpn(made, wire, wire.count) == 0)
        guard isDone else {
            ce_tls_context_close(made)
            throw CertificateFailure(.none, file: "", "OpenSSL lacks the ciphers of TLS 1.2 and 1.3")
        }
        return made
    }

    // MARK: Called by OpenSSL, on the thread of a session

    fileprivate func identity(for name: UnsafePointer<CChar>?) -> Identity? {
        guard let names else { return nil }
        guard let name else { return names.fallback }
        return names.identity(for: String(cString: name))
    }

    fileprivate func ticketKey(
        isNew: Bool, _ name: UnsafeMutablePointer<UInt8>, _ secret: UnsafeMutablePointer<UInt8>
    ) -> Int {
        guard let tickets else { return CE_TLS_TICKET_UNKNOWN }
        if isNew {
            tickets.seal(name, secret)
            return CE_TLS_TICKET_KNOWN
        }
        return switch tickets.open(name, secret) {
        case .current: CE_TLS_TICKET_KNOWN
        case .previous: CE_TLS_TICKET_OLD
        case .unknown: CE_TLS_TICKET_UNKNOWN
        }
    }
}

/// Forward secrecy and authenticated encryption only: the intermediate profile of Mozilla without DHE. None
/// of it is on HTTP/2's list of prohibited ones (RFC 9113 appendix A).
private enum Suites {
    static let tls12 =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    static let tls13 = "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
    static let groups = "X25519:P-256:P-384"
}

private let chooseIdentity: ce_tls_choose = { owner, name in
    guard let owner else { return nil }
    let context = Unmanaged<TLSContext>.fromOpaque(owner).takeUnretainedValue()
    return context.identity(for: name)?.raw
}

private let findTicketKey: ce_tls_ticket_key = { owner, isNew, name, secret in
    guard let owner, let name, let secret else { return Int32(CE_TLS_TICKET_UNKNOWN) }
    let context = Unmanaged<TLSContext>.fromOpaque(owner).takeUnretainedValue()
    return Int32(context.ticketKey(isNew: isNew != 0, name, secret))
}

/// `sink` is the outbox that the caller of the session lent for this call.
private let emitIntoOutbox: ce_tls_emit = { sink, bytes, count in
    guard let sink else { return }
    sink.assumingMemoryBound(to: Outbox.self).pointee.append(
        UnsafeRawBufferPointer(start: bytes, count: count))
}
