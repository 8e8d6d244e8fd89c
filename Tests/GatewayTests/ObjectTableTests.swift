import Testing

@testable import Gateway

private struct Key: RandomKey {
    var random: UInt64
}

private final class Thing {
    let number: Int
    init(_ number: Int) { self.number = number }
}

@Suite struct ObjectTableTests {
    @Test(
        "any mix of insertions, replacements and removals agrees with a dictionary",
        arguments: [1, 2, 3] as [UInt64])
    func agrees(_ seed: UInt64) {
        var state = seed
        func draw(_ below: UInt64) -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state >> 33) % below
        }
        var table = ObjectTable<Key, Thing>()
        var expected: [UInt64: Int] = [:]
        for step in 0..<20_000 {
            // Few keys, many of them on the same places.
            let key = draw(200) << 60 | draw(4)
            if draw(2) == 0 {
                table[Key(random: key)] = Thing(step)
                expected[key] = step
            } else {
                table[Key(random: key)] = nil
                expected[key] = nil
            }
            #expect(table[Key(random: key)]?.number == expected[key], "seed \(seed) step \(step)")
            #expect(table.count == expected.count, "seed \(seed) step \(step)")
        }
        for (key, number) in expected { #expect(table[Key(random: key)]?.number == number) }
        #expect(table.values.map(\.number).sorted() == expected.values.sorted())
    }

    @Test("an object is let go of when it is removed, replaced, or its table ends")
    func releases() {
        weak var removed: Thing?
        weak var replaced: Thing?
        weak var kept: Thing?
        do {
            var table = ObjectTable<Key, Thing>()
            do {
                let things = (Thing(1), Thing(2), Thing(3))
                (removed, replaced, kept) = things
                table[Key(random: 1)] = things.0
                table[Key(random: 2)] = things.1
                table[Key(random: 3)] = things.2
            }
            #expect(removed != nil && replaced != nil && kept != nil)
            table[Key(random: 1)] = nil
            table[Key(random: 2)] = Thing(4)
            #expect(removed == nil && replaced == nil && kept != nil)
            #expect(table[Key(random: 2)]?.number == 4)
        }
        #expect(kept == nil)
    }
}
