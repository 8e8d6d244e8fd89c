/// Requests to a remote server that no later one may overtake, though each goes by a connection of its own: nothing
/// else is sent until the first of them has got as far as it must, or its time is over.
public struct Barriers: Sendable {
    public struct Barrier: Sendable, Equatable {
        public var exchange: Int
        /// The head of the response is enough: the response itself goes on.
        public var endsWithHead: Bool
        /// Milliseconds that others wait for it at most, from when it is the first; nil while its own deadline does.
        public var milliseconds: Int?

        public init(exchange: Int, endsWithHead: Bool = false, milliseconds: Int? = nil) {
            self.exchange = exchange
            self.endsWithHead = endsWithHead
            self.milliseconds = milliseconds
        }
    }

    private var queue: [Barrier] = []
    /// The time of the first one runs.
    private var hasBegun = false

    public init() {}

    /// The exchange that may be sent; nil when all may.
    public var first: Int? { queue.first?.exchange }

    public mutating func add(_ barrier: Barrier) {
        guard !queue.contains(where: { $0.exchange == barrier.exchange }) else { return }
        queue.append(barrier)
    }

    /// The barrier whose time begins now; nil when there is none, or it runs already.
    public mutating func begin() -> Barrier? {
        guard !hasBegun, let first = queue.first, first.milliseconds != nil else { return nil }
        hasBegun = true
        return first
    }

    public mutating func headCame(_ exchange: Int) {
        if queue.contains(where: { $0.exchange == exchange && $0.endsWithHead }) { passed(exchange) }
    }

    /// The exchange is over, whatever came of it, or its time is.
    public mutating func passed(_ exchange: Int) {
        guard let at = queue.firstIndex(where: { $0.exchange == exchange }) else { return }
        queue.remove(at: at)
        if at == 0 { hasBegun = false }
    }
}
