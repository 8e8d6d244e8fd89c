/// Where and why a text is not the JSON that is accepted here.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    enum Kind: Sendable { case syntax, duplicateKey, tooManyMembers }

    /// Bytes from the start of the text.
    public var offset: Int
    public var reason: StaticString
    var kind: Kind = .syntax
    /// The name that came twice, inside its quotes.
    var key: ByteRange = .absent

    public init(offset: Int, reason: StaticString) {
        self.offset = offset
        self.reason = reason
    }

    public var description: String { "\(reason) at byte \(offset)" }

    public static func == (a: JSONError, b: JSONError) -> Bool {
        a.offset == b.offset && a.kind == b.kind && a.reason.description == b.reason.description
    }
}
