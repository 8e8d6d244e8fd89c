import Wire

/// The meaning of raw JSON string text (inside the quotes), decoded only when it has escapes. Nil when that is
/// longer than `limit` bytes.
func withDecodedText<R>(
    _ raw: UnsafeRawBufferPointer, limit: Int, _ body: (UnsafeRawBufferPointer) -> R
) -> R? {
    if !raw.has(UInt8(ascii: "\\")) { return raw.count <= limit ? body(raw) : nil }
    return withUnsafeTemporaryAllocation(byteCount: min(raw.count, limit), alignment: 1) { room in
        guard let count = JSONText.decode(raw, into: room) else { return nil }
        return body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[0..<count]))
    }
}

/// The name of an object's member as it was written: inside its quotes, escapes and all.
struct JSONKey {
    let raw: UnsafeRawBufferPointer
    let hasEscapes: Bool

    init(_ member: ObjectWalker.Member, in object: UnsafeRawBufferPointer) {
        raw = member.key.of(object)
        hasEscapes = member.keyHasEscapes
    }

    func equals(_ name: StaticString) -> Bool {
        hasEscapes ? JSONText.equals(raw, name.bytes) : raw.equals(name)
    }

    func hasPrefix(_ prefix: StaticString) -> Bool {
        if !hasEscapes { return raw.hasPrefix(prefix) }
        return withDecodedText(raw, limit: raw.count) { $0.hasPrefix(prefix) } ?? false
    }
}

/// Look-ups in a JSON object that has been validated.
public enum JSONMembers {
    /// Calls `body` with each member of `object`; does nothing when it is not an object.
    static func forEach(
        of object: UnsafeRawBufferPointer, _ body: (JSONKey, UnsafeRawBufferPointer) -> Void
    ) {
        guard object.first == UInt8(ascii: "{") else { return }
        var walker = ObjectWalker(object)
        while let member = walker.next() {
            body(JSONKey(member, in: object), member.value.of(object))
        }
    }

    /// The first member of that name.
    public static func value(
        _ name: StaticString, in object: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        range(name, in: object)?.of(object)
    }

    static func range(_ name: StaticString, in object: UnsafeRawBufferPointer) -> ByteRange? {
        guard object.first == UInt8(ascii: "{") else { return nil }
        var walker = ObjectWalker(object)
        while let member = walker.next() {
            if JSONKey(member, in: object).equals(name) { return member.value }
        }
        return nil
    }

    static func has(_ name: StaticString, in object: UnsafeRawBufferPointer) -> Bool {
        range(name, in: object) != nil
    }
}

/// What a raw JSON value is, by its first byte.
public enum JSONKind: Sendable {
    case string, object, array, number, bool, null, none

    public init(_ value: UnsafeRawBufferPointer) {
        switch value.first {
        case UInt8(ascii: "\""): self = .string
        case UInt8(ascii: "{"): self = .object
        case UInt8(ascii: "["): self = .array
        case UInt8(ascii: "t"), UInt8(ascii: "f"): self = .bool
        case UInt8(ascii: "n"): self = .null
        case nil: self = .none
        default: self = .number
        }
    }
}

extension UnsafeRawBufferPointer {
    /// The inside of a raw JSON string; nil when this is none.
    public var insideQuotes: UnsafeRawBufferPointer? {
        guard count >= 2, self[0] == UInt8(ascii: "\"") else { return nil }
        return piece(1, count - 1)
    }
}
