import MCP
import Sandbox
import System
import Testing

@testable import Gateway

@Suite("Hosts of a list")
struct HostPatternTests {
    @Test("a host is one name, however it is written")
    func normal() {
        #expect(HostPort("DB.Example.COM.:5432") == HostPort(host: "db.example.com", port: 5432))
        #expect(HostPort("[FD00::1]:80")?.description == "[fd00::1]:80")
        #expect(HostPort("[FD00::1]:80")?.host == "fd00::1")
    }

    @Test(
        "what is no host and port is none",
        arguments: [
            "", ":80", "host", "host:", "host:0", "host:65536", "host:+80", "ho st:80", "a\nb:80", "a#b:80",
            "-a:80",
            "fd00::1:80", "[nonsense]:80", "[1.2.3.4]:80", "user@host:80", "host:8 0", "*:80", "a/b:80",
            "127.1:80", "0177.0.0.1:80", "0x7f.1:80", "0x7f000001:80", "2130706433:80", "1.2.3.4.5:80",
            "a.1:80",
        ])
    func malformed(_ text: String) { #expect(HostPort(text) == nil) }

    @Test("an entry stands for one host, for the names below a domain, or for any")
    func matching() throws {
        func matches(_ pattern: String, _ target: String) throws -> Bool {
            try #require(HostPattern(pattern)).matches(try #require(HostPort(target)))
        }
        #expect(try matches("api.example.com:443", "API.example.com:443"))
        #expect(try !matches("api.example.com:443", "api.example.com:80"))
        #expect(try !matches("api.example.com:443", "b.api.example.com:443"))
        #expect(try matches("*.example.com:443", "a.b.example.com:443"))
        #expect(try !matches("*.example.com:443", "example.com:443"))
        #expect(try !matches("*.example.com:443", "badexample.com:443"))
        #expect(try matches("*:443", "anything.org:443") && !matches("*:443", "anything.org:444"))
    }

    @Test(
        "an entry with stars elsewhere is none",
        arguments: ["a*.com:443", "*.*.com:443", "*", "*com:443", "*.:1"])
    func stars(_ text: String) { #expect(HostPattern(text) == nil) }
}

@Suite("Private hosts of the operator")
struct PrivateHostsTests {
    private func allows(_ entries: [String], _ target: String, _ address: String) throws -> Bool {
        var hosts = PrivateHosts()
        for entry in entries {
            let isTaken = hosts.add(entry)
            #expect(isTaken)
        }
        return hosts.allows(try #require(HostPort(target)), at: try #require(IPAddress(address)))
    }

    @Test("a name, a name with its port, an address, a range")
    func forms() throws {
        #expect(try allows(["db.internal"], "db.internal:5432", "10.0.0.1"))
        #expect(try allows(["db.internal:5432"], "db.internal:5432", "10.0.0.1"))
        #expect(try !allows(["db.internal:5432"], "db.internal:5433", "10.0.0.1"))
        #expect(try !allows(["db.internal"], "other.internal:5432", "10.0.0.1"))
        #expect(try allows(["::1"], "[::1]:80", "::1"))
        #expect(try allows(["[fd00::1]:80"], "[fd00::1]:80", "fd00::1"))
    }

    @Test("a range holds the addresses that a name leads to")
    func ranges() throws {
        #expect(try allows(["10.1.0.0/16"], "db.internal:5432", "10.1.255.255"))
        #expect(try !allows(["10.1.0.0/16"], "db.internal:5432", "10.2.0.0"))
        #expect(try allows(["fd00::/8"], "db.internal:5432", "fdff::1"))
        #expect(try !allows(["fd00::/8"], "db.internal:5432", "fe80::1"))
        #expect(try allows(["fd00::1:0/112"], "db.internal:5432", "fd00::1:ffff"))
        #expect(try !allows(["fd00::1:0/112"], "db.internal:5432", "fd00::2:0"))
        #expect(try allows(["0.0.0.0/0"], "h:1", "255.0.0.1") && !allows(["0.0.0.0/0"], "h:1", "::1"))
        #expect(try allows(["::/0"], "h:1", "fd00::1"))
        #expect(try allows(["10.1.2.3/32"], "h:1", "10.1.2.3") && !allows(["10.1.2.3/32"], "h:1", "10.1.2.2"))
    }

    @Test(
        "what is none of these is refused",
        arguments: [
            "", "10.0.0.0/33", "10.0.0.0/-1", "10.0/8", "fd00::/129", "a b", "host:0", "*", "http://a",
        ])
    func malformed(_ text: String) {
        var hosts = PrivateHosts()
        let isTaken = hosts.add(text)
        #expect(!isTaken)
    }
}

@Suite("Addresses inside a sandbox")
struct EgressAddressesTests {
    /// Of one sandbox.
    private final class Book {
        var addresses = EgressAddresses()

        func place(_ text: String) throws -> InsideAddress? {
            addresses.place(of: try #require(HostPort(text)))
        }
    }

    @Test("a name keeps its address, at every port")
    func names() throws {
        let book = Book()
        #expect(try book.place("a.com:443") == InsideAddress(address: "127.0.1.1", port: 443))
        #expect(try book.place("b.com:443") == InsideAddress(address: "127.0.1.2", port: 443))
        #expect(try book.place("a.com:80") == InsideAddress(address: "127.0.1.1", port: 80))
        #expect(book.addresses.hosts.map(\.name) == ["a.com", "b.com"])
    }

    @Test("an address is found at itself; the loopback interface gets those that are not its own")
    func literals() throws {
        let book = Book()
        #expect(try book.place("127.0.0.1:5432") == InsideAddress(address: "127.0.0.1", port: 5432))
        #expect(try book.place("localhost:5432") == InsideAddress(address: "127.0.0.1", port: 5432))
        #expect(
            try book.place("10.1.2.3:5432")
                == InsideAddress(address: "10.1.2.3", port: 5432, isForeign: true))
        #expect(
            try book.place("[fd00::1]:80") == InsideAddress(address: "fd00::1", port: 80, isForeign: true))
        #expect(try book.place("[::1]:80") == InsideAddress(address: "::1", port: 80))
        #expect(book.addresses.hosts.isEmpty)
    }

    @Test(
        "what would lead nowhere, or stand in the way of the gateway, is not there",
        arguments: [
            "169.254.169.254:80", "0.0.0.0:80", "224.0.0.1:80", "255.255.255.255:80", "[::]:80",
            "[::ffff:169.254.169.254]:80", "127.0.0.1:50005", "localhost:50006",
        ])
    func nowhere(_ text: String) throws {
        let book = Book()
        #expect(try book.place(text) == nil)
    }

    @Test("a name never gets the address of a host of the list, nor the other way round")
    func clashes() throws {
        let book = Book()
        #expect(try book.place("127.0.1.1:80")?.address == "127.0.1.1")
        #expect(try book.place("a.com:80")?.address == "127.0.1.2")
        #expect(try book.place("127.0.1.2:80") == nil)
    }

    @Test("there is room for a number of names")
    func bounded() throws {
        let book = Book()
        var places: Set<String> = []
        for i in 0..<Limits.egressNames { places.insert(try #require(try book.place("n\(i):80")).address) }
        #expect(places.count == Limits.egressNames)
        #expect(try book.place("one-more:80") == nil)
        #expect(try book.place("n0:81") != nil)
    }
}

@Suite("Requests to the proxy")
struct ProxyRequestTests {
    private func read(_ text: String) -> (ProxyRequest, String) {
        var inbox = ByteQueue()
        inbox.append(Array(text.utf8))
        var resumeAt = 0
        let request = ProxyRequest.read(&inbox, resumeAt: &resumeAt)
        return (request, String(decoding: inbox.bytes, as: UTF8.self))
    }

    @Test("CONNECT names a host and a port; what came behind it is the tunnel's")
    func connect() throws {
        let (request, rest) = read("CONNECT Example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\nhello")
        #expect(request == .tunnel(try #require(HostPort("example.com:443"))))
        #expect(rest == "hello")
        let (v6, _) = read("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(v6 == .tunnel(try #require(HostPort("[2001:db8::1]:443"))))
    }

    @Test("a head that is not there yet is waited for")
    func incomplete() {
        #expect(read("CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n").0 == .incomplete)
    }

    @Test("a request for a URL goes on in origin form, without what is for the proxy, for this one exchange")
    func forward() throws {
        let (request, head) = read(
            "POST http://example.com/a?b=c HTTP/1.1\r\nHost: other.org\r\nProxy-Authorization: Basic x\r\n"
                + "Connection: keep-alive\r\nProxy-Connection: keep-alive\r\nX-Own: 1\r\nContent-Length: 2\r\n\r\nhi"
        )
        #expect(request == .forward(try #require(HostPort("example.com:80"))))
        #expect(
            head
                == "POST /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Own: 1\r\nContent-Length: 2\r\n"
                + "Connection: close\r\n\r\nhi")
        let (_, bare) = read("GET http://example.com:8080 HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(bare.hasPrefix("GET / HTTP/1.1\r\nHost: example.com:8080\r\n"))
    }

    @Test(
        "what is no request to a proxy is refused",
        arguments: [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n",
            "CONNECT u@a:443 HTTP/1.1\r\nHost: a\r\n\r\n", "\u{16}\u{3}\u{1}\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        ])
    func refused(_ text: String) {
        guard case .refused = read(text).0 else {
            Issue.record("taken: \(text)")
            return
        }
    }
}
