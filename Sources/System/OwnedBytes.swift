import Glibc

/// Immutable bytes on the heap that may cross threads; freed with the last reference.
///
/// `@unchecked Sendable`: the memory is written before `init` returns and never again.
public final class OwnedBytes: @unchecked Sendable {
    @usableFromInline let memory: UnsafeMutableRawPointer?
    @usableFromInline let start: Int
    public let count: Int
    /// Counts these bytes as long as they are alive.
    @usableFromInline let tally: Tally?

    /// Takes over malloc'd `memory` whose valid bytes are `start..<start + count`.
    @usableFromInline init(
        adopting memory: UnsafeMutableRawPointer?, start: Int, count: Int, tally: Tally? = nil
    ) {
        self.memory = memory
        self.start = start
        self.count = count
        self.tally = tally
        tally?.add(count)
    }

    public convenience init(copying bytes: UnsafeRawBufferPointer, tally: Tally? = nil) {
        let memory = bytes.count > 0 ? Heap.allocate(bytes.count) : nil
        if let memory { Heap.copy(bytes, to: memory) }
        self.init(adopting: memory, start: 0, count: bytes.count, tally: tally)
    }

    /// Both pieces in one allocation, such as a head and its body.
    public convenience init(joining first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) {
        let count = first.count + second.count
        let memory = count > 0 ? Heap.allocate(count) : nil
        if let memory {
            Heap.copy(first, to: memory)
            Heap.copy(second, to: memory + first.count)
        }
        self.init(adopting: memory, start: 0, count: count)
    }

    public convenience init(_ array: [UInt8]) {
        let count = array.count
        let memory = count > 0 ? Heap.allocate(count) : nil
        if let memory { array.withUnsafeBytes { Heap.copy($0, to: memory) } }
        self.init(adopting: memory, start: 0, count: count)
    }

    /// Valid as long as this object is referenced.
    @inlinable public var bytes: UnsafeRawBufferPointer {
        guard let memory else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        return UnsafeRawBufferPointer(start: memory + start, count: count)
    }

    /// The same, alive at least until `body` returns.
    @inlinable public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        defer { withExtendedLifetime(self) {} }
        return body(bytes)
    }

    @inlinable public var isEmpty: Bool { count == 0 }

    deinit {
        tally?.subtract(count)
        free(memory)
    }
}

/// malloc(3) as this module uses it.
@usableFromInline enum Heap {
    /// Memory that is exhausted ends the process: no queue could be kept correct without it.
    @inlinable static func allocate(_ count: Int) -> UnsafeMutableRawPointer {
        guard let memory = malloc(count) else { preconditionFailure("out of memory: \(count) bytes") }
        return memory
    }

    @inlinable static func reallocate(_ memory: UnsafeMutableRawPointer?, _ count: Int)
        -> UnsafeMutableRawPointer
    {
        guard let memory = realloc(memory, count) else {
            preconditionFailure("out of memory: \(count) bytes")
        }
        return memory
    }

    @inlinable static func copy(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
        if let base = bytes.baseAddress, bytes.count > 0 { memcpy(target, base, bytes.count) }
    }
}

/// Numbers as ASCII, written backwards from the end of a small buffer.
@usableFromInline enum Digits {
    /// Room for any `Int` in decimal with its sign, or in hexadecimal.
    @usableFromInline static let roomBytes = 20

    /// Calls `body` with the decimal digits of `value`, `-` first when it is negative.
    @inlinable static func withDecimal(_ value: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: roomBytes, alignment: 1) { room in
            var at = roomBytes
            var rest = value.magnitude
            repeat {
                at &-= 1
                room[at] = UInt8(truncatingIfNeeded: 0x30 &+ rest % 10)
                rest /= 10
            } while rest != 0
            if value < 0 {
                at &-= 1
                room[at] = 0x2D
            }
            body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[at...]))
        }
    }

    /// Calls `body` with the lower-case hexadecimal digits of `value`'s bit pattern.
    @inlinable static func withHex(_ value: Int, _ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: roomBytes, alignment: 1) { room in
            var at = roomBytes
            var rest = UInt(bitPattern: value)
            repeat {
                at &-= 1
                let digit = UInt8(truncatingIfNeeded: rest & 15)
                room[at] = digit < 10 ? 0x30 &+ digit : 0x57 &+ digit
                rest >>= 4
            } while rest != 0
            body(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[at...]))
        }
    }
}
