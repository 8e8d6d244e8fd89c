/// The attached sources of a loop by slot. A slot's generation changes each time it is given back, so a
/// handle or a kernel event that outlives its source finds nothing.
struct SlotTable {
    /// Each with a reference that `insert` took and `remove` gives back; unmanaged, so that looking one up
    /// counts nothing.
    private var sources: ContiguousArray<Unmanaged<Source>?> = []
    private var generations: ContiguousArray<UInt32> = []
    /// Slots without a source. Last in, first out: the table stays as dense as it was full.
    private var free: ContiguousArray<UInt32> = []

    var count: Int { sources.count - free.count }

    /// Takes a slot for `source`.
    mutating func insert(_ source: Source) -> Handle {
        guard let slot = free.popLast() else {
            sources.append(.passRetained(source))
            generations.append(1)
            return Handle(slot: UInt32(sources.count - 1), generation: 1)
        }
        sources[Int(slot)] = .passRetained(source)
        return Handle(slot: slot, generation: generations[Int(slot)])
    }

    /// Valid until the end of the turn: what leaves the table is kept until then.
    func source(_ handle: Handle) -> Unmanaged<Source>? {
        let slot = Int(handle.slot)
        guard slot < sources.count, generations[slot] == handle.generation else { return nil }
        return sources[slot]
    }

    /// Gives the slot, with its handle, to `successor`.
    mutating func replace(_ handle: Handle, with successor: Source) {
        let old = sources[Int(handle.slot)]
        sources[Int(handle.slot)] = .passRetained(successor)
        old?.release()
    }

    /// Makes every handle of the slot stale. The slot keeps its source, and is not reused, until `remove`.
    mutating func retire(_ handle: Handle) {
        let slot = Int(handle.slot)
        let next = generations[slot] &+ 1
        generations[slot] = next == 0 ? 1 : next
    }

    /// Gives a retired slot back.
    mutating func remove(slot: UInt32) {
        let source = sources[Int(slot)]
        sources[Int(slot)] = nil
        free.append(slot)
        source?.release()
    }

    /// Gives back the references of a loop that is freed before it has run to its end.
    func release() {
        for source in sources { source?.release() }
    }

    /// Every source that is attached or closing.
    var all: [Source] { sources.compactMap { $0?.takeUnretainedValue() } }
}
