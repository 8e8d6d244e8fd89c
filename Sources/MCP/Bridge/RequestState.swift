import CEpollShim
import System
import Wire

/// The `requestState` that a client carries from one round of a call to the next, sealed: what it says cannot be
/// read or made up, and it is worth nothing in another sandbox, for another principal, with other arguments or
/// after its time.
public struct RequestState: Sendable, Equatable {
    public enum Kind: UInt8, Sendable {
        /// The call waits at a legacy child.
        case parked = 1
        /// The server's own state is `payload`; the call is over until it is made again.
        case wrapped = 2
        /// The call has ended and is to be made again from its beginning.
        case again = 3
    }

    public var kind: Kind
    /// Names a parked call; zero for the other kinds.
    public var call: CallKey
    /// Counts the rounds of one call: a state is good for the next round only.
    public var round: UInt32
    /// Wall clock, seconds since 1970.
    public var expiresUnixSeconds: Int64
    /// Of the request that it belongs to.
    public var digest: RequestDigest
    /// The process of the server that must go on, where that matters; else zero.
    public var instance: UInt64
    /// Of `wrapped`: the server's `requestState` as a raw JSON string; empty when it gave none.
    public var payload: [UInt8]

    public init(
        kind: Kind, call: CallKey = .none, round: UInt32, expiresUnixSeconds: Int64, digest: RequestDigest,
        instance: UInt64 = 0, payload: [UInt8] = []
    ) {
        self.kind = kind
        self.call = call
        self.round = round
        self.expiresUnixSeconds = expiresUnixSeconds
        self.digest = digest
        self.instance = instance
        self.payload = payload
    }

    private static let prefix: StaticString = "g1."
    /// Layout, kind, round, expiry, call, digest, instance.
    private static let fixedBytes = 2 + 4 + 8 + 16 + 16 + 8
    private static let layout: UInt8 = 1

    /// A raw JSON string: visible ASCII that needs no escapes.
    public func sealed(_ seal: StateSeal) -> [UInt8] {
        var plain = [UInt8]()
        plain.reserveCapacity(Self.fixedBytes + payload.count)
        plain += [Self.layout, kind.rawValue]
        plain.append(number: round)
        plain.append(number: expiresUnixSeconds)
        plain.append(number: call.high)
        plain.append(number: call.low)
        plain.append(number: digest.high)
        plain.append(number: digest.low)
        plain.append(number: instance)
        plain += payload
        let box = seal.seal(plain)
        var text = Array("\"g1.".utf8)
        let digits = Base64.encodedCount(box.count, .url)
        text += [UInt8](unsafeUninitializedCapacity: digits) { room, count in
            count = box.withUnsafeBytes { Base64.encode($0, .url, into: UnsafeMutableRawBufferPointer(room)) }
        }
        text.append(UInt8(ascii: "\""))
        return text
    }

    /// Whether `text`, a raw JSON string, is one that `sealed` could have made; servers' own states are not.
    public static func isOurs(_ text: UnsafeRawBufferPointer) -> Bool {
        text.insideQuotes?.hasPrefix(prefix) ?? false
    }

    /// Opens a raw JSON string of the client. Nil for anything that was not sealed here, for this sandbox and
    /// principal, or whose time is over; there is no hint why.
    public init?(opening text: UnsafeRawBufferPointer, _ seal: StateSeal, nowUnixSeconds now: Int64) {
        guard let inside = text.insideQuotes, inside.hasPrefix(Self.prefix) else { return nil }
        let digits = inside.piece(Self.prefix.utf8CodeUnitCount, inside.count)
        guard digits.count <= BridgeLimits.requestStateBytesMax * 2 else { return nil }
        var box = [UInt8](repeating: 0, count: digits.count * 3 / 4 + 1)
        guard let count = box.withUnsafeMutableBytes({ Base64.decode(digits, .url, into: $0) }) else {
            return nil
        }
        box.removeLast(box.count - count)
        guard let plain = seal.open(box), plain.count >= Self.fixedBytes, plain[0] == Self.layout,
            let kind = Kind(rawValue: plain[1])
        else { return nil }
        self = plain.withUnsafeBytes { bytes in
            func word(_ at: Int) -> UInt64 {
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            }
            return RequestState(
                kind: kind, call: CallKey(high: word(14), low: word(22)),
                round: UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt32.self)),
                expiresUnixSeconds: Int64(bitPattern: word(6)),
                digest: RequestDigest(high: word(30), low: word(38)), instance: word(46),
                payload: Array(bytes[Self.fixedBytes...]))
        }
        guard now <= expiresUnixSeconds else { return nil }
    }
}

/// The key under which a sandbox's request states are sealed, with what they are bound to.
public struct StateSeal: Sendable {
    private let key: [UInt8]
    private let associated: [UInt8]

    /// - Parameters:
    ///   - key: the sandbox's, of `SessionID.keyBytes`; the purpose is part of what is bound, so that a session
    ///     id never opens as a state.
    ///   - principal: who made the request, where a sandbox has more than one.
    ///   - purpose: what is sealed; one purpose's text never opens as another's.
    public init(
        key: [UInt8], sandbox: String, principal: String = "", purpose: StaticString = "requestState"
    ) {
        precondition(key.count == SessionID.keyBytes, "a sealing key has 32 bytes")
        self.key = key
        associated = Array("\(purpose)".utf8) + [0] + Array(sandbox.utf8) + [0] + Array(principal.utf8)
    }

    func seal(_ plain: [UInt8]) -> [UInt8] {
        let total = plain.count + Int(CE_GCM_OVERHEAD_BYTES)
        return [UInt8](unsafeUninitializedCapacity: total) { room, count in
            let status = ce_gcm_seal(
                key, associated, associated.count, plain, plain.count, room.baseAddress, room.count)
            precondition(Int(status) == total, "sealing a request state failed")
            count = total
        }
    }

    func open(_ box: [UInt8]) -> [UInt8]? {
        guard box.count >= Int(CE_GCM_OVERHEAD_BYTES) else { return nil }
        var plain = [UInt8](repeating: 0, count: box.count)
        let status = ce_gcm_open(
            key, associated, associated.count, box, box.count, &plain, plain.count)
        guard status >= 0, Int(status) <= plain.count else { return nil }
        plain.removeLast(plain.count - Int(status))
        return plain
    }
}

/// 128 random bits that name a parked call.
public struct CallKey: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public static let none = CallKey(high: 0, low: 0)

    public static func random() -> CallKey {
        var words = (UInt64(0), UInt64(0))
        let status = withUnsafeMutableBytes(of: &words) { ce_random($0.baseAddress, $0.count) }
        precondition(status >= 0, "getrandom failed")
        return CallKey(high: words.0, low: words.1)
    }
}

/// Says whether a retry is of the same request: half a SHA-256 over its method, its target and its arguments,
/// white space between tokens aside.
public struct RequestDigest: Sendable, Hashable {
    public var high: UInt64
    public var low: UInt64

    /// Of a request that no retry can follow.
    public static let none = RequestDigest(high: 0, low: 0)

    init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    public init(_ envelope: Envelope, _ body: UnsafeRawBufferPointer, method: MethodName) {
        var text = Array("\(method.text)".utf8)
        text.append(0)
        let target = RequestRewriter.targetRange(envelope, method, body)?.of(body).insideQuotes
        if let target {
            _ = withDecodedText(target, limit: MCPLimits.resourceURIBytesMax * 2) {
                text.append(contentsOf: $0)
            }
        }
        text.append(0)
        Self.appendTokens(envelope.arguments.of(body), to: &text)
        let digest = text.withUnsafeBytes { Digest.sha256($0) }
        (high, low) = digest.withUnsafeBytes {
            ($0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
    }

    private static func appendTokens(_ json: UnsafeRawBufferPointer, to text: inout [UInt8]) {
        var isInString = false
        var isEscaped = false
        for byte in json {
            if isInString {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte == UInt8(ascii: "\"") {
                isInString = true
            } else if byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
                continue
            }
            text.append(byte)
        }
    }
}

extension [UInt8] {
    mutating func append(number: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
    }
}
