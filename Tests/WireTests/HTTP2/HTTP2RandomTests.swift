import System
import Testing
import Wire

/// Bytes that no client would send: whatever comes, nothing traps, and what is held stays bounded.
@Suite struct HTTP2RandomTests {
    private static let seeds: [[UInt8]] = [
        [
            WireFrame.headers(1, Block.get), .headers(3, Block.post, end: false),
            .data(3, [1, 2, 3], end: true),
        ],
        [.settings([(1, 0), (3, 1), (4, 10), (5, 16384), (6, 100), (8, 1), (9, 1)]), .ping(), .goaway()],
        [.headers(1, Block.get, whole: false), .continuation(1, Block.field("a", "b")), .windowUpdate(1, 5)],
        [.headers(5, Block.request("GET", [("content-length", "3")]), end: false), .data(5, [1]), .reset(5)],
        [.priority(1, on: 3), .headers(7, [0x82, 0x86, 0x84, 0x41, 1, 0x61]), .windowUpdate(0, 1 << 20)],
        [
            .headers(
                9, [0x20, 0x3F, 0xE1, 0x1F, 0x82, 0x86, 0x84, 0x41, 0x81, 0x1F, 0x40, 1, 0x62, 1, 0x63, 0xBE])
        ],
    ].map { $0.flatMap(\.bytes) }

    private static let spice: [[UInt8]] = [
        WireFrame.reset(1).bytes, WireFrame.data(1, [0], end: true).bytes,
        WireFrame.headers(1, Block.get).bytes,
        WireFrame.headers(3, Block.get).bytes, WireFrame.settings([(4, 0)]).bytes,
        WireFrame.windowUpdate(3, 1).bytes,
        [0xFF, 0xFF, 0xFF], [0, 0, 0, 0, 1, 0, 0, 0, 1],
        WireFrame(type: 0, flags: 0x9, stream: 1, payload: [200]).bytes,
    ]

    @Test("mutated frames never trap, and what is answered is whole frames", arguments: 1...8)
    func mutations(seed: Int) {
        var random = Random64(state: UInt64(seed))
        for _ in 0..<400 {
            let peer = HTTP2Peer.ready(bodyBytesMax: 100)
            peer.answers = Bool.random(using: &random)
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                let bytes = mutated(
                    Self.seeds.randomElement(using: &random) ?? [], &random, spice: Self.spice)
                var at = 0
                while at < bytes.count {
                    let step = Int.random(in: 1...max(1, bytes.count), using: &random)
                    peer.send(bytes: Array(bytes[at..<min(at + step, bytes.count)]))
                    at += step
                }
                act(peer, &random)
            }
            #expect(peer.session.openStreams <= HTTP2Limits.streamsMax, "seed \(seed)")
            peer.session.abandon()
            peer.turn()
        }
    }

    /// What a connection may do at any time, to streams that may or may not be there.
    private func act(_ peer: HTTP2Peer, _ random: inout Random64) {
        let id = UInt32.random(in: 0...10, using: &random)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: peer.begin(id, framing: .chunked)
        case 1: peer.begin(id, framing: .length(3), lines: "A: b\r\n")
        case 2: peer.write(id, "abc")
        case 3: peer.session.end(id, trailers: Bool.random(using: &random) ? Array("A: b\r\n".utf8) : [])
        case 4: peer.session.reset(id, .cancel)
        case 5: peer.advance(seconds: Int.random(in: 0...40, using: &random))
        case 6: peer.session.drain()
        case 7: peer.session.release(id)
        default: _ = peer.session.take(id)
        }
        peer.turn()
    }

    @Test("random bytes after the preface never trap", arguments: 1...4)
    func noise(seed: Int) {
        var random = Random64(state: UInt64(seed) &* 977)
        for _ in 0..<300 {
            let peer = seed % 2 == 0 ? HTTP2Peer() : HTTP2Peer.ready()
            if seed % 2 == 0 { peer.send(bytes: HTTP2Peer.preface) }
            for _ in 0..<4 {
                let count = Int.random(in: 0...200, using: &random)
                // Lengths are kept small, so that more than one frame is looked at.
                peer.send(
                    bytes: (0..<count).map { $0 % 12 < 2 ? 0 : UInt8.random(in: 0...255, using: &random) })
            }
        }
    }
}
