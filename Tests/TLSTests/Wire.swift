import System

@testable import TLS

/// One end of a connection: a session, its outbox, and what it was told.
final class End {
    let session: TLSSession
    var outbox: Outbox
    var handshake: TLSHandshake?
    var plaintext: [UInt8] = []
    /// Lengths of the plaintext events.
    var deliveries: [Int] = []
    var isClosed = false
    var failure: TLSFailure?
    /// Ciphertext that has left so far.
    var sentBytes = 0
    /// The order of events, a letter each: h, p, c, f.
    var order = ""
    var now = Instant(nanoseconds: 1_000_000_000_000)
    /// Called for each plaintext event.
    var then: ((End) -> Void)?

    init(_ session: TLSSession, _ pool: ChunkPool) {
        self.session = session
        outbox = Outbox(pool: pool)
    }

    func receive(_ ciphertext: [UInt8]) {
        ciphertext.withUnsafeBytes { bytes in
            session.receive(bytes)
            while let event = session.next(into: &outbox) { note(event) }
        }
    }

    private func note(_ event: TLSSession.Event) {
        switch event {
        case .handshakeDone(let done):
            order += "h"
            handshake = done
        case .plaintext(let bytes):
            if order.last != "p" { order += "p" }
            plaintext += bytes
            deliveries.append(bytes.count)
            then?(self)
        case .closed:
            order += "c"
            isClosed = true
        case .failed(let why):
            order += "f"
            failure = why
        }
    }

    @discardableResult
    func send(_ bytes: [UInt8]) -> Int {
        bytes.withUnsafeBytes { session.send($0, into: &outbox, now: now) }
    }

    func send(_ text: String) { send(Array(text.utf8)) }

    /// All ciphertext that waits.
    func take() -> [UInt8] {
        let taken = outbox.takeAll()
        let all = withExtendedLifetime(taken) { Array(taken.bytes) }
        sentBytes += all.count
        return all
    }
}

/// A client and a server in one process.
final class Wire {
    let client: End
    let server: End

    init(
        _ serving: TLSContext, _ trusting: TLSContext, host: String = "example.com", ticket: TLSTicket? = nil
    ) throws {
        let (pool, scratch) = (ChunkPool(), TLSScratch())
        client = End(
            try TLSSession(connectingTo: host, trusting, ticket: ticket, scratch: scratch), pool)
        server = End(try TLSSession(serving: serving, scratch: scratch), pool)
        client.receive([])
    }

    /// Carries bytes both ways until neither side has any, in pieces of at most `pieceBytes`.
    func settle(pieceBytes: Int = .max) {
        while true {
            let up = client.take()
            for piece in Self.cut(up, pieceBytes) { server.receive(piece) }
            let down = server.take()
            for piece in Self.cut(down, pieceBytes) { client.receive(piece) }
            if up.isEmpty, down.isEmpty { return }
        }
    }

    private static func cut(_ bytes: [UInt8], _ most: Int) -> [[UInt8]] {
        guard most < bytes.count else { return [bytes] }
        return stride(from: 0, to: bytes.count, by: most).map {
            Array(bytes[$0..<min($0 + most, bytes.count)])
        }
    }

    /// Records of ciphertext by their headers: content type and length with the header.
    static func records(_ bytes: [UInt8]) -> [(type: UInt8, length: Int)] {
        var records: [(UInt8, Int)] = []
        var at = 0
        while at + 5 <= bytes.count {
            let length = 5 + Int(bytes[at + 3]) * 256 + Int(bytes[at + 4])
            records.append((bytes[at], length))
            at += length
        }
        return records
    }
}
