import Wire

/// Counts what would be written.
@frozen public struct ByteCounter: ByteSink {
    public var count = 0

    @inlinable public init() {}
    @inlinable public mutating func append(_ bytes: UnsafeRawBufferPointer) { count += bytes.count }
    @inlinable public mutating func append(_ text: StaticString) { count += text.utf8CodeUnitCount }
    @inlinable public mutating func append(byte: UInt8) { count += 1 }
    @inlinable public mutating func append(decimal value: Int) {
        count += value < 0 ? 1 : 0
        var rest = value.magnitude
        repeat {
            count += 1
            rest /= 10
        } while rest != 0
    }
}

/// Collects into an array: for what is built once and kept.
@frozen public struct ByteCollector: ByteSink {
    public var bytes: [UInt8] = []

    @inlinable public init() {}
    @inlinable public mutating func append(_ more: UnsafeRawBufferPointer) { bytes.append(contentsOf: more) }
    @inlinable public mutating func append(_ text: StaticString) { bytes.append(contentsOf: text.bytes) }
    @inlinable public mutating func append(byte: UInt8) { bytes.append(byte) }
    @inlinable public mutating func append(decimal value: Int) {
        bytes.append(contentsOf: String(value).utf8)
    }
}

extension ByteSink where Self: ~Copyable {
    @inlinable mutating func append(array: [UInt8]) { array.withUnsafeBytes { append($0) } }

    /// `bytes` with line breaks turned into spaces. Between JSON tokens they mean the same, inside strings
    /// they cannot occur; on a line-framed transport a line break would end the message.
    @usableFromInline mutating func append(onOneLine bytes: UnsafeRawBufferPointer) {
        withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 8) { room in
            var at = 0
            while at < bytes.count {
                let count = Swift.min(room.count, bytes.count &- at)
                for i in 0..<count {
                    let byte = bytes[at &+ i]
                    room[i] = byte == 0x0A || byte == 0x0D ? 0x20 : byte
                }
                append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(room)[0..<count]))
                at &+= count
            }
        }
    }
}
