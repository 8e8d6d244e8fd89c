#if canImport(Glibc)
    import Glibc
#endif

extension UnsafeRawBufferPointer {
    @inlinable public func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let left = baseAddress, let right = other.baseAddress else { return true }
        return memcmp(left, right, count) == 0
    }

    @inlinable public func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        guard let left = baseAddress else { return true }
        return memcmp(left, text.utf8Start, count) == 0
    }

    @inlinable public func hasPrefix(_ text: StaticString) -> Bool {
        guard count >= text.utf8CodeUnitCount, let left = baseAddress else {
            return text.utf8CodeUnitCount == 0
        }
        return memcmp(left, text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    /// Whether `byte` occurs: memchr, so long strings cost little.
    @inlinable public func has(_ byte: UInt8) -> Bool {
        guard let start = baseAddress else { return false }
        return memchr(start, Int32(byte), count) != nil
    }

    /// The bytes from `start` up to `end`, both clamped to what there is.
    @inline(__always) @inlinable public func piece(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
        let upper = Swift.min(Swift.max(end, 0), count)
        let lower = Swift.min(Swift.max(start, 0), upper)
        guard let base = baseAddress else { return self }
        return UnsafeRawBufferPointer(start: base + lower, count: upper &- lower)
    }

    /// The offsets of what is left without JSON white space at either end.
    @usableFromInline var trimmedRange: Range<Int> {
        var start = 0
        var end = count
        while start < end, isWhiteSpace(self[start]) { start += 1 }
        while end > start, isWhiteSpace(self[end - 1]) { end -= 1 }
        return start..<end
    }

    private func isWhiteSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}

extension StaticString {
    @inlinable public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
    }
}
