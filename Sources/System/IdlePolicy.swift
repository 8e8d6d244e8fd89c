/// After how many seconds without use a server is stopped until its next call: where its creator says nothing, and at
/// the most. 0 is never.
public struct IdlePolicy: Sendable, Equatable {
    public var standardSeconds: Int
    public var maximumSeconds: Int

    /// Sessions of the older revisions end after as long without a request.
    public static let ordinary = IdlePolicy(1800, upTo: 0)

    /// A month; a sandbox that lives for longer has other worries.
    public static let range = 1...31 * 86_400

    public init(_ standardSeconds: Int, upTo maximumSeconds: Int? = nil) {
        self.standardSeconds = standardSeconds
        self.maximumSeconds = maximumSeconds ?? standardSeconds
    }

    public var isBounded: Bool { maximumSeconds > 0 }

    public func allows(_ seconds: Int) -> Bool {
        isBounded ? Self.range.contains(seconds) && seconds <= maximumSeconds : seconds >= 0
    }
}
