import Glibc

/// A piece of an outbox: a list node whose bytes are its own room behind the header (pooled), or those of
/// an `OwnedBytes` (by reference).
@frozen @usableFromInline struct Segment {
    @usableFromInline var next: UnsafeMutablePointer<Segment>?
    @usableFromInline var base: UnsafeMutableRawPointer
    /// Bytes still to be sent are `start..<end`.
    @usableFromInline var start: Int
    @usableFromInline var end: Int
    /// Where appending must stop; equal to `end` for bytes by reference.
    @usableFromInline var limit: Int
    /// Non-nil exactly for bytes by reference.
    @usableFromInline var owner: Unmanaged<OwnedBytes>?

    @inlinable init(
        base: UnsafeMutableRawPointer, start: Int, end: Int, limit: Int, owner: Unmanaged<OwnedBytes>?
    ) {
        next = nil
        self.base = base
        self.start = start
        self.end = end
        self.limit = limit
        self.owner = owner
    }
}

@usableFromInline typealias SegmentPointer = UnsafeMutablePointer<Segment>

/// The outgoing chunks of one loop. Not `Sendable`: outboxes of one thread share it without locks.
public final class ChunkPool {
    private var free: SegmentPointer?
    /// Chunks in `free`.
    public private(set) var freeCount = 0
    private let freeMax: Int
    private var freeSmall: SegmentPointer?
    private var freeSmallCount = 0
    /// Of the `lending` that is under way.
    private var lent: OwnedBytes?

    /// - Parameter keeping: free chunks kept for the next use; more go back to the heap.
    public init(keeping: Int = SystemLimits.freeChunksMax) { freeMax = keeping }

    /// An empty chunk of `SystemLimits.chunkBytes`, header included.
    @usableFromInline func chunk() -> SegmentPointer {
        guard let first = free else { return Self.allocate(SystemLimits.chunkBytes) }
        free = first.pointee.next
        freeCount &-= 1
        Self.empty(first, SystemLimits.chunkBytes)
        return first
    }

    /// An empty chunk of `SystemLimits.smallChunkBytes`, header included.
    @usableFromInline func smallChunk() -> SegmentPointer {
        guard let first = freeSmall else { return Self.allocate(SystemLimits.smallChunkBytes) }
        freeSmall = first.pointee.next
        freeSmallCount &-= 1
        Self.empty(first, SystemLimits.smallChunkBytes)
        return first
    }

    private static func allocate(_ bytes: Int) -> SegmentPointer {
        let segment = Heap.allocate(bytes).bindMemory(to: Segment.self, capacity: 1)
        empty(segment, bytes)
        return segment
    }

    private static func empty(_ segment: SegmentPointer, _ bytes: Int) {
        let header = MemoryLayout<Segment>.stride
        segment.initialize(
            to: Segment(
                base: UnsafeMutableRawPointer(segment) + header, start: 0, end: 0, limit: bytes - header,
                owner: nil))
    }

    /// A node that keeps `owner` alive until its bytes `start..<end` have left.
    @usableFromInline func reference(_ owner: OwnedBytes, start: Int, end: Int) -> SegmentPointer {
        let segment = Heap.allocate(MemoryLayout<Segment>.stride).bindMemory(to: Segment.self, capacity: 1)
        let bytes = UnsafeMutableRawPointer(mutating: owner.bytes.baseAddress)
        let base = bytes ?? UnsafeMutableRawPointer(segment)
        segment.initialize(
            to: Segment(base: base, start: start, end: end, limit: end, owner: .passRetained(owner)))
        return segment
    }

    // MARK: Lending

    /// Calls `body` with the bytes of `owner`. Large parts of them that are appended to an outbox of this pool
    /// meanwhile leave by reference, as if they had been appended as `owned`.
    public func lending(_ owner: OwnedBytes, _ body: (UnsafeRawBufferPointer) -> Void) {
        let outer = lent
        lent = owner
        owner.withBytes(body)
        lent = outer
    }

    /// Where `bytes` are within what is lent, for a reference. Nil for a small part: it would keep far more
    /// memory than its outbox counts.
    func loan(of bytes: UnsafeRawBufferPointer) -> (owner: OwnedBytes, from: Int)? {
        guard let lent, bytes.count >= lent.count / 2, let base = lent.bytes.baseAddress,
            let first = bytes.baseAddress, first >= base, first + bytes.count <= base + lent.count
        else { return nil }
        return (lent, first - base)
    }

    @usableFromInline func recycle(_ segment: SegmentPointer) {
        if let owner = segment.pointee.owner {
            owner.release()
            Glibc.free(segment)
        } else if segment.pointee.limit <= SystemLimits.smallChunkBytes {
            guard freeSmallCount < freeMax else { return Glibc.free(segment) }
            segment.pointee.next = freeSmall
            freeSmall = segment
            freeSmallCount &+= 1
        } else if freeCount < freeMax {
            segment.pointee.next = free
            free = segment
            freeCount &+= 1
        } else {
            Glibc.free(segment)
        }
    }

    deinit {
        while let segment = free ?? freeSmall {
            if free != nil { free = segment.pointee.next } else { freeSmall = segment.pointee.next }
            Glibc.free(segment)
        }
    }
}
