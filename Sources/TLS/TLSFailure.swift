import CEpollShim

/// Why a session ended that should not have.
public struct TLSFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Equatable, Sendable {
        /// Ours: memory, or a state that no input explains.
        case `internal`
        /// The peer broke the protocol, or there is nothing that both sides speak.
        case `protocol`
        /// The peer gave up with this alert (RFC 8446 §6).
        case alert(Int)
        /// The certificate is not to be trusted, or is for another host.
        case untrusted
        /// More handshake than `TLSLimits` allows.
        case limit
    }

    public let kind: Kind
    /// In OpenSSL's words, such as `wrong version number`.
    public let reason: String

    init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    init(_ raw: ce_tls_failure) {
        switch Int(raw.kind) {
        case CE_TLS_FAILURE_PROTOCOL: kind = .protocol
        case CE_TLS_FAILURE_ALERT: kind = .alert(Int(raw.detail))
        case CE_TLS_FAILURE_UNTRUSTED: kind = .untrusted
        case CE_TLS_FAILURE_LIMIT: kind = .limit
        default: kind = .internal
        }
        reason = raw.words
    }

    public var description: String {
        switch kind {
        case .internal: "TLS: \(reason)"
        case .protocol: "TLS protocol error: \(reason)"
        case .alert(let number): "TLS alert \(number) from the peer: \(reason)"
        case .untrusted: "certificate refused: \(reason)"
        case .limit: "TLS limit: \(reason)"
        }
    }
}

extension ce_tls_failure {
    var words: String { text.map { String(cString: $0) } ?? "unknown reason" }
}
