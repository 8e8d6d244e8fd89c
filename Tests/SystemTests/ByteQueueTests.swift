import Testing

@testable import System

@Suite("ByteQueue")
struct ByteQueueTests {
    @Test("bytes leave in the order they came, across growth and compaction")
    func fifo() {
        var queue = ByteQueue()
        var expected: [UInt8] = []
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SplitMix(state: seed)
        for step in 0..<2000 {
            if generator.next() % 3 < 2 {
                let fill = UInt8(truncatingIfNeeded: step)
                let piece = (0..<Int(generator.next() % 700)).map { fill &+ UInt8(truncatingIfNeeded: $0) }
                queue.append(piece)
                expected += piece
            } else {
                let n = Int(generator.next() % UInt64(expected.count + 1))
                queue.consume(n)
                expected.removeFirst(n)
            }
            let count = queue.count
            #expect(count == expected.count, "seed \(seed), step \(step)")
            if step % 50 == 0 {
                let isEqual = queue.bytes.elementsEqual(expected)
                #expect(isEqual, "seed \(seed), step \(step)")
            }
        }
        let isEqual = queue.bytes.elementsEqual(expected)
        #expect(isEqual, "seed \(seed)")
    }

    @Test(
        "numbers are written as text",
        arguments: [
            (0, "0", "0"), (7, "7", "7"), (-1, "-1", "ffffffffffffffff"), (255, "255", "ff"),
            (4096, "4096", "1000"), (.max, "9223372036854775807", "7fffffffffffffff"),
            (.min, "-9223372036854775808", "8000000000000000"),
        ])
    func numbers(value: Int, decimal: String, hex: String) {
        var queue = ByteQueue()
        queue.append(decimal: value)
        queue.append(byte: 0x20)
        queue.append(hex: value)
        let text = String(decoding: queue.bytes, as: UTF8.self)
        #expect(text == "\(decimal) \(hex)")
    }

    @Test("text of every kind is appended as UTF-8")
    func text() {
        var queue = ByteQueue()
        queue.append("literal ")
        let word = "wörd"
        queue.append(word)
        queue.append([0x21])
        let text = String(decoding: queue.bytes, as: UTF8.self)
        #expect(text == "literal wörd!")
    }

    @Test("an emptied queue keeps a small piece of memory and gives a large one back")
    func release() {
        var queue = ByteQueue()
        queue.append([UInt8](repeating: 1, count: 100))
        queue.consume(100)
        let smallKept = queue.capacity
        queue.append([UInt8](repeating: 1, count: SystemLimits.idleQueueBytes + 1))
        queue.consume(SystemLimits.idleQueueBytes + 1)
        let largeKept = queue.capacity
        #expect(smallKept == SystemLimits.queueBytesMin)
        #expect(largeKept == 0)
    }

    @Test("a long-lived queue does not grow while its contents stay small")
    func compaction() {
        var queue = ByteQueue()
        queue.append([UInt8](repeating: 0, count: 10))
        for _ in 0..<10_000 {
            queue.append([UInt8](repeating: 0, count: 100))
            queue.consume(100)
        }
        let capacity = queue.capacity
        #expect(capacity <= 1024)
    }

    @Test("what is taken outlives the queue, without what was consumed")
    func take() {
        var queue = ByteQueue()
        queue.append("head body")
        queue.consume(5)
        let taken = queue.take()
        let isEmpty = queue.isEmpty
        queue.append("next")
        #expect(isEmpty)
        #expect(taken.bytes.elementsEqual("body".utf8))
        let text = String(decoding: queue.bytes, as: UTF8.self)
        #expect(text == "next")
    }

    @Test("an empty queue gives empty bytes")
    func empty() {
        var queue = ByteQueue()
        queue.append([])
        queue.consume(0)
        let taken = queue.take()
        let isEmpty = queue.bytes.isEmpty
        #expect(isEmpty)
        #expect(taken.isEmpty)
    }

    @Test("reserved room counts only once it is committed")
    func reserve() {
        var queue = ByteQueue()
        let room = queue.reserve(1000)
        room.storeBytes(of: 0x61, as: UInt8.self)
        let before = queue.count
        queue.commit(1)
        #expect(before == 0)
        let first = Array(queue.bytes)
        #expect(first == [0x61])
    }
}

/// A small generator whose run is repeated from its seed.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
