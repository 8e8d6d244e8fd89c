import CEpollShim

/// SHA-256 and comparison of secrets.
public enum Digest {
    /// SHA-256 of `bytes`: 32 bytes.
    public static func sha256(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: Int(CE_SHA256_BYTES)) { out, count in
            // Fails only when libcrypto lacks SHA-256 or memory for a context: no process can go on then.
            precondition(ce_sha256(bytes.baseAddress, bytes.count, out.baseAddress) >= 0, "SHA-256 failed")
            count = Int(CE_SHA256_BYTES)
        }
    }

    /// SHA-256 into 32 bytes that the caller owns; allocates nothing.
    public static func sha256(_ bytes: UnsafeRawBufferPointer, into out: UnsafeMutableRawBufferPointer) {
        precondition(out.count == Int(CE_SHA256_BYTES), "a SHA-256 digest has 32 bytes")
        let target = out.baseAddress?.assumingMemoryBound(to: UInt8.self)
        precondition(ce_sha256(bytes.baseAddress, bytes.count, target) >= 0, "SHA-256 failed")
    }

    /// Whether `bytes` hash to `digest` (32 bytes), in constant time: how a bearer token is checked against
    /// its stored digest.
    public static func matches(_ bytes: UnsafeRawBufferPointer, digest: [UInt8]) -> Bool {
        guard digest.count == Int(CE_SHA256_BYTES) else { return false }
        return withUnsafeTemporaryAllocation(byteCount: Int(CE_SHA256_BYTES), alignment: 8) { mine in
            sha256(bytes, into: mine)
            return digest.withUnsafeBytes { ce_equal(mine.baseAddress, $0.baseAddress, mine.count) == 1 }
        }
    }
}
