import Testing

@testable import MCP

@Test(
    "URLs are read into their parts",
    arguments: [
        ("https://example.com", "example.com", 443, "/", "https://example.com/"),
        ("HTTPS://Example.COM./mcp", "example.com", 443, "/mcp", "https://example.com/mcp"),
        ("http://a_b.c:8080/x?y=z#f", "a_b.c", 8080, "/x?y=z", "http://a_b.c:8080/x?y=z"),
        ("http://[2001:DB8::1]:80/", "2001:db8::1", 80, "/", "http://[2001:db8::1]/"),
        ("https://1.2.3.4:443?q", "1.2.3.4", 443, "/?q", "https://1.2.3.4/?q"),
        ("https://h/a/./b/../c/%2e%2e", "h", 443, "/a/c/%2e%2e", "https://h/a/c/%2e%2e"),
        ("https://h/../..", "h", 443, "/", "https://h/"),
        ("https://h/a//b/", "h", 443, "/a//b/", "https://h/a//b/"),
    ])
func urlParts(_ text: String, _ host: String, _ port: UInt16, _ target: String, _ written: String) throws {
    let url = try RemoteURL(text)
    #expect(url.host == host)
    #expect(url.port == port)
    #expect(url.target == target)
    #expect(url.description == written)
}

@Test(
    "what two parsers could read differently is no URL",
    arguments: [
        ("", RemoteURL.Fault.scheme), ("ftp://a", .scheme), ("//a", .scheme), ("https:/a", .scheme),
        ("https:///a", .host), ("https://", .host), ("https://a b", .illegalCharacter),
        ("https://a\\b", .illegalCharacter), ("https://a\r\nb", .illegalCharacter),
        ("https://ä.de", .illegalCharacter), ("https://u:p@a", .userInformation),
        ("https://a@b", .userInformation),
        ("https://a:0", .port), ("https://a:", .port), ("https://a:99999", .port), ("https://a:+1", .port),
        ("https://127.1", .host), ("https://0x7f000001", .host), ("https://2130706433", .host),
        ("https://0177.0.0.1", .host), ("https://1.2.3.4.5", .host), ("https://[::1", .host),
        ("https://[1.2.3.4]", .host),
        ("https://[fe80::1%25eth0]", .host), ("https://a..b", .host), ("https://-a", .host),
        ("https://a%2eb", .host),
        ("https://.", .host), ("https://" + String(repeating: "a", count: 4096), .tooLong),
    ])
func urlRefused(_ text: String, _ fault: RemoteURL.Fault) {
    #expect(throws: fault) { try RemoteURL(text) }
}

@Test(
    "references resolve as RFC 3986 has it, at the same origin",
    arguments: [
        ("/messages?id=1", "https://h/messages?id=1"), ("messages", "https://h/a/messages"),
        ("?x", "https://h/a/sse?x"),
        ("", "https://h/a/sse?q"), ("#f", "https://h/a/sse?q"), ("../b", "https://h/b"),
        ("https://H:443/z", "https://h/z"),
        ("//h/z", "https://h/z"), ("./b/../c", "https://h/a/c"),
    ])
func urlResolving(_ reference: String, _ expected: String) throws {
    #expect(try RemoteURL("https://h/a/sse?q").resolving(reference).description == expected)
}

@Test(
    "another origin is not followed",
    arguments: [
        "https://g/a", "http://h/a", "https://h:444/a", "//g/a", "https://h.evil/a",
        "https://169.254.169.254/",
    ])
func urlForeign(_ reference: String) throws {
    let url = try RemoteURL("https://h/a")
    #expect(throws: RemoteURL.Fault.notOurOrigin) { try url.resolving(reference) }
}

@Test(
    "no reference leads out by its spelling",
    arguments: ["javascript:x", "file:///etc", "https://h@g/", "/a b", "/\\g", "\r\nX: y"])
func urlHostileReference(_ reference: String) throws {
    let url = try RemoteURL("https://h/a")
    #expect(throws: RemoteURL.Fault.self) { try url.resolving(reference) }
}
