/// Pauses between attempts: doubled, and halved at random, so that those who failed together do not come back
/// together.
public struct Backoff: Sendable, Equatable {
    private let first: Int
    private let last: Int
    private var shift = 0

    public init(
        firstMilliseconds: Int = BridgeLimits.retryFirstMilliseconds,
        lastMilliseconds: Int = BridgeLimits.retryLastMilliseconds
    ) {
        first = max(firstMilliseconds, 1)
        last = max(lastMilliseconds, first)
    }

    /// Attempts so far.
    public private(set) var attempts = 0

    /// Milliseconds until the next attempt. `random` is any number; `atLeast` what the peer has asked for.
    public mutating func next(random: UInt64, atLeast: Int = 0) -> Int {
        attempts += 1
        let whole = min(first << min(shift, 20), last)
        if whole < last { shift += 1 }
        let half = whole / 2
        let pause = half + Int(random % UInt64(whole - half + 1))
        return max(pause, min(atLeast, last))
    }

    /// An attempt went well.
    public mutating func reset() {
        shift = 0
        attempts = 0
    }
}
