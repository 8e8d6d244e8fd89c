import System
import Testing

@testable import TLS

@Suite("Certificates")
struct CertificateTests {
    let authority: Authority

    init() throws { authority = try Authority() }

    private func failure(_ files: CertificateFiles) -> CertificateFailure? {
        do throws(CertificateFailure) {
            _ = try TLSContext(serving: [Identity(files)], tickets: nil)
            return nil
        } catch {
            return error
        }
    }

    // MARK: Files

    @Test("each mistake names the file and what is wrong with it")
    func mistakes() throws {
        let good = try authority.issue("good", for: "DNS:example.com")
        let other = try authority.issue("other", for: "DNS:example.com")
        let locked = try authority.issue("locked", for: "DNS:example.com", password: "secret")
        let short = try authority.issue("short", for: "DNS:example.com", rsaBits: 1024)
        let text = try authority.write("notes.txt", "not PEM at all\n")
        let empty = try authority.write("empty.pem", "")
        let torn = try authority.write(
            "torn.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        let tornKey = try authority.write(
            "torn.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        let missing = authority.path("missing.pem")
        let cases: [(CertificateFiles, CertificateFailure.Kind, String, String)] = [
            (.init(chain: missing, key: good.key), .unreadable, missing, "No such file"),
            (.init(chain: good.chain, key: missing), .unreadable, missing, "No such file"),
            (.init(chain: authority.directory, key: good.key), .unreadable, authority.directory, "directory"),
            (.init(chain: text, key: good.key), .notPEM, text, "no PEM certificate"),
            (.init(chain: empty, key: good.key), .notPEM, empty, "no PEM certificate"),
            (.init(chain: good.chain, key: text), .notPEM, text, "no PEM private key"),
            (.init(chain: good.chain, key: empty), .notPEM, empty, "no PEM private key"),
            (.init(chain: good.key, key: good.key), .notPEM, good.key, "no PEM certificate"),
            (.init(chain: torn, key: good.key), .malformed, torn, "cannot be read"),
            (.init(chain: good.chain, key: tornKey), .malformed, tornKey, "cannot be read"),
            (.init(chain: good.chain, key: other.key), .keyMismatch, other.key, good.chain),
            (locked, .encryptedKey, locked.key, "encrypted"),
            (short, .tooWeak, short.chain, "key too small"),
        ]
        for (files, kind, file, words) in cases {
            let found = try #require(failure(files), "\(files) was taken")
            #expect(found.kind == kind, "\(found)")
            #expect(found.file == file)
            #expect(found.message.contains(words), "\(found)")
            #expect(found.description.hasPrefix("\(file): "))
        }
        #expect(failure(good) == nil)
    }

    @Test("certificate and key may lie in one file")
    func oneFile() throws {
        let files = try authority.issue("leaf", for: "DNS:example.com")
        let both = try Files.read(files.key, limit: 1 << 16) + Files.read(files.chain, limit: 1 << 16)
        let path = try authority.write("both.pem", String(decoding: both, as: UTF8.self))
        #expect(failure(CertificateFiles(chain: path, key: path)) == nil)
    }

    @Test("an expired certificate is taken with a warning, as is one that soon will be or is not valid yet")
    func expiry() throws {
        let now = WallClock.unixSeconds()
        let old = try Identity(authority.issue("old", for: "DNS:a.example", from: -9000, to: -3600))
        #expect(
            old.warnings(unixSeconds: now).contains { $0.contains("old.pem") && $0.contains("has expired") })
        let soon = try Identity(authority.issue("soon", for: "DNS:a.example", to: 3 * 86_400 + 60))
        #expect(soon.warnings(unixSeconds: now) == ["\(soon.files.chain): the certificate expires in 3 days"])
        let new = try Identity(authority.issue("new", for: "DNS:a.example", from: 3600))
        #expect(new.warnings(unixSeconds: now).contains { $0.contains("not valid before") })
        let good = try Identity(authority.issue("good", for: "DNS:a.example"))
        #expect(good.warnings(unixSeconds: now).isEmpty)
        #expect(abs(good.validTo - now - 90 * 86_400) < 120)
    }

    @Test("a chain out of order is warned of")
    func order() throws {
        let leaf = try authority.issue("leaf", for: "DNS:example.com")
        let other = try authority.issue("other", for: "DNS:example.org")
        func chain(_ names: [String]) throws -> [String] {
            var bytes: [UInt8] = []
            for name in names { bytes += try Files.read(name, limit: 1 << 16) }
            let path = try authority.write("chain.pem", String(decoding: bytes, as: UTF8.self))
            return try Identity(CertificateFiles(chain: path, key: leaf.key))
                .warnings(unixSeconds: WallClock.unixSeconds())
        }
        #expect(try chain([leaf.chain, authority.rootFile]).isEmpty)
        #expect(try chain([leaf.chain, other.chain]).contains { $0.contains("did not issue") })
    }

    @Test("a server without certificates is refused")
    func none() {
        #expect(throws: CertificateFailure.self) { try TLSContext(serving: [], tickets: nil) }
    }

    // MARK: Names

    @Test("names are those of the certificate in lower case; without any, the common name")
    func names() throws {
        let many = try authority.identity(
            "many", for: "DNS:Example.COM,DNS:*.example.org,IP:127.0.0.1,DNS:last.example")
        #expect(many.names == ["example.com", "*.example.org", "last.example"])
        #expect(try authority.identity("common.example", for: nil).names == ["common.example"])
        #expect(try authority.identity("address", for: "IP:127.0.0.1").names.isEmpty)
    }

    @Test("a name finds its exact certificate, then a wildcard for one label, then the default")
    func choice() throws {
        let fallback = try authority.identity("fallback", for: "DNS:default.example")
        let wild = try authority.identity("wild", for: "DNS:*.example.com")
        let exact = try authority.identity("exact", for: "DNS:api.example.com,DNS:example.com")
        let names = ServerNames([fallback, wild, exact], fallback: fallback)
        let cases: [(String, Identity)] = [
            ("api.example.com", exact), ("API.Example.Com", exact), ("example.com", exact),
            ("www.example.com", wild), ("a.b.example.com", fallback), ("default.example", fallback),
            ("unknown.example", fallback), ("*.example.com", fallback), ("com", fallback), ("", fallback),
            (".example.com", fallback), ("www.example.com.", wild),
        ]
        for (name, expected) in cases {
            #expect(names.identity(for: name) === expected, "\(name)")
        }
    }

    @Test("the certificate sent is the one for the name that the client asks for", arguments: ["1.2", "1.3"])
    func handshakes(_ version: String) throws {
        let identities = [
            try authority.identity("fallback", for: "DNS:default.example,IP:127.0.0.1"),
            try authority.identity("exact", for: "DNS:api.example.com"),
            try Identity(authority.issue("wild", for: "DNS:*.example.com", rsaBits: 2048)),
        ]
        let server = try TLSContext(serving: identities, tickets: TicketKeys())
        let client = try TLSContext(
            trusting: .file(authority.rootFile), versions: version == "1.2" ? .only12 : .only13)
        // The client's own check of the host tells which certificate came.
        for host in ["default.example", "api.example.com", "www.example.com", "127.0.0.1"] {
            let wire = try Wire(server, client, host: host)
            wire.settle()
            #expect(wire.client.handshake != nil, "\(host): \(String(describing: wire.client.failure))")
        }
        let unknown = try Wire(server, client, host: "unknown.example")
        unknown.settle()
        #expect(unknown.client.failure?.kind == .untrusted)
    }

    // MARK: Reloading

    @Test("a reload serves new connections; open ones keep theirs; a broken reload changes nothing")
    func reload() throws {
        let old = try authority.issue("site", for: "DNS:old.example")
        let certificates = try ServerCertificates([old])
        let client = try TLSContext(trusting: .file(authority.rootFile))
        let first = try Wire(certificates.context, client, host: "old.example")
        first.settle()
        // The same files with another certificate in them.
        try authority.issue("site", for: "DNS:new.example")
        try certificates.reload()
        let second = try Wire(certificates.context, client, host: "new.example")
        second.settle()
        #expect(second.client.handshake != nil)
        first.client.send("still here")
        first.settle()
        #expect(first.server.plaintext == Array("still here".utf8))
        try authority.write("site.key", "gone")
        #expect(throws: CertificateFailure.self) { try certificates.reload() }
        let third = try Wire(certificates.context, client, host: "new.example")
        third.settle()
        #expect(third.client.handshake != nil)
        #expect(certificates.warnings().isEmpty)
    }
}
