import CEpollShim
import System

/// A legacy session as its id carries it: no table is needed to know what the client negotiated, and the id
/// survives a restart for as long as the sandbox's key does.
public struct SessionID: Sendable, Hashable {
    public var revision: Revision
    public var capabilities: ClientCapabilities
    /// Wall clock, seconds since 1970.
    public var createdUnixSeconds: Int64
    /// Random: tells sessions apart, and names one in a table of ended sessions.
    public var unique: Unique

    /// 96 random bits.
    public struct Unique: Sendable, Hashable {
        public var high: UInt64
        public var low: UInt32

        public static func random() -> Unique {
            var words = (UInt64(0), UInt64(0))
            let status = withUnsafeMutableBytes(of: &words) { ce_random($0.baseAddress, $0.count) }
            precondition(status >= 0, "getrandom failed")
            return Unique(high: words.0, low: UInt32(truncatingIfNeeded: words.1))
        }
    }

    /// Bytes of a sandbox's session key.
    public static let keyBytes = Int(CE_AES256_KEY_BYTES)
    /// Bytes of every session id: `gw1.` and 70 characters of base64url; visible ASCII throughout.
    public static let textBytes = prefixBytes + Base64.encodedCount(sealedBytes, .url)

    private static let prefix: StaticString = "gw1."
    private static let prefixBytes = 4
    /// Layout tag, revision, capabilities (2), created (8), unique (12).
    private static let plainBytes = 24
    private static let sealedBytes = plainBytes + Int(CE_GCM_OVERHEAD_BYTES)
    private static let layout: UInt8 = 1

    public init(
        revision: Revision, capabilities: ClientCapabilities, createdUnixSeconds: Int64,
        unique: Unique = .random()
    ) {
        self.revision = revision
        self.capabilities = capabilities
        self.createdUnixSeconds = createdUnixSeconds
        self.unique = unique
    }

    /// The id as it is sent in `Mcp-Session-Id`. `key` is the sandbox's; `sandbox`, its id, is bound to the
    /// text, so that an id of one sandbox is none of another even if they came to share a key.
    public func sealed(key: [UInt8], sandbox: UnsafeRawBufferPointer) -> [UInt8] {
        precondition(key.count == Self.keyBytes, "a session key has 32 bytes")
        return withUnsafeTemporaryAllocation(byteCount: Self.plainBytes, alignment: 8) { plain in
            withUnsafeTemporaryAllocation(byteCount: Self.sealedBytes, alignment: 8) { box in
                write(to: plain)
                let status = ce_gcm_seal(
                    key, sandbox.baseAddress, sandbox.count, plain.baseAddress, plain.count,
                    box.baseAddress?.assumingMemoryBound(to: UInt8.self), box.count)
                precondition(Int(status) == Self.sealedBytes, "sealing a session id failed")
                return [UInt8](unsafeUninitializedCapacity: Self.textBytes) { text, count in
                    let out = UnsafeMutableRawBufferPointer(text)
                    for i in 0..<Self.prefixBytes { out[i] = Self.prefix.utf8Start[i] }
                    let digits = UnsafeMutableRawBufferPointer(rebasing: out[Self.prefixBytes...])
                    count = Self.prefixBytes + Base64.encode(UnsafeRawBufferPointer(box), .url, into: digits)
                }
            }
        }
    }

    /// The session of an id that `sealed` made with the same key and sandbox; nil for anything else, with no
    /// hint why: the caller answers 404 as it does for an ended session.
    public init?(opening text: UnsafeRawBufferPointer, key: [UInt8], sandbox: UnsafeRawBufferPointer) {
        guard key.count == Self.keyBytes, text.count == Self.textBytes, text.hasPrefix(Self.prefix) else {
            return nil
        }
        let digits = UnsafeRawBufferPointer(rebasing: text[Self.prefixBytes...])
        let opened: SessionID? = withUnsafeTemporaryAllocation(byteCount: Self.sealedBytes, alignment: 8) {
            box in
            guard Base64.decode(digits, .url, into: box) == Self.sealedBytes else { return nil }
            return withUnsafeTemporaryAllocation(byteCount: Self.plainBytes, alignment: 8) { plain in
                let status = ce_gcm_open(
                    key, sandbox.baseAddress, sandbox.count,
                    box.baseAddress?.assumingMemoryBound(to: UInt8.self), box.count,
                    plain.baseAddress?.assumingMemoryBound(to: UInt8.self), plain.count)
                guard Int(status) == Self.plainBytes else { return nil }
                return SessionID(plain: UnsafeRawBufferPointer(plain))
            }
        }
        guard let opened else { return nil }
        self = opened
    }

    private func write(to plain: UnsafeMutableRawBufferPointer) {
        plain[0] = Self.layout
        plain[1] = revision.rawValue
        plain.storeBytes(of: capabilities.rawValue.littleEndian, toByteOffset: 2, as: UInt16.self)
        plain.storeBytes(of: createdUnixSeconds.littleEndian, toByteOffset: 4, as: Int64.self)
        plain.storeBytes(of: unique.high, toByteOffset: 12, as: UInt64.self)
        plain.storeBytes(of: unique.low, toByteOffset: 20, as: UInt32.self)
    }

    private init?(plain: UnsafeRawBufferPointer) {
        guard plain.count == Self.plainBytes, plain[0] == Self.layout,
            let revision = Revision(rawValue: plain[1]), revision.isHandshake
        else { return nil }
        self.init(
            revision: revision,
            capabilities: ClientCapabilities(
                rawValue: UInt16(littleEndian: plain.loadUnaligned(fromByteOffset: 2, as: UInt16.self))),
            createdUnixSeconds: Int64(littleEndian: plain.loadUnaligned(fromByteOffset: 4, as: Int64.self)),
            unique: Unique(
                high: plain.loadUnaligned(fromByteOffset: 12, as: UInt64.self),
                low: plain.loadUnaligned(fromByteOffset: 20, as: UInt32.self)))
    }
}
