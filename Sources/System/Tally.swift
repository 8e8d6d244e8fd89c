import Synchronization

/// Bytes that are alive on somebody's behalf, whichever thread lets go of them.
public final class Tally: Sendable {
    private let bytes = Atomic<Int>(0)

    public init() {}

    public var count: Int { bytes.load(ordering: .relaxed) }

    @usableFromInline func add(_ count: Int) { bytes.add(count, ordering: .relaxed) }
    @usableFromInline func subtract(_ count: Int) { bytes.subtract(count, ordering: .relaxed) }
}
