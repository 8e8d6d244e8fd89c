/// A piece of a buffer that somebody else owns: offsets only, so that it may cross threads with a copy of the
/// buffer. A count of zero at offset zero means "absent".
@frozen public struct ByteRange: Sendable, Hashable {
    public var start: UInt32
    public var count: UInt32

    @inlinable public init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// Callers have checked that the buffer is at most `UInt32.max` bytes long and that `start <= end`.
    @inlinable init(from start: Int, to end: Int) {
        self.start = UInt32(truncatingIfNeeded: start)
        self.count = UInt32(truncatingIfNeeded: end &- start)
    }

    /// The range of nothing; also what every unset member of an `Envelope` holds.
    @inlinable public static var absent: ByteRange { ByteRange(start: 0, count: 0) }

    /// Offset just after the last byte.
    @inline(__always) @inlinable public var end: Int { Int(start) + Int(count) }
    @inlinable public var isEmpty: Bool { count == 0 }
    /// False exactly for `absent`. A present range may still be empty, such as the inside of `""`.
    @inlinable public var isPresent: Bool { start != 0 || count != 0 }

    /// The bytes of this range in `base`; empty when the range does not lie inside `base`.
    @inline(__always) @inlinable public func of(_ base: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard count != 0, end <= base.count, let first = base.baseAddress else {
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: first + Int(start), count: Int(count))
    }

    /// The same bytes seen from a buffer that begins `offset` bytes later.
    @inlinable public func shifted(by offset: UInt32) -> ByteRange {
        ByteRange(start: start &+ offset, count: count)
    }
}
