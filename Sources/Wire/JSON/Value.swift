import System

/// A JSON text as a tree, for the edges: control API, catalog, configuration. Never on the call path.
public indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction or exponent that fits in 64 bits.
    case integer(Int)
    /// Any other number, with the text it was read from, which is what is written again.
    case number(Double, text: String)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// Reads one JSON text: strict RFC 8259, at most `WireLimits.jsonDepthMax` deep, no name twice in an object.
    public static func parse(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> JSONValue {
        var parser = try JSONValueParser(bytes)
        return try parser.document()
    }

    public static func parse(_ bytes: [UInt8]) throws(JSONError) -> JSONValue {
        try parse(bytes.span)
    }

    public static func parse(_ text: String) throws(JSONError) -> JSONValue {
        try parse(Array(text.utf8).span)
    }

    private static func parse(_ bytes: borrowing Span<UInt8>) throws(JSONError) -> JSONValue {
        let outcome: Result<JSONValue, JSONError> = bytes.withUnsafeBytes { raw in
            do throws(JSONError) { return .success(try parse(raw)) } catch { return .failure(error) }
        }
        return try outcome.get()
    }

    /// The compact text, or one member a line, indented by two blanks.
    public func serialized(pretty: Bool = false) -> [UInt8] {
        var out = ByteQueue()
        write(into: &out, pretty: pretty)
        return Array(out.bytes)
    }

    /// The same into bytes on their way out.
    public func write<Sink: ByteSink & ~Copyable>(into out: inout Sink, pretty: Bool = false) {
        JSONValueWriter(pretty: pretty).write(self, into: &out)
    }

    public var isNull: Bool { self == .null }
    public var boolValue: Bool? { if case .bool(let value) = self { value } else { nil } }
    public var intValue: Int? { if case .integer(let value) = self { value } else { nil } }
    public var stringValue: String? { if case .string(let value) = self { value } else { nil } }
    public var arrayValue: [JSONValue]? { if case .array(let value) = self { value } else { nil } }
    public var objectValue: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// Any number; nil for everything else.
    public var doubleValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value, _): value
        default: nil
        }
    }

    /// The member called `name`, nil when this is no object or has none.
    public subscript(_ name: String) -> JSONValue? { objectValue?[name] }

    /// What a message calls this kind of value: "an object", "a string", …
    public var kindName: StaticString {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer: "an integer"
        case .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }
    public init(integerLiteral value: Int) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    public init(nilLiteral: ()) { self = .null }
    /// Of a name that is written twice the last value counts, as by assignment.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        var object = JSONObject()
        for (name, value) in elements { object[name] = value }
        self = .object(object)
    }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    /// Of a name that is written twice the last value counts, as by assignment.
    public init(dictionaryLiteral elements: (String, JSONValue)...) {
        self.init()
        for (name, value) in elements { self[name] = value }
    }
}
