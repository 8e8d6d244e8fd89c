import CEpollShim
import Synchronization
import System
import Testing

@testable import TLS

@Suite("Session tickets")
struct TicketTests {
    /// A clock that is stepped.
    final class Clock: Sendable {
        private let time = Mutex(Instant(nanoseconds: 1_000_000_000_000))
        func now() -> Instant { time.withLock { $0 } }
        func step(seconds: Int) { time.withLock { $0 = $0.advanced(milliseconds: seconds * 1000) } }
    }

    let authority: Authority
    let identity: Identity
    let clock = Clock()
    let keys: TicketKeys

    init() throws {
        authority = try Authority()
        identity = try authority.identity("leaf", for: "DNS:example.com,DNS:example.org")
        keys = TicketKeys(periodSeconds: 1000, now: { [clock] in clock.now() })
    }

    private func server(_ keys: TicketKeys?) throws -> TLSContext {
        try TLSContext(serving: [identity], tickets: keys)
    }

    private func client(_ versions: TLSContext.Versions) throws -> TLSContext {
        try TLSContext(trusting: .file(authority.rootFile), versions: versions)
    }

    /// A connection with one exchange; returns the ticket it got.
    @discardableResult
    private func connect(
        _ server: TLSContext, _ client: TLSContext, _ ticket: TLSTicket?, host: String = "example.com"
    ) throws -> (isResumed: Bool?, ticket: TLSTicket?) {
        let wire = try Wire(server, client, host: host, ticket: ticket)
        wire.settle()
        wire.client.send("ping")
        wire.settle()
        #expect(wire.server.plaintext == Array("ping".utf8))
        #expect(wire.client.handshake?.isResumed == wire.server.handshake?.isResumed)
        return (wire.client.handshake?.isResumed, wire.client.session.takeTicket())
    }

    @Test("a ticket resumes the session on any context with the same keys", arguments: ["1.2", "1.3"])
    func resumption(_ version: String) throws {
        let client = try client(version == "1.2" ? .only12 : .only13)
        let (first, ticket) = try connect(server(keys), client, nil)
        #expect(first == false)
        #expect(ticket != nil)
        // As after a reload, or on another loop.
        let (second, next) = try connect(server(keys), client, ticket)
        #expect(second == true)
        if version == "1.3" { #expect(next != nil) }
        let (foreign, _) = try connect(server(TicketKeys()), client, ticket)
        #expect(foreign == false)
    }

    @Test("a ticket outlives one rotation of the keys, and not two", arguments: ["1.2", "1.3"])
    func rotation(_ version: String) throws {
        let client = try client(version == "1.2" ? .only12 : .only13)
        let server = try server(keys)
        let (_, ticket) = try connect(server, client, nil)
        keys.rotate()
        let (once, renewed) = try connect(server, client, ticket)
        #expect(once == true)
        // Opened by the previous key: the client gets one of the current key, on 1.2 too.
        #expect(renewed != nil)
        keys.rotate()
        let (twice, _) = try connect(server, client, ticket)
        #expect(twice == false)
        let (fresh, _) = try connect(server, client, renewed)
        #expect(fresh == true)
    }

    @Test("keys rotate by the clock when they are used")
    func clockwork() {
        var (name, secret) = ([UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 64))
        keys.seal(&name, &secret)
        var opened = [UInt8](repeating: 0, count: 64)
        #expect(keys.open(name, &opened) == .current)
        #expect(opened == secret)
        clock.step(seconds: 999)
        #expect(keys.open(name, &opened) == .current)
        clock.step(seconds: 1)
        #expect(keys.open(name, &opened) == .previous)
        #expect(opened == secret)
        clock.step(seconds: 999)
        #expect(keys.open(name, &opened) == .previous)
        clock.step(seconds: 1)
        #expect(keys.open(name, &opened) == .unknown)
    }

    @Test("a key that nobody used for two periods opens nothing")
    func idleKeys() {
        var (name, secret) = ([UInt8](repeating: 0, count: 16), [UInt8](repeating: 0, count: 64))
        keys.seal(&name, &secret)
        clock.step(seconds: 2000)
        #expect(keys.open(name, &secret) == .unknown)
        #expect(keys.open([UInt8](repeating: 0, count: 16), &secret) == .unknown)
    }

    @Test("a ticket is not offered to another host or under another trust")
    func binding() throws {
        let server = try server(keys)
        let one = try client(.only13)
        let (_, ticket) = try connect(server, one, nil)
        let (otherHost, _) = try connect(server, one, ticket, host: "example.org")
        #expect(otherHost == false)
        let (otherTrust, _) = try connect(server, client(.only13), ticket)
        #expect(otherTrust == false)
    }

    @Test("without keys no tickets are given", arguments: ["1.2", "1.3"])
    func none(_ version: String) throws {
        let client = try client(version == "1.2" ? .only12 : .only13)
        let (_, ticket) = try connect(server(nil), client, nil)
        #expect(ticket == nil)
    }
}
