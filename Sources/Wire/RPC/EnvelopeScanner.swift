import Glibc

/// The pass behind `Envelope.scan`. The levels that are looked into (the message, `params`, `_meta`, `result`,
/// `error`) are loops that call one another to a fixed depth; everything below them is skipped by the scanner.
struct EnvelopeScanner {
    private var json: JSONScanner
    /// Where the caller wants it: a copy of this size for each layer would cost more than the scan.
    private let target: UnsafeMutablePointer<Envelope>
    private var unknown: UnknownKeys
    private var methodIsString = true
    private var errorIsObject = true

    /// Fills `target`; `room` is scratch memory for names, both valid for the scanner's life.
    init(_ json: JSONScanner, into target: UnsafeMutablePointer<Envelope>, room: UnknownKeys) {
        self.json = json
        self.target = target
        unknown = room
    }

    private var envelope: Envelope {
        _read { yield target.pointee }
        nonmutating _modify { yield &target.pointee }
    }

    mutating func document() throws(JSONError) {
        json.skipBlanks()
        let start = json.at
        guard start < json.count else { throw json.failure("empty text") }
        if json.base[start] == 0x7B {
            try message()
            envelope.kind = classify()
        } else {
            let kind = try json.value(depth: 0)
            envelope.kind = .invalid(.notAnObject)
            if kind == .array { envelope.kind = isEmptyArray(start) ? .invalid(.emptyBatch) : .batch }
        }
        try json.finish()
        envelope.hasLineBreaks = json.hasLineBreaks
    }

    private mutating func isEmptyArray(_ start: Int) -> Bool {
        var probe = json
        probe.at = start
        return (try? probe.firstElement()) == false
    }

    // MARK: Levels

    private mutating func message() throws(JSONError) {
        var seen = SeenKeys()
        var key = try json.firstKey()
        while let name = key {
            let known = keyCode(name, in: .message)
            try note(name, known, &seen)
            let start = json.at
            switch known {
            case Name.jsonrpc:
                _ = try json.value(depth: 1)
                envelope.jsonrpcIsTwo = equals(start, json.at, "\"2.0\"")
            case Name.id: try idValue(start)
            case Name.method: try methodValue(start)
            case Name.params: try paramsValue(start)
            case Name.result: try resultValue(start)
            case Name.error: try errorValue(start)
            default: _ = try json.value(depth: 1)
            }
            key = try json.nextKey()
        }
    }

    private mutating func idValue(_ start: Int) throws(JSONError) {
        envelope.idKind =
            switch try json.value(depth: 1) {
            case .string: .string
            case .integer: .integer
            case .fraction: .fraction
            case .null: .null
            default: .other
            }
        envelope.id = ByteRange(from: start, to: json.at)
    }

    private mutating func methodValue(_ start: Int) throws(JSONError) {
        guard start < json.count, json.base[start] == ASCII.quote else {
            methodIsString = false
            envelope.method = ByteRange(from: start, to: start)
            _ = try json.value(depth: 1)
            return
        }
        envelope.methodHasEscapes = try json.string()
        envelope.method = ByteRange(from: start + 1, to: json.at - 1)
    }

    private mutating func paramsValue(_ start: Int) throws(JSONError) {
        if start < json.count, json.base[start] == 0x7B {
            envelope.paramsKind = .object
            try paramsMembers()
        } else {
            envelope.paramsKind = try json.value(depth: 1) == .array ? .array : .other
        }
        envelope.params = ByteRange(from: start, to: json.at)
    }

    private mutating func paramsMembers() throws(JSONError) {
        let mark = unknown.count
        var seen = SeenKeys()
        var key = try json.firstKey()
        while let name = key {
            let known = keyCode(name, in: .params)
            try note(name, known, &seen)
            let start = json.at
            if known == Name.meta, start < json.count, json.base[start] == 0x7B {
                try metaMembers()
            } else {
                _ = try json.value(depth: 2)
            }
            if known != Name.unknown { store(known, ByteRange(from: start, to: json.at)) }
            key = try json.nextKey()
        }
        unknown.count = mark
    }

    private mutating func metaMembers() throws(JSONError) {
        let mark = unknown.count
        var seen = SeenKeys()
        var key = try json.firstKey()
        while let name = key {
            let known = keyCode(name, in: .meta)
            try note(name, known, &seen)
            let start = json.at
            _ = try json.value(depth: 3)
            if known != Name.unknown { store(known, ByteRange(from: start, to: json.at)) }
            key = try json.nextKey()
        }
        unknown.count = mark
    }

    private mutating func resultValue(_ start: Int) throws(JSONError) {
        if start < json.count, json.base[start] == 0x7B {
            envelope.resultIsObject = true
            envelope.resultObjectStart = start + 1
            envelope.resultIsEmptyObject = try !plainMembers(in: .result)
        } else {
            _ = try json.value(depth: 1)
        }
        envelope.result = ByteRange(from: start, to: json.at)
    }

    private mutating func errorValue(_ start: Int) throws(JSONError) {
        if start < json.count, json.base[start] == 0x7B {
            _ = try plainMembers(in: .error)
        } else {
            errorIsObject = false
            _ = try json.value(depth: 1)
        }
        envelope.error = ByteRange(from: start, to: json.at)
    }

    /// The members of `result` or `error`: only the names that are read are compared. False when there is none.
    private mutating func plainMembers(in level: Level) throws(JSONError) -> Bool {
        var seen = SeenKeys()
        var key = try json.firstKey()
        guard key != nil else { return false }
        while let name = key {
            let known = keyCode(name, in: level)
            if known != Name.unknown { try note(name, known, &seen) }
            let start = json.at
            let kind = try json.value(depth: 2)
            if known == Name.code, kind == .integer { envelope.errorCode = integer(start, json.at) }
            if known != Name.unknown { store(known, ByteRange(from: start, to: json.at)) }
            key = try json.nextKey()
        }
        return true
    }

    // MARK: What was found

    private mutating func store(_ name: UInt8, _ range: ByteRange) {
        switch name {
        case Name.name: envelope.name = range
        case Name.uri: envelope.uri = range
        case Name.arguments: envelope.arguments = range
        case Name.meta: envelope.meta = range
        case Name.cursor: envelope.cursor = range
        case Name.requestID: envelope.requestID = range
        case Name.progressToken: envelope.paramsProgressToken = range
        case Name.ref: envelope.ref = range
        case Name.level: envelope.level = range
        case Name.protocolVersion: envelope.protocolVersion = range
        case Name.capabilities: envelope.capabilities = range
        case Name.clientInfo: envelope.clientInfo = range
        case Name.inputResponses: envelope.inputResponses = range
        case Name.requestState: envelope.requestState = range
        case Name.argument: envelope.argument = range
        case Name.notifications: envelope.notifications = range
        case Name.taskID: envelope.taskID = range
        case Name.metaProgressToken: envelope.metaProgressToken = range
        case Name.metaProtocolVersion: envelope.metaProtocolVersion = range
        case Name.metaClientCapabilities: envelope.metaClientCapabilities = range
        case Name.metaClientInfo: envelope.metaClientInfo = range
        case Name.metaLogLevel: envelope.metaLogLevel = range
        case Name.metaSubscriptionID: envelope.metaSubscriptionID = range
        case Name.resultType: envelope.resultType = range
        case Name.resultMeta: envelope.resultMeta = range
        case Name.resultTTL: envelope.resultTTL = range
        case Name.resultCacheScope: envelope.resultCacheScope = range
        case Name.resultInputRequests: envelope.resultInputRequests = range
        case Name.resultRequestState: envelope.resultRequestState = range
        case Name.resultNextCursor: envelope.resultNextCursor = range
        case Name.message: envelope.errorMessage = range
        case Name.data: envelope.errorData = range
        default: break
        }
    }

    private mutating func classify() -> Envelope.Kind {
        let hasMethod = envelope.method.isPresent
        let hasResult = envelope.result.isPresent
        let hasError = envelope.error.isPresent
        guard (hasMethod ? 1 : 0) + (hasResult ? 1 : 0) + (hasError ? 1 : 0) <= 1 else {
            return .invalid(.ambiguous)
        }
        guard methodIsString else { return .invalid(.methodNotString) }
        let hasGoodID =
            (envelope.idKind == .string || envelope.idKind == .integer)
            && envelope.id.count <= WireLimits.idBytesMax
        if hasMethod {
            if envelope.idKind == .none { return .notification }
            return hasGoodID ? .request : .invalid(.badID)
        }
        if hasError {
            guard errorIsObject else { return .invalid(.errorNotObject) }
            return hasGoodID || envelope.idKind == .none || envelope.idKind == .null
                ? .failure : .invalid(.badID)
        }
        guard hasResult else { return .invalid(.noMethod) }
        if envelope.idKind == .none { return .invalid(.noID) }
        return hasGoodID ? .response : .invalid(.badID)
    }

    // MARK: Names

    /// Refuses a name that has been seen at this level.
    @inline(__always) private mutating func note(
        _ key: JSONScanner.Key, _ known: UInt8, _ seen: inout SeenKeys
    ) throws(JSONError) {
        if known != Name.unknown {
            guard seen.insert(known) else { throw duplicate(key) }
        } else {
            try noteUnknown(key, level: &seen)
        }
    }

    private mutating func noteUnknown(_ key: JSONScanner.Key, level seen: inout SeenKeys) throws(JSONError) {
        let text = UnsafeRawBufferPointer(start: json.base, count: json.count)
        if seen.unknownStart < 0 { seen.unknownStart = unknown.count }
        switch unknown.insert(key.range, in: text, since: seen.unknownStart) {
        case .inserted: return
        case .duplicate: throw duplicate(key)
        case .full:
            var error = json.failure("too many unknown members")
            error.kind = .tooManyMembers
            throw error
        }
    }

    private mutating func duplicate(_ key: JSONScanner.Key) -> JSONError {
        var error = JSONError(offset: Int(key.range.start), reason: "duplicate member name")
        error.kind = .duplicateKey
        error.key = key.range
        return error
    }

    // Mutating although they change nothing: `self` is large, and the compiler copies it for others.

    @inline(__always) private mutating func keyCode(_ key: JSONScanner.Key, in level: Level) -> UInt8 {
        if key.hasEscapes { return decodedCode(key.range, in: level) }
        let start = UnsafeRawPointer(json.base + Int(key.range.start))
        return level.code(UnsafeRawBufferPointer(start: start, count: Int(key.range.count)))
    }

    /// Escapes mean the characters they stand for: `"\u0069d"` is `id`. The longest known name has 42 bytes.
    @inline(never) private mutating func decodedCode(_ range: ByteRange, in level: Level) -> UInt8 {
        let raw = range.of(UnsafeRawBufferPointer(start: json.base, count: json.count))
        return withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
            guard let count = JSONText.decode(raw, into: buffer) else { return Name.unknown }
            return level.code(UnsafeRawBufferPointer(rebasing: buffer[0..<count]))
        }
    }

    private mutating func equals(_ start: Int, _ end: Int, _ text: StaticString) -> Bool {
        guard end - start == text.utf8CodeUnitCount else { return false }
        return memcmp(json.base + start, text.utf8Start, end - start) == 0
    }

    /// The value of an integer token, nil when it does not fit.
    private mutating func integer(_ start: Int, _ end: Int) -> Int? {
        let isNegative = json.base[start] == 0x2D
        var value = 0
        for i in (isNegative ? start + 1 : start)..<end {
            let digit = Int(json.base[i]) - 0x30
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) =
                isNegative
                ? scaled.subtractingReportingOverflow(digit) : scaled.addingReportingOverflow(digit)
            guard !overflow, !carry else { return nil }
            value = next
        }
        return value
    }
}
