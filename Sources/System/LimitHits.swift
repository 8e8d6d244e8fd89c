/// How often limits were met: processes killed for memory, forks refused, periods without CPU time, and so on.
public struct LimitHits: Sendable, Equatable {
    private var counts: [ResourceLimit: UInt64] = [:]

    public init() {}

    public subscript(_ limit: ResourceLimit) -> UInt64 {
        get { counts[limit] ?? 0 }
        set { counts[limit] = newValue == 0 ? nil : newValue }
    }

    public var isEmpty: Bool { counts.isEmpty }

    public static func + (left: LimitHits, right: LimitHits) -> LimitHits {
        var sum = left
        for (limit, count) in right.counts { sum[limit] &+= count }
        return sum
    }

    /// The larger of each: a count whose source is gone stays.
    public func atLeast(_ other: LimitHits) -> LimitHits {
        var most = self
        for (limit, count) in other.counts { most[limit] = max(most[limit], count) }
        return most
    }
}
