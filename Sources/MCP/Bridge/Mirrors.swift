import Wire

/// The arguments of one tool that 2026-07-28 clients mirror into `Mcp-Param-…` headers: properties of its input
/// schema annotated with `x-mcp-header` (SEP-2243).
public struct Mirrors: Sendable, Equatable {
    public enum Reading: Sendable, Equatable {
        case none
        case mirrors(Mirrors)
        /// An annotation breaks the rules; clients drop the whole tool. The sentence is for the operator.
        case invalid(String)
    }

    enum Kind: Sendable { case string, integer, boolean }

    struct Entry: Sendable, Equatable {
        /// As annotated, without the prefix.
        var header: String
        /// Names of properties from the arguments down.
        var path: [String]
        var kind: Kind
    }

    private(set) var entries: [Entry] = []

    /// A header field of a request: its name in lower case.
    public typealias Field = (name: String, value: [UInt8])

    private static let annotation: StaticString = "x-mcp-header"

    /// Reads a tool of `tools/list`, a validated object.
    public static func read(tool: UnsafeRawBufferPointer) -> Reading {
        guard let schema = JSONMembers.value("inputSchema", in: tool), mentions(schema) else { return .none }
        var mirrors = Mirrors()
        if let fault = mirrors.collect(schema) { return .invalid(fault) }
        // An annotation that is no property's: under items, a composition or a reference.
        let total = count(annotationsIn: schema)
        if total > mirrors.entries.count {
            return .invalid("x-mcp-header stands where no plain property is")
        }
        return mirrors.entries.isEmpty ? .none : .mirrors(mirrors)
    }

    // MARK: The schema

    /// Walks `properties` level by level; nothing else can lead to an annotated property.
    private mutating func collect(_ schema: UnsafeRawBufferPointer) -> String? {
        var level: [(schema: UnsafeRawBufferPointer, path: [String])] = [(schema, [])]
        var depth = 0
        while !level.isEmpty {
            guard depth < BridgeLimits.mirroredDepthMax else { return nil }
            depth += 1
            var next: [(schema: UnsafeRawBufferPointer, path: [String])] = []
            for (object, path) in level {
                guard let properties = JSONMembers.value("properties", in: object) else { continue }
                var walker = ObjectWalker(properties)
                while let member = walker.next() {
                    let property = member.value.of(properties)
                    guard JSONKind(property) == .object, Self.mentions(property) else { continue }
                    let name = JSONText.string(member.key.of(properties))
                    if let header = JSONMembers.value(Self.annotation, in: property) {
                        if let fault = note(header, property, path + [name]) { return fault }
                    } else {
                        next.append((property, path + [name]))
                    }
                }
            }
            level = next
        }
        return nil
    }

    private mutating func note(
        _ header: UnsafeRawBufferPointer, _ property: UnsafeRawBufferPointer, _ path: [String]
    ) -> String? {
        guard let text = header.insideQuotes, !text.isEmpty, text.count <= 128, text.allSatisfy(Self.isToken)
        else { return "x-mcp-header of \(path.joined(separator: ".")) is no header name" }
        let name = String(decoding: text, as: UTF8.self)
        guard !entries.contains(where: { $0.header.lowercased() == name.lowercased() }) else {
            return "x-mcp-header \(name) comes twice"
        }
        let kind: Kind
        switch JSONMembers.value("type", in: property)?.insideQuotes {
        case let type? where type.equals("string"): kind = .string
        case let type? where type.equals("integer"): kind = .integer
        case let type? where type.equals("boolean"): kind = .boolean
        default: return "x-mcp-header \(name) is on a property that is no string, integer or boolean"
        }
        guard entries.count < BridgeLimits.mirroredMax else { return "too many x-mcp-header annotations" }
        entries.append(Entry(header: name, path: path, kind: kind))
        return nil
    }

    private static func mentions(_ json: UnsafeRawBufferPointer) -> Bool {
        count(annotationsIn: json, upTo: 1) > 0
    }

    /// Occurrences of the annotation as a member's name, found without reading the schema as one: in a string
    /// value its quotes would be escaped. Escaped spellings are not looked for.
    private static func count(annotationsIn json: UnsafeRawBufferPointer, upTo most: Int = .max) -> Int {
        let wanted: StaticString = "\"x-mcp-header\""
        let size = wanted.utf8CodeUnitCount
        var found = 0
        var at = 0
        while at + size <= json.count, found < most {
            if json[at] == UInt8(ascii: "\""), json.piece(at, at + size).equals(wanted) {
                var after = at + size
                while after < json.count, json[after] <= 0x20 { after += 1 }
                if after < json.count, json[after] == UInt8(ascii: ":") { found += 1 }
                at += size
            } else {
                at += 1
            }
        }
        return found
    }

    private static func isToken(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x21, 0x23...0x27, 0x2A, 0x2B, 0x2D, 0x2E, 0x5E...0x60,
            0x7C,
            0x7E:
            true
        default: false
        }
    }

    // MARK: Requests

    /// What a server of 2026-07-28 is to be sent with `arguments`, a raw object or nothing.
    public func fields(_ arguments: UnsafeRawBufferPointer) -> [RemoteRequest.Field] {
        entries.compactMap { entry in
            guard let value = Self.value(entry.path, in: arguments), let text = Self.text(value) else {
                return nil
            }
            return RemoteRequest.Field(name: "Mcp-Param-\(entry.header)", value: HeaderValue.encoded(text))
        }
    }

    /// Whether a client's headers say what its arguments say; throws -32020. `fields` are the request's fields that
    /// begin with `mcp-param-`. Those that mirror nothing are passed over.
    public func check(_ fields: [Field], _ arguments: UnsafeRawBufferPointer) throws(RPCFailure) {
        for entry in entries {
            let name = "mcp-param-\(entry.header.lowercased())"
            let sent = fields.filter { $0.name == name }
            let value = Self.value(entry.path, in: arguments)
            guard sent.count <= 1 else {
                throw .headerMismatch("Mcp-Param-\(entry.header) must be sent once")
            }
            switch (sent.first, value) {
            case (nil, nil): continue
            case (nil, _?):
                throw .headerMismatch(
                    "the header Mcp-Param-\(entry.header) is missing; it must equal the argument "
                        + entry.path.joined(separator: "."))
            case (_?, nil):
                throw .headerMismatch(
                    "Mcp-Param-\(entry.header) is sent without the argument that it mirrors")
            case (let field?, let value?): try compare(field.value, value, entry)
            }
        }
    }

    private func compare(
        _ header: [UInt8], _ value: UnsafeRawBufferPointer, _ entry: Entry
    ) throws(RPCFailure) {
        guard let text = Self.text(value) else {
            throw .headerMismatch("Mcp-Param-\(entry.header) mirrors an argument that is no plain value")
        }
        let verdict = header.withUnsafeBytes { header in
            text.withUnsafeBytes { HeaderValue.compare(header, to: $0) }
        }
        switch verdict {
        case .equal: return
        case .malformed:
            throw .headerMismatch(
                "Mcp-Param-\(entry.header) is not canonical base64 between =?base64? and ?=")
        case .different:
            // 42 and 42.0 are the same integer.
            if entry.kind == .integer, let left = Self.number(header), let right = Self.number(text),
                left == right
            {
                return
            }
            throw .headerMismatch(
                "Mcp-Param-\(entry.header) does not match the argument \(entry.path.joined(separator: "."))")
        }
    }

    /// The raw value at `path`; nil when it is absent or null.
    private static func value(_ path: [String], in arguments: UnsafeRawBufferPointer)
        -> UnsafeRawBufferPointer?
    {
        var value = arguments
        for name in path {
            guard JSONKind(value) == .object, let next = ParkedCall.member(name, of: value) else {
                return nil
            }
            value = next
        }
        return JSONKind(value) == .null || value.isEmpty ? nil : value
    }

    /// What the header of a raw scalar says; nil for arrays and objects.
    private static func text(_ value: UnsafeRawBufferPointer) -> [UInt8]? {
        switch JSONKind(value) {
        case .string:
            guard let inside = value.insideQuotes else { return nil }
            return withDecodedText(inside, limit: MCPLimits.headerValueBytesMax) { Array($0) }
        case .number, .bool: return Array(value)
        default: return nil
        }
    }

    private static func number(_ text: [UInt8]) -> Double? {
        guard let first = text.first, first == UInt8(ascii: "-") || (first >= 0x30 && first <= 0x39),
            text.count <= 40
        else { return nil }
        return Double(String(decoding: text, as: UTF8.self))
    }
}

/// The tools of one server that have mirrored arguments, by the server's own name; of most servers none.
public struct MirrorTable: Sendable, Equatable {
    private var tools: [String: Mirrors] = [:]

    public init() {}

    public var isEmpty: Bool { tools.isEmpty }

    /// `list` is the server's `tools`. Annotations that break the rules are none.
    public init(_ list: ItemList) {
        list.forEach { key, tool in
            if case .mirrors(let mirrors) = Mirrors.read(tool: tool) { tools[JSONText.string(key)] = mirrors }
        }
    }

    public subscript(_ name: String) -> Mirrors? { tools[name] }
}
