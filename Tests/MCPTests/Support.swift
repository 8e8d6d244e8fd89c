import Testing
import Wire

@testable import MCP

/// A message and its envelope, kept together.
struct Message {
    let bytes: [UInt8]
    let envelope: Envelope

    init(_ text: String) throws { try self.init(bytes: Array(text.utf8)) }

    init(bytes: [UInt8]) throws {
        self.bytes = bytes
        envelope = try bytes.withUnsafeBytes { raw throws(EnvelopeError) in try Envelope.scan(raw) }
    }

    func with<R>(_ body: (Envelope, UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try bytes.withUnsafeBytes { try body(envelope, $0) }
    }
}

/// What `write` puts into a sink, as text.
func text(_ write: (inout ByteCollector) -> Void) -> String {
    var sink = ByteCollector()
    write(&sink)
    return String(decoding: sink.bytes, as: UTF8.self)
}

/// The same, parsed: fails the test when it is no JSON.
func json(_ write: (inout ByteCollector) -> Void) throws -> JSONValue {
    var sink = ByteCollector()
    write(&sink)
    return try JSONValue.parse(sink.bytes)
}

extension String {
    func raw<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try Array(utf8).withUnsafeBytes { try body($0) }
    }
}

/// SplitMix64: a test that fails prints the seed.
struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
