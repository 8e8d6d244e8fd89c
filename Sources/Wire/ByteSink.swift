import System

/// Where encoders write: bytes that are being collected (`ByteQueue`), on their way out (`Outbox`), or
/// of a size known before (`ByteCursor`).
public protocol ByteSink: ~Copyable {
    mutating func append(_ bytes: UnsafeRawBufferPointer)
    mutating func append(_ text: StaticString)
    mutating func append(byte: UInt8)
    mutating func append(decimal value: Int)
}

extension ByteQueue: ByteSink {}
extension Outbox: ByteSink {}
extension ByteCursor: ByteSink {}
