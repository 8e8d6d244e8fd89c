/// A dated revision of the Model Context Protocol that the gateway speaks on its public side.
public enum Revision: UInt8, Comparable, Sendable, CaseIterable {
    case v2024_11_05
    case v2025_03_26
    case v2025_06_18
    case v2025_11_25
    /// Stateless: every request carries its own envelope in `params._meta`; no `initialize`, no session.
    case v2026_07_28

    /// The revision a legacy client is offered when it asks for one that is not known.
    public static let newestHandshake = Revision.v2025_11_25
    public static let newest = Revision.v2026_07_28

    /// Exactly the ten bytes of a known revision.
    public init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 10 else { return nil }
        for revision in Revision.allCases where bytes.equals(revision.text) {
            self = revision
            return
        }
        return nil
    }

    public var text: StaticString {
        switch self {
        case .v2024_11_05: "2024-11-05"
        case .v2025_03_26: "2025-03-26"
        case .v2025_06_18: "2025-06-18"
        case .v2025_11_25: "2025-11-25"
        case .v2026_07_28: "2026-07-28"
        }
    }

    /// Opened by `initialize`, with a session and server-to-client requests: every revision before 2026-07-28.
    public var isHandshake: Bool { self < .v2026_07_28 }
    public var isModern: Bool { !isHandshake }

    /// Arrays of messages are legal in this one revision alone.
    public var allowsBatches: Bool { self == .v2025_03_26 }

    /// The answer to an `initialize` that asks for `bytes`: the same if it is a handshake revision, else the
    /// newest of them (a client that dislikes it hangs up). Never a modern one, which has no handshake.
    public static func negotiated(asked bytes: UnsafeRawBufferPointer) -> Revision {
        guard let revision = Revision(bytes), revision.isHandshake else { return newestHandshake }
        return revision
    }

    public static func < (left: Revision, right: Revision) -> Bool { left.rawValue < right.rawValue }
}
