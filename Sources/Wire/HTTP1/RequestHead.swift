/// The methods the gateway tells apart. Tokens are case-sensitive (RFC 9110 §9.1): `get` is `.other`.
public enum Method: UInt8, Sendable {
    case get, head, post, put, delete, options, connect, patch, trace, other
}

/// One parsed request head: offsets into the bytes that were parsed and nothing else, so that it can be copied
/// to another thread along with them. Made by `RequestParser` only; every promise of RFC 9112 has been checked.
@frozen public struct RequestHead: Sendable {
    public internal(set) var method: Method = .other
    public internal(set) var methodRange: ByteRange = .absent
    /// The whole request target as it was sent.
    public internal(set) var target: ByteRange = .absent
    /// The path without the query, still percent-encoded. Empty for `CONNECT` and for an absolute target with
    /// no path, where RFC 9110 §4.2.3 reads it as `/`; `*` for `OPTIONS *`.
    public internal(set) var path: ByteRange = .absent
    /// What follows the first `?`; absent when there is none.
    public internal(set) var query: ByteRange = .absent
    public internal(set) var isHTTP10 = false
    /// Bytes from the start of the buffer up to and with the empty line. The body begins here.
    public internal(set) var length = 0
    public internal(set) var framing: Framing = .none
    /// Whether the connection may carry another request after this one.
    public internal(set) var keepAlive = true
    /// A `100 (Continue)` is awaited: there is a body and the client is HTTP/1.1.
    public internal(set) var expectsContinue = false
    /// At least one `Mcp-Param-…` field is there; `forEachField` finds them.
    public internal(set) var hasParamHeaders = false

    /// Of an absolute target; absent for the other forms.
    @usableFromInline var authority: ByteRange = .absent
    @usableFromInline var fieldsStart = 0
    @usableFromInline var connectionClose = false
    @usableFromInline var connectionKeepAlive = false
    @usableFromInline var present: UInt64 = 0
    @usableFromInline var duplicated: UInt64 = 0
    /// Start in the upper 16 bits, length in the lower: a head is at most 16 KiB long.
    @usableFromInline var values = InlineArray<32, UInt32>(repeating: 0)

    public init() {}

    /// Back to what `init` made, but for `values`, which nothing reads without a bit of `present`.
    mutating func reset() {
        method = .other
        methodRange = .absent
        target = .absent
        path = .absent
        query = .absent
        isHTTP10 = false
        length = 0
        framing = .none
        keepAlive = true
        expectsContinue = false
        hasParamHeaders = false
        authority = .absent
        fieldsStart = 0
        connectionClose = false
        connectionKeepAlive = false
        present = 0
        duplicated = 0
    }

    /// The value with surrounding blanks removed, the first one if the field came more than once; nil if it did
    /// not. `.host` is the authority of an absolute target if there is one (RFC 9112 §3.2.2).
    @inline(__always) @inlinable public subscript(_ field: Field) -> ByteRange? {
        guard present & bit(field) != 0 else { return nil }
        let packed = values[Int(field.rawValue)]
        return ByteRange(start: packed >> 16, count: packed & 0xFFFF)
    }

    /// Whether the field came on more than one line. Who reads a singleton field refuses it then.
    @inline(__always) @inlinable public func isDuplicated(_ field: Field) -> Bool {
        duplicated & bit(field) != 0
    }

    /// Calls `body` with the name and value of every field line in order. `base` is the buffer that was parsed.
    public func forEachField(
        in base: UnsafeRawBufferPointer,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        var at = fieldsStart
        while at < length, let line = try? FieldLine.parse(base, at: at, end: min(length, base.count)) {
            body(line.name.of(base), line.value.of(base))
            at = line.next
        }
    }

    /// Notes a field line; the first value of a name stays.
    @inline(__always) mutating func record(_ field: Field, _ value: ByteRange) {
        guard present & bit(field) == 0 else {
            duplicated |= bit(field)
            return
        }
        present |= bit(field)
        values[Int(field.rawValue)] = (value.start << 16) | (value.count & 0xFFFF)
    }

    /// RFC 9112 §3.2.2: the authority of an absolute target stands for the Host that came with it.
    mutating func preferAuthority() {
        guard authority.isPresent else { return }
        present &= ~bit(.host)
        record(.host, authority)
    }

    @inline(__always) @inlinable func bit(_ field: Field) -> UInt64 { 1 << UInt64(field.rawValue) }
}
