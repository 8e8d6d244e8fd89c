import Glibc
import Testing

@testable import System

/// What the next write would carry.
private func front(_ outbox: borrowing Outbox) -> (bytes: [UInt8], pieces: Int) {
    var bytes: [UInt8] = []
    let pieces = outbox.withIOVecs { pieces, count in
        for i in 0..<Int(count) {
            bytes += UnsafeRawBufferPointer(start: pieces[i].iov_base, count: pieces[i].iov_len)
        }
        return Int64(count)
    }
    return (bytes, Int(pieces))
}

@Suite("Outbox")
struct OutboxTests {
    @Test("small pieces are coalesced into one")
    func coalesce() {
        var outbox = Outbox(pool: ChunkPool())
        for _ in 0..<100 {
            outbox.append("ab")
            outbox.append(byte: 0x63)
            outbox.append(decimal: 12)
        }
        let (bytes, pieces) = front(outbox)
        let count = outbox.count
        #expect(count == 500)
        #expect(pieces == 1)
        #expect(String(decoding: bytes, as: UTF8.self) == String(repeating: "abc12", count: 100))
    }

    @Test("pieces keep their order and address through partial sends")
    func partialSends() {
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SplitMix(state: seed)
        var outbox = Outbox(pool: ChunkPool())
        var expected: [UInt8] = []
        for step in 0..<3000 {
            switch generator.next() % 4 {
            case 0:
                let piece = (0..<Int(generator.next() % 20_000)).map { _ in UInt8(truncatingIfNeeded: step) }
                outbox.append(piece)
                expected += piece
            case 1:
                let length = Int(generator.next() % 20_000)
                let owned = OwnedBytes((0..<length).map { UInt8(truncatingIfNeeded: $0) })
                let from = Int(generator.next() % UInt64(owned.count + 1))
                outbox.append(owned: owned, from: from)
                expected += owned.bytes[from...]
            default:
                let (bytes, _) = front(outbox)
                #expect(expected.starts(with: bytes), "seed \(seed), step \(step)")
                let n = Int(generator.next() % UInt64(bytes.count + 1))
                outbox.sent(n)
                expected.removeFirst(n)
            }
            let count = outbox.count
            #expect(count == expected.count, "seed \(seed), step \(step)")
        }
        let all = outbox.takeAll()
        let isEmpty = outbox.isEmpty
        #expect(all.bytes.elementsEqual(expected), "seed \(seed)")
        #expect(isEmpty)
    }

    @Test("large pieces leave by reference, small ones are copied")
    func references() {
        let large = OwnedBytes([UInt8](repeating: 1, count: SystemLimits.referenceBytesMin))
        let small = OwnedBytes([UInt8](repeating: 2, count: SystemLimits.referenceBytesMin - 1))
        var outbox = Outbox(pool: ChunkPool())
        outbox.append(owned: large)
        outbox.append(owned: small)
        var addresses: [UnsafeMutableRawPointer?] = []
        _ = outbox.withIOVecs { pieces, count in
            addresses = (0..<Int(count)).map { pieces[$0].iov_base }
            return 0
        }
        #expect(addresses.count == 2)
        #expect(addresses.first == large.bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) })
        #expect(addresses.last != small.bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) })
    }

    @Test("a large part of what is lent leaves by reference, anything else is copied")
    func lending() {
        let pool = ChunkPool()
        var outbox = Outbox(pool: pool)
        let owner = OwnedBytes([UInt8](repeating: 0x61, count: 20_000))
        let other = [UInt8](repeating: 0x62, count: 20_000)
        var sizes: [Int] = []
        pool.lending(owner) { lent in
            outbox.append(UnsafeRawBufferPointer(rebasing: lent[10...19_000]))
            outbox.append(UnsafeRawBufferPointer(rebasing: lent[..<8000]))
            outbox.append(other)
        }
        // Nothing is lent any more.
        outbox.append(owner.bytes)
        _ = outbox.withIOVecs { pieces, count in
            for i in 0..<Int(count) { sizes.append(pieces[i].iov_len) }
            #expect(pieces[0].iov_base == UnsafeMutableRawPointer(mutating: owner.bytes.baseAddress)! + 10)
            return 0
        }
        let (bytes, _) = front(outbox)
        #expect(sizes[0] == 18_991)
        #expect(sizes.dropFirst().allSatisfy { $0 <= SystemLimits.chunkBytes })
        #expect(
            bytes == [UInt8](repeating: 0x61, count: 26_991) + other + [UInt8](repeating: 0x61, count: 20_000)
        )
    }

    @Test("a reference is let go of once its bytes have left")
    func referenceLifetime() {
        var outbox = Outbox(pool: ChunkPool())
        weak var watched: OwnedBytes?
        do {
            let owned = OwnedBytes([UInt8](repeating: 1, count: 5000))
            watched = owned
            outbox.append(owned: owned, from: 100)
        }
        outbox.sent(4899)
        #expect(watched != nil)
        outbox.sent(1)
        #expect(watched == nil)
    }

    @Test("one reference in whole is taken without a copy")
    func takeReference() {
        let owned = OwnedBytes([UInt8](repeating: 1, count: 5000))
        var outbox = Outbox(pool: ChunkPool())
        outbox.append(owned: owned)
        let whole = outbox.takeAll()
        outbox.append(owned: owned)
        outbox.sent(1)
        let rest = outbox.takeAll()
        #expect(whole === owned)
        #expect(rest.count == 4999)
    }

    @Test("at most 64 pieces are offered to one write")
    func pieceLimit() {
        let owned = OwnedBytes([UInt8](repeating: 1, count: 4096))
        var outbox = Outbox(pool: ChunkPool())
        for _ in 0..<100 { outbox.append(owned: owned) }
        let (bytes, pieces) = front(outbox)
        #expect(pieces == SystemLimits.piecesPerWrite)
        #expect(bytes.count == 64 * 4096)
        let count = outbox.count
        #expect(count == 100 * 4096)
    }

    @Test("a pool keeps as many free chunks as it was told, and uses them again")
    func pool() {
        let pool = ChunkPool(keeping: 2)
        var outbox = Outbox(pool: pool)
        outbox.append([UInt8](repeating: 0, count: 5 * SystemLimits.chunkBytes))
        outbox.removeAll()
        #expect(pool.freeCount == 2)
        outbox.append(byte: 1)
        let count = outbox.count
        #expect(pool.freeCount == 1)
        #expect(count == 1)
    }

    @Test("an outbox that ends gives its chunks back")
    func end() {
        let pool = ChunkPool()
        do {
            var outbox = Outbox(pool: pool)
            outbox.append("left over")
        }
        #expect(pool.freeCount == 1)
    }

    @Test("bytes move to another outbox in order, what is held by reference without a copy")
    func move() {
        let pool = ChunkPool()
        var from = Outbox(pool: pool)
        var to = Outbox(pool: pool)
        let owned = OwnedBytes([UInt8](repeating: 0x62, count: 10_000))
        to.append("to:")
        from.append("abc")
        from.append(owned: owned)
        from.append("def")
        from.move(2, to: &to)
        from.move(0, to: &to)
        from.move(5001, to: &to)
        let (middle, pieces) = front(to)
        #expect(middle == Array("to:abc".utf8) + [UInt8](repeating: 0x62, count: 5000))
        #expect(pieces == 2)
        let left = from.count
        #expect(left == 5003)
        from.move(5003, to: &to)
        let isEmpty = from.isEmpty
        #expect(isEmpty)
        let whole = to.takeAll()
        #expect(whole.count == 3 + 3 + 10_000 + 3)
        #expect(Array(whole.bytes.suffix(4)) == Array("bdef".utf8))
    }
}
