/// Why a request is not served. The connection is closed after the answer: what follows on it has no known
/// beginning.
public struct Refusal: Error, Equatable, Sendable {
    /// 400, 413, 414, 417, 431, 501 or 505.
    public var status: Int
    /// What was wrong, for the answer and the log. Never contains bytes of the request.
    public var reason: String

    public init(_ status: Int, _ reason: String) {
        self.status = status
        self.reason = reason
    }

    static func bad(_ reason: String) -> Refusal { Refusal(400, reason) }
}
