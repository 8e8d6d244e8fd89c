/// Names a source of a loop for as long as it is attached; afterwards it is stale and finds nothing.
@frozen public struct Handle: Hashable, Sendable {
    public var slot: UInt32
    /// Never 0 for an attached source.
    public var generation: UInt32

    @inlinable public init(slot: UInt32, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// Names nothing.
    public static let none = Handle(slot: .max, generation: 0)

    /// The form that goes through the kernel.
    var token: UInt64 { UInt64(generation) << 32 | UInt64(slot) }
}
