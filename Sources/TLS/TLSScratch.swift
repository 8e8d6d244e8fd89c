import Glibc

/// Room for plaintext that all sessions of one thread share: a session has none of its own. Not `Sendable`.
public final class TLSScratch {
    /// Decrypted bytes, `TLSLimits.scratchBytes`.
    let plain: UnsafeMutableRawPointer
    /// Pieces on their way into one record, `TLSLimits.recordBytesMax`.
    let record: UnsafeMutableRawPointer

    public init() {
        plain = .allocate(byteCount: TLSLimits.scratchBytes, alignment: 64)
        record = .allocate(byteCount: TLSLimits.recordBytesMax, alignment: 64)
    }

    deinit {
        plain.deallocate()
        record.deallocate()
    }
}
