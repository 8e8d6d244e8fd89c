import CEpollShim
import System

/// Why certificates or a key cannot be used, with the file that is to be mended.
public struct CertificateFailure: Error, Equatable, Sendable, CustomStringConvertible {
    public enum Kind: Equatable, Sendable {
        /// The file is missing, too long or may not be read.
        case unreadable
        /// No PEM block of the kind that is wanted.
        case notPEM
        /// A PEM block that holds no certificate, or no key, that can be understood.
        case malformed
        /// The key needs a password, which nobody is there to type.
        case encryptedKey
        /// The key is not that of the first certificate.
        case keyMismatch
        /// Too short a key or too old a signature to be used with TLS 1.2 or 1.3.
        case tooWeak
        /// Nothing to serve with.
        case none
    }

    public let kind: Kind
    public let file: String
    public let message: String

    public var description: String { file.isEmpty ? message : "\(file): \(message)" }

    init(_ kind: Kind, file: String, _ message: String) {
        self.kind = kind
        self.file = file
        self.message = message
    }

    init(unreadable file: String, _ error: Errno) {
        self.init(.unreadable, file: file, error.reason)
    }

    init(_ raw: ce_tls_failure, chain: String, key: String) {
        switch Int(raw.kind) {
        case CE_TLS_FAILURE_NO_CERTIFICATE:
            self.init(.notPEM, file: chain, "no PEM certificate in it (-----BEGIN CERTIFICATE-----)")
        case CE_TLS_FAILURE_BAD_CERTIFICATE:
            self.init(.malformed, file: chain, "a certificate in it cannot be read: \(raw.words)")
        case CE_TLS_FAILURE_NO_KEY:
            self.init(.notPEM, file: key, "no PEM private key in it (-----BEGIN PRIVATE KEY-----)")
        case CE_TLS_FAILURE_BAD_KEY:
            self.init(.malformed, file: key, "the private key in it cannot be read: \(raw.words)")
        case CE_TLS_FAILURE_ENCRYPTED_KEY:
            self.init(.encryptedKey, file: key, "the private key is encrypted; store it without a password")
        case CE_TLS_FAILURE_KEY_MISMATCH:
            self.init(.keyMismatch, file: key, "not the private key of the first certificate in \(chain)")
        case CE_TLS_FAILURE_WEAK:
            self.init(.tooWeak, file: chain, "the certificate is not accepted: \(raw.words)")
        default: self.init(.malformed, file: chain, raw.words)
        }
    }
}
