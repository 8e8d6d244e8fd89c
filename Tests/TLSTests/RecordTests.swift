import CEpollShim
import CTestCertificates
import Glibc
import System
import Testing

@testable import TLS

@Suite("Records")
struct RecordTests {
    let authority: Authority
    let server: TLSContext

    init() throws {
        authority = try Authority()
        server = try TLSContext(
            serving: [authority.identity("leaf", for: "DNS:example.com")], tickets: TicketKeys())
    }

    private func wire(_ versions: TLSContext.Versions = .both) throws -> Wire {
        let client = try TLSContext(trusting: .file(authority.rootFile), versions: versions)
        let wire = try Wire(server, client)
        wire.settle()
        #expect(wire.server.handshake != nil)
        return wire
    }

    // MARK: Data

    @Test("8 MiB pass both ways at once, byte for byte", arguments: [TLSContext.Versions.only12, .only13])
    func bigData(_ versions: TLSContext.Versions) throws {
        let wire = try wire(versions)
        let (up, down) = (Random.bytes(8 << 20), Random.bytes(8 << 20))
        for at in stride(from: 0, to: up.count, by: 1 << 20) {
            wire.client.send(Array(up[at..<(at + 1 << 20)]))
            wire.server.send(Array(down[at..<(at + 1 << 20)]))
            wire.settle(pieceBytes: 65_536)
        }
        // Compared outside the macro, which would look for the difference of megabytes.
        let isSame = wire.server.plaintext == up && wire.client.plaintext == down
        #expect(isSame)
        #expect((wire.server.deliveries.max() ?? 0) <= TLSLimits.scratchBytes)
    }

    @Test("an outbox of chunks and references is encrypted in order")
    func mixedPieces() throws {
        let wire = try wire()
        var plain = Outbox(pool: ChunkPool())
        var expected: [UInt8] = []
        for round in 0..<200 {
            let piece = Random.bytes(round * 97 % 9000)
            if round % 3 == 0 { plain.append(owned: OwnedBytes(piece)) } else { plain.append(piece) }
            expected += piece
        }
        wire.server.session.send(draining: &plain, into: &wire.server.outbox, now: wire.server.now)
        let left = plain.count
        wire.settle()
        #expect(left == 0)
        let isSame = wire.client.plaintext == expected
        #expect(isSame)
    }

    @Test("many small writes of a turn share one record")
    func coalesced() throws {
        let wire = try wire()
        var plain = Outbox(pool: ChunkPool())
        for i in 0..<100 { plain.append("line \(i)\n") }
        wire.server.session.send(draining: &plain, into: &wire.server.outbox, now: wire.server.now)
        let records = Wire.records(wire.server.take())
        #expect(records.count == 1)
        #expect(records.first?.type == 23)
    }

    @Test("a small head and the large body behind it share the first record")
    func headAndBody() throws {
        let wire = try wire()
        var plain = Outbox(pool: ChunkPool())
        plain.append("HTTP/1.1 200 OK\r\n\r\n")
        plain.append(owned: OwnedBytes([UInt8](repeating: 7, count: 5000)))
        wire.server.session.send(draining: &plain, into: &wire.server.outbox, now: wire.server.now)
        let cipher = wire.server.take()
        let first = try #require(Wire.records(cipher).first)
        #expect(first.length > TLSLimits.segmentBytes)
        wire.client.receive(cipher)
        #expect(wire.client.plaintext.count == 19 + 5000)
    }

    @Test("records of one read are delivered together")
    func deliveredTogether() throws {
        let wire = try wire()
        for _ in 0..<20 { wire.client.send("frame") }
        let cipher = wire.client.take()
        #expect(Wire.records(cipher).count == 20)
        wire.server.receive(cipher)
        #expect(wire.server.deliveries == [100])
    }

    @Test("a handler may answer, and close, from within an event")
    func answerInside() throws {
        let wire = try wire()
        wire.server.then = { end in
            end.send("answer")
            end.session.close(into: &end.outbox)
        }
        wire.client.send("question")
        wire.settle()
        #expect(wire.client.plaintext == Array("answer".utf8))
        #expect(wire.client.isClosed)
        #expect(wire.client.order == "hpc")
    }

    // MARK: Record sizes

    @Test("records grow from one segment to the largest, and are small again after a silence")
    func growth() {
        var size = RecordSize()
        var now = Instant(nanoseconds: 1_000_000_000_000)
        let sizes = (0..<15).map { _ in size.next(now) }
        #expect(sizes.prefix(3) == [1350, 2700, 4050])
        #expect(sizes.suffix(3) == [16_384, 16_384, 16_384])
        now = now.advanced(milliseconds: TLSLimits.restartMilliseconds - 1)
        #expect(size.next(now) == 16_384)
        now = now.advanced(milliseconds: TLSLimits.restartMilliseconds)
        #expect(size.next(now) == 1350)
    }

    @Test("the first record of an answer fits one segment", arguments: [TLSContext.Versions.only12, .only13])
    func firstSegment(_ versions: TLSContext.Versions) throws {
        let wire = try wire(versions)
        wire.server.send([UInt8](repeating: 1, count: 300_000))
        let records = Wire.records(wire.server.take())
        #expect((records.first?.length ?? 0) <= 1350 + 29)
        #expect(records.map(\.length).max() == 16_384 + (versions == .only12 ? 29 : 22))
    }

    // MARK: Ends

    @Test("a close_notify ends one direction; the other goes on")
    func halfClose() throws {
        let wire = try wire()
        wire.client.send("last")
        wire.client.session.close(into: &wire.client.outbox)
        wire.client.session.close(into: &wire.client.outbox)
        wire.settle()
        #expect(wire.server.order == "hpc")
        #expect(wire.server.session.hasPeerClosed)
        #expect(wire.client.send([1]) == 0)
        wire.server.send("still")
        wire.settle()
        #expect(wire.client.plaintext == Array("still".utf8))
        #expect(!wire.client.session.hasPeerClosed)
    }

    @Test("what follows a close_notify is ignored")
    func afterClose() throws {
        let wire = try wire()
        wire.client.session.close(into: &wire.client.outbox)
        wire.server.receive(wire.client.take() + [UInt8](repeating: 0xFF, count: 500))
        wire.server.receive([1, 2, 3])
        #expect(wire.server.order == "hc")
        #expect(wire.server.failure == nil)
    }

    // MARK: Hostile bytes

    @Test(
        "garbage instead of a hello fails once, and an alert tells",
        arguments: [
            Array("GET / HTTP/1.1\r\n\r\n".utf8), [UInt8](repeating: 0, count: 64),
            [0x16, 3, 1, 0xFF, 0xFF] + [UInt8](repeating: 1, count: 70_000),
            [0x16, 3, 1, 0, 4, 1, 0xFF, 0xFF, 0xFF], [0x17, 3, 3, 0, 1, 0], [0x15, 3, 1, 0, 2, 2, 40],
        ])
    func garbage(_ bytes: [UInt8]) throws {
        let end = End(try TLSSession(serving: server, scratch: TLSScratch()), ChunkPool())
        end.receive(bytes)
        end.receive(bytes)
        #expect(end.order == "f" || end.order == "")
        if end.order == "" {
            // A promise of a larger hello than is taken: nothing is answered, and the limit ends it.
            #expect(bytes.starts(with: [0x16, 3, 1, 0, 4]))
            end.receive([UInt8](repeating: 0x16, count: TLSLimits.serverHandshakeBytesMax))
            #expect(end.order == "f")
        }
        #expect(end.send([1]) == 0)
    }

    @Test("random bytes never do more than fail")
    func randomBytes() throws {
        let scratch = TLSScratch()
        for _ in 0..<300 {
            let end = End(try TLSSession(serving: server, scratch: scratch), ChunkPool())
            end.receive([0x16, 3, 1] + Random.bytes(Int(Random.bytes(1)[0]) * 4))
            #expect(end.handshake == nil)
            #expect(end.plaintext.isEmpty)
        }
    }

    @Test("a flipped bit anywhere in a record is a failure, and no byte of the record is delivered")
    func flippedBit() throws {
        let seed = Random.bytes(1)[0]
        for at in stride(from: 5, to: 60, by: 7) {
            let wire = try wire()
            wire.client.send("thirty-eight bytes that must not change")
            var cipher = wire.client.take()
            cipher[at % cipher.count] ^= 1 << (seed % 8)
            wire.server.receive(cipher)
            #expect(wire.server.failure?.kind == .protocol, "byte \(at), bit \(seed % 8)")
            #expect(wire.server.plaintext.isEmpty)
            #expect(!wire.server.take().isEmpty, "no alert")
        }
    }

    @Test("bytes before a broken record are delivered before the failure")
    func goodThenBad() throws {
        let wire = try wire()
        wire.client.send("good")
        let good = wire.client.take()
        wire.client.send("bad")
        var bad = wire.client.take()
        bad[bad.count - 1] ^= 1
        wire.server.receive(good + bad)
        #expect(wire.server.order == "hpf")
        #expect(wire.server.plaintext == Array("good".utf8))
    }

    @Test("a truncated record waits for its rest")
    func truncated() throws {
        let wire = try wire()
        wire.client.send("whole")
        let cipher = wire.client.take()
        wire.server.receive(Array(cipher.dropLast()))
        #expect(wire.server.order == "h")
        #expect(!wire.server.session.hasPeerClosed)
        wire.server.receive(Array(cipher.suffix(1)))
        #expect(wire.server.plaintext == Array("whole".utf8))
    }

    @Test("a replayed record is a failure")
    func replay() throws {
        let wire = try wire()
        wire.client.send("once")
        let cipher = wire.client.take()
        wire.server.receive(cipher)
        wire.server.receive(cipher)
        #expect(wire.server.order == "hpf")
    }

    @Test("a handshake that does not end is cut at its limit")
    func endlessHandshake() throws {
        let end = End(try TLSSession(serving: server, scratch: TLSScratch()), ChunkPool())
        // One hello of 100,000 bytes in records of 1000.
        var message: [UInt8] = [1, 1, 0x86, 0xA0]
        for _ in 0..<100 where end.failure == nil {
            message += [UInt8](repeating: 0, count: 1000 - message.count)
            end.receive([0x16, 3, 1, 0x03, 0xE8] + message)
            message = []
        }
        #expect(end.failure == TLSFailure(.limit, "the handshake is too long"))
    }

    // MARK: Keys

    @Test("keys change in the middle, and bytes go on both ways")
    func keyUpdate() throws {
        let wire = try wire(.only13)
        wire.client.send("before ")
        #expect(ce_tls_update_keys(wire.client.session.raw, 1) == 0)
        wire.client.send("after")
        wire.settle()
        wire.server.send("answer")
        wire.settle()
        #expect(wire.server.plaintext == Array("before after".utf8))
        #expect(wire.client.plaintext == Array("answer".utf8))
    }

    @Test("keys change by themselves after as many records as they bear")
    func ownKeyUpdate() throws {
        let wire = try wire(.only13)
        wire.server.session.records = TLSLimits.recordsPerKey
        wire.server.send("x")
        let records = Wire.records(wire.server.take())
        #expect(records.count == 2)
        #expect(wire.server.session.records == 1)
    }

    @Test("a flood of key updates ends the session")
    func keyUpdateFlood() throws {
        let wire = try wire(.only13)
        for _ in 0..<Int(TLSLimits.lateMessagesMax) where wire.server.failure == nil {
            _ = ce_tls_update_keys(wire.client.session.raw, 0)
            wire.client.send("x")
            wire.server.receive(wire.client.take())
        }
        #expect(wire.server.failure == TLSFailure(.limit, "too many handshake messages"))
        #expect(wire.server.plaintext.count > 16)
    }

    @Test("TLS 1.2 goes on without key updates")
    func noKeyUpdate() throws {
        let wire = try wire(.only12)
        #expect(ce_tls_update_keys(wire.client.session.raw, 0) == -EOPNOTSUPP)
        wire.client.session.records = TLSLimits.recordsPerKey
        wire.client.send("x")
        wire.settle()
        #expect(wire.server.plaintext == [0x78])
    }

    // MARK: Memory

    @Test("an idle session holds at most 16 KiB", arguments: ["1.2", "1.3"])
    func memory(_ version: String) async {
        // In a process of its own: the heap is that of a whole process.
        if version == "1.2" {
            await #expect(processExitsWith: .success) { try Self.measureIdle(.only12) }
        } else {
            await #expect(processExitsWith: .success) { try Self.measureIdle(.only13) }
        }
    }

    private static func measureIdle(_ versions: TLSContext.Versions) throws {
        let authority = try Authority()
        let identity = try authority.identity("leaf", for: "DNS:example.com")
        let server = try TLSContext(serving: [identity], tickets: TicketKeys())
        let client = try TLSContext(trusting: .file(authority.rootFile), versions: versions)
        let (pool, scratch) = (ChunkPool(), TLSScratch())
        var sessions: [TLSSession] = []
        var bytes = 0
        let count = 200
        for i in 0..<(count + 20) {
            let peer = End(try TLSSession(connectingTo: "example.com", client, scratch: scratch), pool)
            let session = try TLSSession(serving: server, scratch: scratch)
            let end = End(session, pool)
            peer.receive([])
            for _ in 0..<4 {
                end.receive(peer.take())
                peer.receive(end.take())
            }
            peer.send([UInt8](repeating: 1, count: 20_000))
            end.receive(peer.take())
            end.send([UInt8](repeating: 2, count: 20_000))
            peer.receive(end.take())
            precondition(end.plaintext.count == 20_000 && peer.plaintext.count == 20_000)
            sessions.append(session)
            // The first ones fill caches.
            if i == 19 { bytes = ctc_heap_bytes() }
        }
        // A sanitizer's malloc keeps no account.
        guard bytes > 0 else { return }
        let each = (ctc_heap_bytes() - bytes) / count
        precondition(each > 1000 && each <= 16 * 1024, "an idle session holds \(each) bytes")
    }
}
