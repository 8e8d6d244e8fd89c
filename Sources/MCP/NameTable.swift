/// A map from byte strings to small integers: filled once per catalog epoch, then only read. A look-up
/// allocates nothing. Open addressing with linear probing at a load of at most one half.
///
/// The names come from servers, so the hash is keyed anew in each process: nobody can prepare names that
/// collide.
public struct NameTable: Sendable {
    private struct Entry: Sendable {
        var start: UInt32
        var count: UInt32
        /// The high half of the hash: most different names are told apart without touching their bytes.
        var tag: UInt32
        var value: Int32
    }

    private var bytes: [UInt8] = []
    private var entries: [Entry] = []
    /// Index into `entries` plus one; zero is a free slot. The count is a power of two.
    private var slots: [UInt32]

    public init(capacity: Int = 0) {
        slots = Array(repeating: 0, count: Self.slotCount(for: capacity))
    }

    public var count: Int { entries.count }

    /// False, and nothing changes, when the name is there already.
    public mutating func insert(_ name: UnsafeRawBufferPointer, _ value: Int32) -> Bool {
        let hash = Self.hash(name)
        guard find(name, hash) == nil else { return false }
        precondition(bytes.count + name.count < Int(UInt32.max), "a name table holds less than 4 GiB")
        entries.append(
            Entry(
                start: UInt32(bytes.count), count: UInt32(name.count),
                tag: UInt32(truncatingIfNeeded: hash >> 32), value: value))
        bytes.append(contentsOf: name)
        if entries.count * 2 > slots.count { grow() } else { place(UInt32(entries.count), hash) }
        return true
    }

    public func value(of name: UnsafeRawBufferPointer) -> Int32? {
        entries.isEmpty ? nil : find(name, Self.hash(name))
    }

    private func find(_ name: UnsafeRawBufferPointer, _ hash: UInt64) -> Int32? {
        let mask = slots.count - 1
        let tag = UInt32(truncatingIfNeeded: hash >> 32)
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = entries[Int(slots[slot]) - 1]
            if entry.tag == tag, Int(entry.count) == name.count, holds(entry, name) { return entry.value }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func holds(_ entry: Entry, _ name: UnsafeRawBufferPointer) -> Bool {
        bytes.withUnsafeBytes { all in
            let start = Int(entry.start)
            return UnsafeRawBufferPointer(rebasing: all[start..<start + Int(entry.count)]).equals(name)
        }
    }

    private mutating func place(_ index: UInt32, _ hash: UInt64) {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 { slot = (slot + 1) & mask }
        slots[slot] = index
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: Self.slotCount(for: entries.count * 2))
        for (i, entry) in entries.enumerated() {
            let start = Int(entry.start)
            let hash = bytes.withUnsafeBytes {
                Self.hash(UnsafeRawBufferPointer(rebasing: $0[start..<start + Int(entry.count)]))
            }
            place(UInt32(i + 1), hash)
        }
    }

    private static func hash(_ name: UnsafeRawBufferPointer) -> UInt64 {
        KeyedHash.of(name)
    }

    /// At least twice the names, a power of two.
    private static func slotCount(for names: Int) -> Int {
        var count = 8
        while count < names * 2 { count *= 2 }
        return count
    }
}
