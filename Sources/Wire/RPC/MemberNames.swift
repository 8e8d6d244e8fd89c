import Glibc

/// Codes of the member names that an envelope records; below 64, so that a set of them is one word.
enum Name {
    static let unknown: UInt8 = 0
    static let jsonrpc: UInt8 = 1
    static let id: UInt8 = 2
    static let method: UInt8 = 3
    static let params: UInt8 = 4
    static let result: UInt8 = 5
    static let error: UInt8 = 6

    static let name: UInt8 = 7
    static let uri: UInt8 = 8
    static let arguments: UInt8 = 9
    static let meta: UInt8 = 10
    static let cursor: UInt8 = 11
    static let requestID: UInt8 = 12
    static let progressToken: UInt8 = 13
    static let ref: UInt8 = 14
    static let level: UInt8 = 15
    static let protocolVersion: UInt8 = 16
    static let capabilities: UInt8 = 17
    static let clientInfo: UInt8 = 18
    static let inputResponses: UInt8 = 19
    static let requestState: UInt8 = 20
    static let argument: UInt8 = 21
    static let notifications: UInt8 = 22
    static let taskID: UInt8 = 23

    static let metaProgressToken: UInt8 = 24
    static let metaProtocolVersion: UInt8 = 25
    static let metaClientCapabilities: UInt8 = 26
    static let metaClientInfo: UInt8 = 27
    static let metaLogLevel: UInt8 = 28
    static let metaSubscriptionID: UInt8 = 29

    static let resultType: UInt8 = 30
    static let resultMeta: UInt8 = 31
    static let resultTTL: UInt8 = 32
    static let resultCacheScope: UInt8 = 33
    static let resultInputRequests: UInt8 = 34
    static let resultRequestState: UInt8 = 35
    static let resultNextCursor: UInt8 = 36

    static let code: UInt8 = 37
    static let message: UInt8 = 38
    static let data: UInt8 = 39
}

/// The places whose members are recorded.
enum Level {
    case message, params, meta, result, error

    /// The code of a decoded name at this level. The length leaves at most four comparisons.
    @inline(__always) func code(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch self {
        case .message: Self.messageCode(name)
        case .params: Self.paramsCode(name)
        case .meta: Self.metaCode(name)
        case .result: Self.resultCode(name)
        case .error: Self.errorCode(name)
        }
    }

    @inline(__always) private static func messageCode(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch name.count {
        case 2: pick(name, "id", Name.id)
        case 5: pick(name, "error", Name.error)
        case 6:
            pick(name, "method", Name.method) | pick(name, "params", Name.params)
                | pick(name, "result", Name.result)
        case 7: pick(name, "jsonrpc", Name.jsonrpc)
        default: Name.unknown
        }
    }

    @inline(__always) private static func paramsCode(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch name.count {
        case 3: pick(name, "uri", Name.uri) | pick(name, "ref", Name.ref)
        case 4: pick(name, "name", Name.name)
        case 5: pick(name, "_meta", Name.meta) | pick(name, "level", Name.level)
        case 6: pick(name, "cursor", Name.cursor) | pick(name, "taskId", Name.taskID)
        case 8: pick(name, "argument", Name.argument)
        case 9: pick(name, "arguments", Name.arguments) | pick(name, "requestId", Name.requestID)
        case 10: pick(name, "clientInfo", Name.clientInfo)
        case 12: pick(name, "requestState", Name.requestState) | pick(name, "capabilities", Name.capabilities)
        case 13:
            pick(name, "progressToken", Name.progressToken) | pick(name, "notifications", Name.notifications)
        case 14: pick(name, "inputResponses", Name.inputResponses)
        case 15: pick(name, "protocolVersion", Name.protocolVersion)
        default: Name.unknown
        }
    }

    /// All but `progressToken` carry the prefix `io.modelcontextprotocol/`, which has 24 bytes.
    @inline(__always) private static func metaCode(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch name.count {
        case 13: pick(name, "progressToken", Name.metaProgressToken)
        case 32: pick(name, "io.modelcontextprotocol/logLevel", Name.metaLogLevel)
        case 34: pick(name, "io.modelcontextprotocol/clientInfo", Name.metaClientInfo)
        case 38: pick(name, "io.modelcontextprotocol/subscriptionId", Name.metaSubscriptionID)
        case 39: pick(name, "io.modelcontextprotocol/protocolVersion", Name.metaProtocolVersion)
        case 42: pick(name, "io.modelcontextprotocol/clientCapabilities", Name.metaClientCapabilities)
        default: Name.unknown
        }
    }

    @inline(__always) private static func resultCode(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch name.count {
        case 5: pick(name, "_meta", Name.resultMeta) | pick(name, "ttlMs", Name.resultTTL)
        case 10:
            pick(name, "resultType", Name.resultType) | pick(name, "cacheScope", Name.resultCacheScope)
                | pick(name, "nextCursor", Name.resultNextCursor)
        case 12: pick(name, "requestState", Name.resultRequestState)
        case 13: pick(name, "inputRequests", Name.resultInputRequests)
        default: Name.unknown
        }
    }

    @inline(__always) private static func errorCode(_ name: UnsafeRawBufferPointer) -> UInt8 {
        switch name.count {
        case 4: pick(name, "code", Name.code) | pick(name, "data", Name.data)
        case 7: pick(name, "message", Name.message)
        default: Name.unknown
        }
    }

    /// `code` when `name`, of the same length as `text`, is `text`; else 0. Constant lengths make `memcmp` two
    /// or three instructions.
    @inline(__always) private static func pick(
        _ name: UnsafeRawBufferPointer, _ text: StaticString, _ code: UInt8
    ) -> UInt8 {
        guard let start = name.baseAddress, name.count == text.utf8CodeUnitCount else { return Name.unknown }
        return memcmp(start, text.utf8Start, text.utf8CodeUnitCount) == 0 ? code : Name.unknown
    }
}

/// The names seen so far in one object.
struct SeenKeys {
    private var known: UInt64 = 0
    /// Where this object's unknown names begin in `UnknownKeys`; negative until it has one.
    var unknownStart = -1

    /// False when it was there.
    @inline(__always) mutating func insert(_ code: UInt8) -> Bool {
        let bit: UInt64 = 1 << UInt64(code)
        defer { known |= bit }
        return known & bit == 0
    }
}

/// Member names that mean nothing to the gateway, kept as offset and hash to find one that comes twice.
struct UnknownKeys {
    enum Outcome { case inserted, duplicate, full }

    /// Offset of the name in the upper half, hash in the lower.
    private let entries: UnsafeMutableBufferPointer<UInt64>
    /// Entries in use; a level that ends gives its own back.
    var count = 0

    /// `entries` has room for `WireLimits.unknownMembersMax`; what is in it does not matter.
    init(entries: UnsafeMutableBufferPointer<UInt64>) { self.entries = entries }

    mutating func insert(_ key: ByteRange, in text: UnsafeRawBufferPointer, since start: Int) -> Outcome {
        guard count < WireLimits.unknownMembersMax else { return .full }
        let hash = Self.hash(key.of(text))
        for i in start..<count where UInt32(truncatingIfNeeded: entries[i]) == hash {
            if Self.isSame(key.of(text), at: Int(entries[i] >> 32), in: text) { return .duplicate }
        }
        entries[count] = UInt64(key.start) << 32 | UInt64(hash)
        count += 1
        return .inserted
    }

    /// FNV-1a over the decoded name. A collision costs one comparison.
    private static func hash(_ raw: UnsafeRawBufferPointer) -> UInt32 {
        var bytes = JSONStringBytes(raw)
        var hash: UInt32 = 2_166_136_261
        while let byte = bytes.next() { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return hash
    }

    /// Compares `raw` with the name that begins at `offset` and ends at its quote.
    private static func isSame(_ raw: UnsafeRawBufferPointer, at offset: Int, in text: UnsafeRawBufferPointer)
        -> Bool
    {
        guard offset <= text.count else { return false }
        var left = JSONStringBytes(raw)
        var right = JSONStringBytes(UnsafeRawBufferPointer(rebasing: text[offset...]))
        while true {
            let (a, b) = (left.next(), right.next())
            guard a == b else { return false }
            if a == nil { return true }
        }
    }
}
