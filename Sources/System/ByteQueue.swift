import Glibc

/// A growable FIFO of bytes in one piece of memory: appended at the end, consumed at the front.
/// Memory over `SystemLimits.idleQueueBytes` is given back as soon as the queue is empty.
@frozen public struct ByteQueue: ~Copyable {
    @usableFromInline var memory: UnsafeMutableRawPointer?
    /// The bytes are `start..<end` of `capacity`; all 0 exactly while `memory` is nil.
    @usableFromInline var start = 0
    @usableFromInline var end = 0
    @usableFromInline var capacity = 0

    @inlinable public init() { memory = nil }

    @inlinable deinit { free(memory) }

    @inlinable public var count: Int { end &- start }
    @inlinable public var isEmpty: Bool { end == start }

    /// The bytes from the front on, valid until the next mutation.
    @inlinable public var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: memory + start, count: end &- start)
    }

    // MARK: Appending

    /// `more` must not be bytes of this queue.
    @inlinable public mutating func append(_ more: UnsafeRawBufferPointer) {
        guard more.count > 0 else { return }
        Heap.copy(more, to: reserve(more.count))
        end &+= more.count
    }

    @inlinable public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }

    @inlinable public mutating func append(_ array: [UInt8]) {
        array.withUnsafeBytes { append($0) }
    }

    /// Literals go to the `StaticString` form.
    @_disfavoredOverload
    @inlinable public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    @inlinable public mutating func append(byte: UInt8) {
        reserve(1).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    @inlinable public mutating func append(decimal value: Int) {
        Digits.withDecimal(value) { append($0) }
    }

    /// Lower case, without leading zeros: the form of an HTTP chunk size.
    @inlinable public mutating func append(hex value: Int) {
        Digits.withHex(value) { append($0) }
    }

    /// Room for `n` bytes behind the last one; `commit` makes them part of the queue.
    @inlinable public mutating func reserve(_ n: Int) -> UnsafeMutableRawPointer {
        if let memory, capacity &- end >= n { return memory + end }
        return makeRoom(n)
    }

    /// Takes over `n` bytes that were written to the room of the last `reserve`.
    @inlinable public mutating func commit(_ n: Int) {
        precondition(n >= 0 && n <= capacity &- end, "more committed than reserved")
        end &+= n
    }

    @usableFromInline mutating func makeRoom(_ n: Int) -> UnsafeMutableRawPointer {
        precondition(n >= 0, "a negative reservation")
        let live = count
        let wanted = live + n
        // Moving the bytes to the front is worth it while at least half of the memory gets free by it;
        // otherwise a queue that is kept nearly full would move them again and again.
        if let memory, wanted <= capacity, start >= capacity / 2 {
            memmove(memory, memory + start, live)
            start = 0
            end = live
            return memory + live
        }
        let grown = max(wanted, capacity * 2, SystemLimits.queueBytesMin)
        let fresh: UnsafeMutableRawPointer
        if start == 0 {
            // Large memory is moved by its pages, without a copy (mremap(2)).
            fresh = Heap.reallocate(memory, grown)
        } else {
            fresh = Heap.allocate(grown)
            Heap.copy(bytes, to: fresh)
            free(memory)
        }
        memory = fresh
        capacity = grown
        start = 0
        end = live
        return fresh + live
    }

    // MARK: Consuming

    /// Drops `n` bytes from the front.
    @inlinable public mutating func consume(_ n: Int) {
        precondition(n >= 0 && n <= count, "more consumed than there is")
        start &+= n
        if start == end { removeAll() }
    }

    @inlinable public mutating func removeAll() {
        start = 0
        end = 0
        if capacity > SystemLimits.idleQueueBytes { releaseMemory() }
    }

    @usableFromInline mutating func releaseMemory() {
        free(memory)
        memory = nil
        capacity = 0
    }

    /// Hands the bytes over with their memory, without a copy; the queue is empty after. `tally` counts them.
    public mutating func take(tally: Tally? = nil) -> OwnedBytes {
        let taken = OwnedBytes(adopting: memory, start: start, count: count, tally: tally)
        memory = nil
        start = 0
        end = 0
        capacity = 0
        return taken
    }
}
