/// Builds a `JSONValue` over the scanner's tokens with a stack of open containers instead of recursion.
struct JSONValueParser {
    private enum Open {
        case array([JSONValue])
        case object(JSONObject, name: String, offset: Int)
    }

    private var scanner: JSONScanner
    private var stack: [Open] = []

    init(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
        guard let scanner = JSONScanner(bytes) else { throw JSONScanner.unscannable(bytes) }
        self.scanner = scanner
    }

    mutating func document() throws(JSONError) -> JSONValue {
        scanner.skipBlanks()
        while true {
            guard var value = try begin() else { continue }
            // A value is whole: hand it to its container, which may be whole then too.
            while let top = stack.popLast() {
                guard let whole = try add(value, to: top) else { break }
                value = whole
            }
            if stack.isEmpty {
                try scanner.finish()
                return value
            }
        }
    }

    /// Reads a scalar or an empty container, or opens a container and returns nil with `at` on its first value.
    private mutating func begin() throws(JSONError) -> JSONValue? {
        let start = scanner.at
        let kind = try scanner.opening()
        switch kind {
        case .null: return .null
        case .literalTrue: return .bool(true)
        case .literalFalse: return .bool(false)
        case .string: return .string(JSONText.string(text(start + 1, scanner.at - 1)))
        case .integer, .fraction: return number(start, isInteger: kind == .integer)
        case .object:
            try checkDepth()
            guard let key = try scanner.firstKey() else { return .object(JSONObject()) }
            stack.append(.object(JSONObject(), name: name(key), offset: Int(key.range.start)))
        case .array:
            try checkDepth()
            guard try scanner.firstElement() else { return .array([]) }
            stack.append(.array([]))
        }
        return nil
    }

    /// The container when this was its last value; otherwise nil, and it is back on the stack with `at` on the
    /// next value.
    private mutating func add(_ value: consuming JSONValue, to top: consuming Open) throws(JSONError)
        -> JSONValue?
    {
        switch consume top {
        case .array(var elements):
            elements.append(value)
            guard try scanner.nextElement() else { return .array(elements) }
            stack.append(.array(elements))
        case .object(var object, let name, let offset):
            guard object.insert(.init(name: name, value: value)) else {
                throw JSONError(offset: offset, reason: "duplicate member name")
            }
            guard let key = try scanner.nextKey() else { return .object(object) }
            stack.append(.object(object, name: self.name(key), offset: Int(key.range.start)))
        }
        return nil
    }

    private func checkDepth() throws(JSONError) {
        guard stack.count < WireLimits.jsonDepthMax else { throw scanner.failure("nested too deeply") }
    }

    private func name(_ key: JSONScanner.Key) -> String {
        JSONText.string(text(Int(key.range.start), key.range.end))
    }

    private func number(_ start: Int, isInteger: Bool) -> JSONValue {
        let digits = String(decoding: text(start, scanner.at), as: UTF8.self)
        if isInteger, digits != "-0", let value = Int(digits) { return .integer(value) }
        return .number(Double(digits) ?? .nan, text: digits)
    }

    private func text(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        ByteRange(from: start, to: end).of(UnsafeRawBufferPointer(start: scanner.base, count: scanner.count))
    }
}
