import Glibc

/// A moment of the monotonic clock (CLOCK_MONOTONIC): comparable within one boot, never set back.
@frozen public struct Instant: Comparable, Hashable, Sendable {
    public var nanoseconds: UInt64

    @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    @inlinable public static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
    }

    @inlinable public static func < (left: Instant, right: Instant) -> Bool {
        left.nanoseconds < right.nanoseconds
    }

    /// The moment `milliseconds` later (earlier when negative); saturates at both ends of the range.
    @inlinable public func advanced(milliseconds: Int) -> Instant {
        let (delta, isHuge) = milliseconds.magnitude.multipliedReportingOverflow(by: 1_000_000)
        if milliseconds < 0 {
            return Instant(nanoseconds: isHuge || delta > nanoseconds ? 0 : nanoseconds &- UInt64(delta))
        }
        let (sum, isOver) = nanoseconds.addingReportingOverflow(UInt64(delta))
        return Instant(nanoseconds: isHuge || isOver ? .max : sum)
    }

    /// Whole milliseconds from `since` to this moment, rounded toward zero; negative when `since` is later.
    @inlinable public func milliseconds(since: Instant) -> Int {
        if nanoseconds >= since.nanoseconds {
            return Int((nanoseconds &- since.nanoseconds) / 1_000_000)
        }
        return -Int((since.nanoseconds &- nanoseconds) / 1_000_000)
    }
}
