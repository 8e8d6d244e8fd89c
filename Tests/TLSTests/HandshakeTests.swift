import System
import Testing

@testable import TLS

@Suite("Handshake")
struct HandshakeTests {
    let authority: Authority
    let identity: Identity

    init() throws {
        authority = try Authority()
        identity = try authority.identity(
            "leaf", for: "DNS:example.com,DNS:*.wild.example.com,IP:127.0.0.1,IP:::1")
    }

    private func server(
        _ protocols: [ApplicationProtocol] = [.http2, .http11], _ versions: TLSContext.Versions = .both
    ) throws -> TLSContext {
        try TLSContext(serving: [identity], protocols: protocols, tickets: TicketKeys(), versions: versions)
    }

    private func client(
        _ protocols: [ApplicationProtocol] = [.http2, .http11], _ versions: TLSContext.Versions = .both
    ) throws -> TLSContext {
        try TLSContext(trusting: .file(authority.rootFile), protocols: protocols, versions: versions)
    }

    @Test(
        "both versions shake hands, and bytes pass both ways",
        arguments: [(TLSContext.Versions.only12, "TLSv1.2"), (.only13, "TLSv1.3"), (.both, "TLSv1.3")])
    func versions(_ versions: TLSContext.Versions, _ name: String) throws {
        let wire = try Wire(server(), client([.http2], versions))
        wire.settle()
        #expect(wire.client.handshake?.version == name)
        #expect(wire.server.handshake?.version == name)
        #expect(wire.server.handshake?.serverName == "example.com")
        #expect(wire.client.handshake?.isResumed == false)
        #expect(wire.client.handshake?.cipher.contains("AES") == true)
        wire.client.send("question")
        wire.settle()
        wire.server.send("answer")
        wire.settle()
        #expect(wire.server.plaintext == Array("question".utf8))
        #expect(wire.client.plaintext == Array("answer".utf8))
        #expect(wire.client.failure == nil)
        #expect(wire.server.failure == nil)
        #expect(wire.server.order == "hp")
    }

    @Test("no version in common fails on both sides, and the client learns of it by an alert")
    func noVersion() throws {
        let wire = try Wire(server([.http2], .only13), client([.http2], .only12))
        wire.settle()
        #expect(wire.server.failure?.kind == .protocol)
        #expect(wire.client.failure?.kind == .alert(70))
        #expect(wire.client.order == "f")
    }

    @Test(
        "the server's order decides on the protocol",
        arguments: [
            (
                [ApplicationProtocol.http2, .http11], [ApplicationProtocol.http11, .http2],
                ApplicationProtocol.http2
            ),
            ([.http11, .http2], [.http2, .http11], .http11),
            ([.http2, .http11], [.http11], .http11),
        ])
    func alpn(
        _ serving: [ApplicationProtocol], _ offered: [ApplicationProtocol], _ chosen: ApplicationProtocol
    ) throws {
        let wire = try Wire(server(serving), client(offered))
        wire.settle()
        #expect(wire.server.handshake?.protocol == chosen)
        #expect(wire.client.handshake?.protocol == chosen)
    }

    @Test("a client without ALPN gets none; one with nothing in common gets an alert")
    func alpnMissing() throws {
        let plain = try Wire(server(), client([]))
        plain.settle()
        #expect(plain.server.handshake != nil)
        #expect(plain.server.handshake?.protocol == nil)
        let foreign = try Wire(server([.http2]), client([.http11]))
        foreign.settle()
        #expect(foreign.server.failure?.kind == .protocol)
        #expect(foreign.client.failure?.kind == .alert(120))
    }

    @Test(
        "a handshake in pieces of one byte is the same handshake",
        arguments: [TLSContext.Versions.only12, .only13])
    func byteByByte(_ versions: TLSContext.Versions) throws {
        let wire = try Wire(server(), client([.http2], versions))
        wire.settle(pieceBytes: 1)
        wire.client.send("slow")
        wire.settle(pieceBytes: 1)
        #expect(wire.server.plaintext == Array("slow".utf8))
        #expect(wire.client.handshake != nil)
    }

    @Test("a request behind the handshake in the same bytes is delivered after it")
    func early() throws {
        let wire = try Wire(server(), client())
        wire.server.receive(wire.client.take())
        wire.client.receive(wire.server.take())
        wire.client.send("at once")
        wire.server.receive(wire.client.take())
        #expect(wire.server.order == "hp")
        #expect(wire.server.plaintext == Array("at once".utf8))
    }

    @Test("nothing can be sent before the handshake is done")
    func tooEarly() throws {
        let wire = try Wire(server(), client())
        #expect(wire.server.send([1, 2, 3]) == 0)
        #expect(wire.server.take().isEmpty)
        var plain = Outbox(pool: ChunkPool())
        plain.append("waits")
        wire.server.session.send(draining: &plain, into: &wire.server.outbox, now: wire.server.now)
        let waiting = plain.count
        #expect(waiting == 5)
        wire.settle()
        wire.server.session.send(draining: &plain, into: &wire.server.outbox, now: wire.server.now)
        wire.settle()
        let left = plain.count
        #expect(left == 0)
        #expect(wire.client.plaintext == Array("waits".utf8))
    }

    // MARK: The client's check

    @Test(
        "the certificate must be for the host",
        arguments: [
            ("example.com", true), ("EXAMPLE.com.", true), ("a.wild.example.com", true), ("127.0.0.1", true),
            ("[::1]", true), ("a.b.wild.example.com", false), ("wild.example.com", false),
            ("example.org", false), ("127.0.0.2", false), ("leaf", false),
        ])
    func hosts(_ host: String, _ isGood: Bool) throws {
        let wire = try Wire(server(), client(), host: host)
        wire.settle()
        #expect((wire.client.handshake != nil) == isGood)
        #expect(wire.client.failure?.kind == (isGood ? nil : .untrusted))
        if !isGood {
            guard case .alert = wire.server.failure?.kind else {
                Issue.record("the server heard of nothing: \(String(describing: wire.server.failure))")
                return
            }
        }
    }

    @Test("an address is not sent as a server name")
    func addressWithoutName() throws {
        let wire = try Wire(server(), client(), host: "127.0.0.1")
        wire.settle()
        #expect(wire.server.handshake != nil)
        #expect(wire.server.handshake?.serverName == nil)
    }

    @Test("expired, future and self-signed certificates are refused, with the reason")
    func badCertificates() throws {
        let cases: [(CertificateFiles, String)] = [
            (
                try authority.issue("old", for: "DNS:example.com", from: -9000, to: -3600),
                "certificate has expired"
            ),
            (try authority.issue("new", for: "DNS:example.com", from: 3600), "certificate is not yet valid"),
            (
                try authority.issue("own", for: "DNS:example.com", isSelfSigned: true),
                "self-signed certificate"
            ),
        ]
        for (files, reason) in cases {
            let context = try TLSContext(serving: [Identity(files)], tickets: nil)
            let wire = try Wire(context, client())
            wire.settle()
            #expect(wire.client.failure == TLSFailure(.untrusted, reason))
            #expect(wire.client.handshake == nil)
            #expect(wire.client.send([1]) == 0)
        }
    }

    @Test("a server whose authority the system does not know is refused")
    func unknownAuthority() throws {
        let wire = try Wire(server(), TLSContext(trusting: .system))
        wire.settle()
        #expect(wire.client.failure?.kind == .untrusted)
    }

    @Test("host names that cannot be one are refused at once")
    func badHosts() throws {
        let context = try client()
        for host in ["", "a\0b", String(repeating: "a", count: 300)] {
            #expect(throws: TLSFailure.self) {
                try TLSSession(connectingTo: host, context, scratch: TLSScratch())
            }
        }
    }

    // MARK: The first byte

    @Test("TLS and plain HTTP are told apart by the first byte")
    func firstByte() throws {
        let wire = try Wire(server(), client())
        let hello = wire.client.take()
        #expect(hello.first.map { FirstByte.isTLS($0) } == true)
        for text in ["GET / HTTP/1.1", "PRI * HTTP/2.0", "\r\n"] {
            #expect(text.utf8.first.map { FirstByte.isTLS($0) } == false)
        }
    }
}
