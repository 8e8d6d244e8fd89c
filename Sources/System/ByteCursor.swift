import Glibc

/// Writes one byte after another into memory whose size was settled before: one comparison and one copy for
/// each piece, where a queue would look for room. Writing over the end is a mistake of ours and traps.
@frozen public struct ByteCursor: ~Copyable {
    @usableFromInline let start: UnsafeMutableRawPointer
    @usableFromInline var at: UnsafeMutableRawPointer
    @usableFromInline let end: UnsafeMutableRawPointer

    @inlinable init(_ memory: UnsafeMutableRawPointer, count: Int) {
        start = memory
        at = memory
        end = memory + count
    }

    /// Bytes written so far.
    @inlinable public var count: Int { at - start }

    @inlinable public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        precondition(bytes.count <= end - at, "more written than there is room for")
        memcpy(at, base, bytes.count)
        at += bytes.count
    }

    /// Inlined, the copy of a literal is a few stores.
    @inline(__always) @inlinable public mutating func append(_ text: StaticString) {
        let count = text.utf8CodeUnitCount
        precondition(count <= end - at, "more written than there is room for")
        memcpy(at, text.utf8Start, count)
        at += count
    }

    @inlinable public mutating func append(byte: UInt8) {
        precondition(at < end, "more written than there is room for")
        at.storeBytes(of: byte, as: UInt8.self)
        at += 1
    }

    @inlinable public mutating func append(decimal value: Int) {
        // Backwards from where the last digit will be.
        var length = value < 0 ? 2 : 1
        var rest = value.magnitude
        while rest >= 10 {
            rest /= 10
            length &+= 1
        }
        precondition(length <= end - at, "more written than there is room for")
        var digit = at + (length &- 1)
        rest = value.magnitude
        repeat {
            digit.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 &+ rest % 10), as: UInt8.self)
            digit -= 1
            rest /= 10
        } while rest != 0
        if value < 0 { at.storeBytes(of: 0x2D, as: UInt8.self) }
        at += length
    }
}
