import CEpollShim
import Glibc
import System

/// A certificate with its chain and key, as it was read from its files.
///
/// `@unchecked Sendable`: what `raw` points to is never written after `init`; sessions take references, which
/// OpenSSL counts atomically.
public final class Identity: @unchecked Sendable {
    public let files: CertificateFiles
    /// DNS names in lower case, wildcards as `*.example.com`.
    public let names: [String]
    /// Unix seconds.
    public let validFrom: Int
    public let validTo: Int
    let raw: OpaquePointer

    /// Reads both files. Blocking: for start-up and reloads.
    public init(_ files: CertificateFiles) throws(CertificateFailure) {
        let chain = try Self.read(files.chain)
        var key = try Self.read(files.key)
        defer { for i in key.indices { key[i] = 0 } }
        var made: OpaquePointer?
        var why = ce_tls_failure()
        let result = ce_tls_identity_parse(chain, chain.count, key, key.count, &made, &why)
        guard result == 0, let made else {
            throw CertificateFailure(why, chain: files.chain, key: files.key)
        }
        var (from, to): (Int64, Int64) = (0, 0)
        guard ce_tls_identity_validity(made, &from, &to) == 0 else {
            ce_tls_identity_free(made)
            throw CertificateFailure(.malformed, file: files.chain, "its period of validity cannot be read")
        }
        raw = made
        self.files = files
        names = Self.names(of: made)
        validFrom = Int(from)
        validTo = Int(to)
    }

    deinit { ce_tls_identity_free(raw) }

    /// What an operator should hear about, each with the file. None of it keeps the certificate from use:
    /// an expired one still serves clients that look away, and refusing it would end the others' service too.
    public func warnings(unixSeconds now: Int) -> [String] {
        var warnings: [String] = []
        let days = (validTo - now) / 86_400
        if now > validTo {
            let date = WallClock.iso8601(unixMilliseconds: validTo * 1000)
            warnings.append("\(files.chain): the certificate has expired on \(date)")
        } else if days < TLSLimits.expiryWarningDays {
            warnings.append("\(files.chain): the certificate expires in \(days) days")
        }
        if now < validFrom {
            let date = WallClock.iso8601(unixMilliseconds: validFrom * 1000)
            warnings.append("\(files.chain): the certificate is not valid before \(date)")
        }
        if ce_tls_identity_is_ordered(raw) == 0 {
            warnings.append("\(files.chain): a certificate of the chain did not issue the one before it")
        }
        if names.isEmpty { warnings.append("\(files.chain): the certificate is for no host name") }
        return warnings
    }

    private static func read(_ file: String) throws(CertificateFailure) -> [UInt8] {
        do {
            return try Files.read(file, limit: TLSLimits.fileBytesMax)
        } catch {
            throw CertificateFailure(unreadable: file, error)
        }
    }

    private static func names(of raw: OpaquePointer) -> [String] {
        var names: [String] = []
        var index: Int32 = 0
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: TLSLimits.nameBytesMax) { room in
            guard let base = room.baseAddress else { return }
            while true {
                let length = ce_tls_identity_name(raw, index, base, room.count)
                if length == -ENOENT { return }
                if length > 0 { names.append(ServerName.normal(String(cString: base))) }
                index += 1
            }
        }
        return names
    }
}
