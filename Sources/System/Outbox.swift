import Glibc

/// Bytes waiting to leave by one descriptor. Pieces never move once appended, so that a completion backend
/// may have the front of the queue in flight while more is appended.
public struct Outbox: ~Copyable {
    @usableFromInline var first: SegmentPointer?
    /// The end of the list that begins at `first`; nil exactly when that is.
    @usableFromInline var last: SegmentPointer?
    @inlinable public var count: Int { waiting }
    @usableFromInline var waiting = 0
    @usableFromInline let pool: ChunkPool

    public init(pool: ChunkPool) { self.pool = pool }

    deinit {
        var segment = first
        while let this = segment {
            segment = this.pointee.next
            pool.recycle(this)
        }
    }

    @inlinable public var isEmpty: Bool { waiting == 0 }

    // MARK: Appending

    /// Copied, unless they are a large part of what the pool lends.
    public mutating func append(_ more: UnsafeRawBufferPointer) {
        guard var from = more.baseAddress else { return }
        var missing = more.count
        if missing >= SystemLimits.referenceBytesMin, let loan = pool.loan(of: more) {
            return append(owned: loan.owner, from: loan.from, count: missing)
        }
        waiting += missing
        while missing > 0 {
            let chunk = chunkWithRoom()
            let piece = min(missing, chunk.pointee.limit - chunk.pointee.end)
            memcpy(chunk.pointee.base + chunk.pointee.end, from, piece)
            chunk.pointee.end += piece
            from += piece
            missing -= piece
        }
    }

    public mutating func append(_ text: StaticString) {
        text.withUTF8Buffer { append(UnsafeRawBufferPointer($0)) }
    }

    public mutating func append(_ array: [UInt8]) {
        array.withUnsafeBytes { append($0) }
    }

    /// Literals go to the `StaticString` form.
    @_disfavoredOverload
    public mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    public mutating func append(byte: UInt8) {
        let chunk = chunkWithRoom()
        chunk.pointee.base.storeBytes(of: byte, toByteOffset: chunk.pointee.end, as: UInt8.self)
        chunk.pointee.end += 1
        waiting += 1
    }

    public mutating func append(decimal value: Int) {
        Digits.withDecimal(value) { append($0) }
    }

    /// Lower case, without leading zeros: the form of an HTTP chunk size.
    public mutating func append(hex value: Int) {
        Digits.withHex(value) { append($0) }
    }

    /// Appends `count` bytes of `owned` from offset `from` on (default: all the rest). Pieces of at least
    /// `SystemLimits.referenceBytesMin` leave by reference; smaller ones are copied.
    public mutating func append(owned: OwnedBytes, from: Int = 0, count piece: Int? = nil) {
        precondition(from >= 0 && from <= owned.count, "a piece outside its bytes")
        let length = piece ?? owned.count - from
        precondition(length >= 0 && length <= owned.count - from, "a piece outside its bytes")
        guard length >= SystemLimits.referenceBytesMin else {
            return append(UnsafeRawBufferPointer(rebasing: owned.bytes[from..<(from + length)]))
        }
        link(pool.reference(owned, start: from, end: from + length))
        waiting += length
    }

    /// Most that one `write` may ask for.
    public static let writeBytesMax = SystemLimits.chunkBytes - MemoryLayout<Segment>.stride

    /// Appends what `body` writes, at most `room` bytes, in one piece.
    @inlinable public mutating func write(atMost room: Int, _ body: (inout ByteCursor) -> Void) {
        let chunk = chunkWithRoom(for: room)
        var cursor = ByteCursor(chunk.pointee.base + chunk.pointee.end, count: room)
        body(&cursor)
        chunk.pointee.end &+= cursor.count
        waiting &+= cursor.count
    }

    @inlinable mutating func chunkWithRoom(for room: Int) -> SegmentPointer {
        if let last, last.pointee.limit &- last.pointee.end >= room { return last }
        return freshChunk(for: room)
    }

    @usableFromInline mutating func freshChunk(for room: Int) -> SegmentPointer {
        precondition(room >= 0 && room <= Self.writeBytesMax, "more room than a chunk has")
        let isSmall = first == nil && room <= SystemLimits.smallChunkBytes - MemoryLayout<Segment>.stride
        let chunk = isSmall ? pool.smallChunk() : pool.chunk()
        link(chunk)
        return chunk
    }

    private mutating func chunkWithRoom() -> SegmentPointer {
        if let last, last.pointee.end < last.pointee.limit { return last }
        let chunk = pool.chunk()
        link(chunk)
        return chunk
    }

    private mutating func link(_ segment: SegmentPointer) {
        if let last { last.pointee.next = segment } else { first = segment }
        last = segment
    }

    // MARK: Leaving

    /// Calls `body` with the first pieces, at most `SystemLimits.piecesPerWrite`, in the order of leaving.
    /// Not generic: across modules a generic result would cost a look-up of its type at each call.
    public func withIOVecs(_ body: (UnsafePointer<iovec>, Int32) -> Int64) -> Int64 {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: SystemLimits.piecesPerWrite) { room in
            var n = 0
            var segment = first
            while let this = segment, n < room.count {
                let piece = this.pointee
                room.initializeElement(
                    at: n, to: iovec(iov_base: piece.base + piece.start, iov_len: piece.end - piece.start))
                n += 1
                segment = piece.next
            }
            guard let base = room.baseAddress else { preconditionFailure("an allocation without an address") }
            return body(base, Int32(truncatingIfNeeded: n))
        }
    }

    /// Drops `n` bytes from the front: they have left. Chunks that are done go back to the pool.
    public mutating func sent(_ n: Int) {
        precondition(n >= 0 && n <= count, "more sent than there is")
        waiting -= n
        var missing = n
        while let segment = first {
            let piece = segment.pointee.end - segment.pointee.start
            guard missing >= piece else {
                segment.pointee.start += missing
                return
            }
            missing -= piece
            first = segment.pointee.next
            pool.recycle(segment)
        }
        last = nil
    }

    /// Moves `n` bytes from the front to the end of `other`. What is held by reference stays so.
    public mutating func move(_ n: Int, to other: inout Outbox) {
        precondition(n >= 0 && n <= count, "more moved than there is")
        var missing = n
        while missing > 0, let segment = first {
            let piece = segment.pointee
            let length = min(missing, piece.end - piece.start)
            if let owner = piece.owner {
                other.append(owned: owner.takeUnretainedValue(), from: piece.start, count: length)
            } else {
                other.append(UnsafeRawBufferPointer(start: piece.base + piece.start, count: length))
            }
            missing -= length
            sent(length)
        }
    }

    public mutating func removeAll() { sent(count) }

    /// Everything in one piece, which then leaves the outbox. Copied unless it is one reference in whole; a tally that
    /// counts a part of it counts the copy.
    public mutating func takeAll() -> OwnedBytes {
        if let only = first, only.pointee.next == nil, let owner = only.pointee.owner {
            let whole = owner.takeUnretainedValue()
            if whole.count == count {
                removeAll()
                return whole
            }
        }
        let total = count
        var tally: Tally?
        let memory = total > 0 ? Heap.allocate(total) : nil
        if let memory {
            var at = 0
            var segment = first
            while let this = segment {
                let piece = this.pointee
                memcpy(memory + at, piece.base + piece.start, piece.end - piece.start)
                if let owner = piece.owner { tally = tally ?? owner._withUnsafeGuaranteedRef { $0.tally } }
                at += piece.end - piece.start
                segment = piece.next
            }
        }
        removeAll()
        return OwnedBytes(adopting: memory, start: 0, count: total, tally: tally)
    }
}
