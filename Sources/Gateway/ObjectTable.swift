/// A key whose bits nobody can choose: drawn or sealed by the gateway itself, so that no table needs a secret.
protocol RandomKey: Equatable {
    /// Some of its random bits.
    var random: UInt64 { get }
}

/// Objects by random key: open addressing with linear probing at a load of at most one half. A look-up on the
/// path of a call hashes nothing and, by `unretained`, counts no reference.
struct ObjectTable<Key: RandomKey, Value: AnyObject>: ~Copyable {
    private struct Slot {
        var key: Key
        /// With a reference of the table's own.
        var value: Unmanaged<Value>
    }

    private var slots: UnsafeMutablePointer<Slot?>
    private var mask: Int
    private(set) var count = 0

    init() {
        mask = 7
        slots = Self.empty(8)
    }

    deinit {
        for i in 0...mask { slots[i]?.value.release() }
        slots.deallocate()
    }

    /// Valid while the table holds the key.
    func unretained(_ key: Key) -> Unmanaged<Value>? {
        var at = place(key)
        while let slot = slots[at] {
            if slot.key == key { return slot.value }
            at = (at &+ 1) & mask
        }
        return nil
    }

    subscript(_ key: Key) -> Value? {
        get { unretained(key)?.takeUnretainedValue() }
        set {
            if let newValue { insert(key, newValue) } else { remove(key) }
        }
    }

    var values: [Value] { (0...mask).compactMap { slots[$0]?.value.takeUnretainedValue() } }

    private mutating func insert(_ key: Key, _ value: Value) {
        if (count + 1) * 2 > mask + 1 { grow() }
        let at = find(key)
        let former = slots[at]?.value
        if former == nil { count += 1 }
        slots[at] = Slot(key: key, value: .passRetained(value))
        former?.release()
    }

    private mutating func remove(_ key: Key) {
        var hole = find(key)
        guard let former = slots[hole]?.value else { return }
        count -= 1
        // Whoever was pushed past the hole moves into it, so that no search ends too early.
        var at = (hole + 1) & mask
        while let slot = slots[at] {
            if (at &- place(slot.key)) & mask >= (at &- hole) & mask {
                slots[hole] = slot
                hole = at
            }
            at = (at + 1) & mask
        }
        slots[hole] = nil
        former.release()
    }

    /// The slot of `key`, or the free one where it belongs.
    private func find(_ key: Key) -> Int {
        var at = place(key)
        while let slot = slots[at], slot.key != key { at = (at + 1) & mask }
        return at
    }

    private mutating func grow() {
        let (old, last) = (slots, mask)
        mask = (mask + 1) * 2 - 1
        slots = Self.empty(mask + 1)
        for i in 0...last {
            if let slot = old[i] { slots[find(slot.key)] = slot }
        }
        old.deallocate()
    }

    /// Multiplied, so that characters whose bits are not all random spread as well.
    private func place(_ key: Key) -> Int {
        Int(truncatingIfNeeded: (key.random &* 0x9E37_79B9_7F4A_7C15) >> 32) & mask
    }

    private static func empty(_ count: Int) -> UnsafeMutablePointer<Slot?> {
        let slots = UnsafeMutablePointer<Slot?>.allocate(capacity: count)
        slots.initialize(repeating: nil, count: count)
        return slots
    }
}
