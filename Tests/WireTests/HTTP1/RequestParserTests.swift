import Testing
import Wire

struct Verdict: Sendable, CustomTestStringConvertible {
    let name: String
    let bytes: String
    let status: Int
    init(_ name: String, _ bytes: String, _ status: Int = 400) {
        (self.name, self.bytes, self.status) = (name, bytes, status)
    }
    var testDescription: String { name }
}

/// The verdict on a whole input: 200 for a head, 0 for "incomplete", else the status of the refusal.
func verdict(_ bytes: UnsafeRawBufferPointer) -> Int {
    var resumeAt = 0
    do {
        return try RequestParser.parse(bytes, resumeAt: &resumeAt) == nil ? 0 : 200
    } catch {
        return error.status
    }
}

private func get(_ fields: String) -> String { "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n" }
private func line(_ line: String) -> String { "\(line)\r\nHost: a\r\n\r\n" }

@Suite struct RequestParserTests {
    static let refused: [Verdict] = [
        // Request line.
        .init("HTTP/0.9", "GET /\r\n\r\n"),
        .init("HTTP/0.9 with only one line end", "GET /\r\n"),
        .init("no target", line("GET HTTP/1.1")),
        .init("two spaces before target", line("GET  / HTTP/1.1")),
        .init("two spaces before version", line("GET /  HTTP/1.1")),
        .init("space after version", line("GET / HTTP/1.1 ")),
        .init("tab instead of space", line("GET\t/\tHTTP/1.1")),
        .init("leading space", line(" GET / HTTP/1.1")),
        .init("empty method", line(" / HTTP/1.1")),
        .init("method with colon", line("GE:T / HTTP/1.1")),
        .init("method not ASCII", line("GÉT / HTTP/1.1")),
        .init("method too long", line(String(repeating: "A", count: 33) + " / HTTP/1.1"), 501),
        .init("lower-case version", line("GET / http/1.1")),
        .init("no minor version", line("GET / HTTP/1")),
        .init("two-digit version", line("GET / HTTP/1.10")),
        .init("comma in version", line("GET / HTTP/1,1")),
        .init("HTTP/2.0", line("GET / HTTP/2.0"), 505),
        .init("HTTP/1.2", line("GET / HTTP/1.2"), 505),
        .init("HTTP/0.9 by name", line("GET / HTTP/0.9"), 505),
        .init("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        .init("TLS hello", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n"),
        .init("NUL in target", line("GET /\0 HTTP/1.1")),
        .init("DEL in target", line("GET /\u{7F} HTTP/1.1")),
        .init("target not ASCII", line("GET /é HTTP/1.1")),
        .init("fragment", line("GET /a#b HTTP/1.1")),
        .init("relative target", line("GET a HTTP/1.1")),
        .init("asterisk for GET", line("GET * HTTP/1.1")),
        .init("asterisk and more", line("OPTIONS *a HTTP/1.1")),
        .init("unknown scheme", line("GET ftp://a/ HTTP/1.1")),
        .init("absolute target without host", line("GET http:///a HTTP/1.1")),
        .init("absolute target with user", line("GET http://u@a/ HTTP/1.1")),
        .init("authority form for GET", line("GET a:80 HTTP/1.1")),
        .init("CONNECT with a path", line("CONNECT /a HTTP/1.1")),
        .init("target over the limit", line("GET /\(String(repeating: "a", count: 8192)) HTTP/1.1"), 414),
        // Line ends.
        .init("bare LF after request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        .init("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n"),
        .init("bare LF after field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        .init("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        .init("bare CR after request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        .init("bare CR in value", get("X: a\rb\r\n")),
        .init("CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
        .init("three empty lines first", "\r\n\r\n\r\n" + get("")),
        .init("bare LF first", "\n" + get("")),
        .init("bare CR first", "\r" + get("")),
        // Field lines.
        .init("obs-fold by space", get("X: a\r\n b\r\n")),
        .init("obs-fold by tab", get("X: a\r\n\tb\r\n")),
        .init("fold before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        .init("space before colon", get("X : a\r\n")),
        .init("tab before colon", get("X\t: a\r\n")),
        .init("empty name", get(": a\r\n")),
        .init("no colon", get("X\r\n")),
        .init("name with parenthesis", get("X(a): b\r\n")),
        .init("name not ASCII", get("Xé: b\r\n")),
        .init("NUL in name", get("X\0: b\r\n")),
        .init("NUL in value", get("X: a\0b\r\n")),
        .init("NUL in a long value", get("X: aaaaaaaaaaaaaaaaaaaaaaa\0b\r\n")),
        .init("vertical tab in value", get("X: a\u{B}b\r\n")),
        .init("DEL in value", get("X: a\u{7F}b\r\n")),
        .init("101 field lines", get(String(repeating: "X: a\r\n", count: 100)), 431),
        .init(
            "head over the limit",
            get(String(repeating: "X: \(String(repeating: "a", count: 1000))\r\n", count: 17)), 431),
        .init(
            "unfinished head at the limit", "GET / HTTP/1.1\r\nX: " + String(repeating: "a", count: 17_000),
            431),
        .init("unfinished request line over the limit", "GET /" + String(repeating: "a", count: 9_000), 414),
        // Host.
        .init("no Host", "GET / HTTP/1.1\r\n\r\n"),
        .init("Host twice", get("Host: a\r\n")),
        .init("Host twice, letter case differs", get("hOST: b\r\n")),
        .init("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        .init("Host with path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
        .init("Host with user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
        .init("Host with space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
        .init("Host list", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"),
        .init("Host with percent", "GET / HTTP/1.1\r\nHost: a%2eb\r\n\r\n"),
        .init("Host not ASCII", "GET / HTTP/1.1\r\nHost: é\r\n\r\n"),
        .init("Host with only a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"),
        .init("Host with a named port", "GET / HTTP/1.1\r\nHost: a:http\r\n\r\n"),
        .init("Host with port 65536", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"),
        .init("Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n"),
        .init("Host with open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"),
        .init("Host with text after bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"),
        .init("Host with zone", "GET / HTTP/1.1\r\nHost: [fe80::1%eth0]\r\n\r\n"),
        .init("Host too long", "GET / HTTP/1.1\r\nHost: \(String(repeating: "a", count: 301))\r\n\r\n"),
        .init("bad Host behind an absolute target", "GET http://a/ HTTP/1.1\r\nHost: b/c\r\n\r\n"),
        .init("bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"),
        // Expectations.
        .init("unknown expectation", get("Expect: 200-ok\r\nContent-Length: 1\r\n"), 417),
        .init("two expectations", get("Expect: 100-continue\r\nExpect: 100-continue\r\n"), 417),
    ]

    @Test("what two readers could read differently is refused", arguments: refused)
    func refuses(_ vector: Verdict) {
        #expect(withBytes(vector.bytes, verdict) == vector.status)
    }

    static let accepted: [Verdict] = [
        .init("simplest", get("")),
        .init("two empty lines first", "\r\n\r\n" + get("")),
        .init("HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n"),
        .init("Host with port", "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n"),
        .init("Host with empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"),
        .init("Host IPv6", "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"),
        .init("empty value", get("X:\r\n")),
        .init("blanks around value", get("X: \t a \t \r\n")),
        .init("value with tab and high bytes", get("X: a\té\r\n")),
        .init("all token characters in a name", get("!#$%&'*+-.^_`|~aZ09: a\r\n")),
        .init("100 field lines", get(String(repeating: "X: a\r\n", count: 99))),
        .init("target at the limit", line("GET /\(String(repeating: "a", count: 8191)) HTTP/1.1")),
        .init("OPTIONS *", line("OPTIONS * HTTP/1.1")),
        .init("CONNECT", line("CONNECT a:443 HTTP/1.1")),
        .init("unknown method", line("PURGE / HTTP/1.1")),
    ]

    @Test("legal heads are accepted", arguments: accepted)
    func accepts(_ vector: Verdict) {
        #expect(withBytes(vector.bytes, verdict) == 200)
    }

    @Test("a head fed byte by byte gets the verdict of the whole", arguments: accepted + refused)
    func splits(_ vector: Verdict) {
        withBytes(vector.bytes) { bytes in
            let whole = verdict(bytes)
            var resumeAt = 0
            var last = 0
            for count in 1...bytes.count where last == 0 {
                do throws(Refusal) {
                    let part = UnsafeRawBufferPointer(rebasing: bytes[..<count])
                    last = try RequestParser.parse(part, resumeAt: &resumeAt) == nil ? 0 : 200
                } catch {
                    last = error.status
                }
            }
            #expect((last == 200) == (whole == 200))
            #expect((last == 0) == (whole == 0))
        }
    }

    @Test("ranges name method, path, query and fields")
    func ranges() throws {
        let head =
            "POST /sandbox/x/mcp?a=b?c HTTP/1.1\r\nhost: gw:80\r\nMCP-PROTOCOL-VERSION:  2025-11-25 \r\n"
            + "X-Api-Key: k\r\nAuthorization: Bearer t\r\nauthorization: Bearer u\r\nMcp-Param-Region: eu\r\n\r\nrest"
        try withBytes(head) { bytes in
            let head = try parsed(bytes)
            #expect(head.method == .post)
            #expect(text(head.target, bytes) == "/sandbox/x/mcp?a=b?c")
            #expect(text(head.path, bytes) == "/sandbox/x/mcp")
            #expect(text(head.query, bytes) == "a=b?c")
            #expect(text(head[.host], bytes) == "gw:80")
            #expect(text(head[.mcpProtocolVersion], bytes) == "2025-11-25")
            #expect(text(head[.apiKey], bytes) == "k")
            #expect(text(head[.authorization], bytes) == "Bearer t")
            #expect(head.isDuplicated(.authorization))
            #expect(!head.isDuplicated(.apiKey))
            #expect(head[.origin] == nil)
            #expect(head.hasParamHeaders)
            #expect(head.length == bytes.count - 4)
            var names: [String] = []
            head.forEachField(in: bytes) { name, value in
                names.append(
                    String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
            }
            #expect(names.count == 6)
            #expect(names.last == "Mcp-Param-Region=eu")
        }
    }

    @Test("the authority of an absolute target replaces Host")
    func absoluteTarget() throws {
        try withBytes("GET HTTP://b.example:81?q HTTP/1.1\r\nHost: a\r\n\r\n") { bytes in
            let head = try parsed(bytes)
            #expect(text(head[.host], bytes) == "b.example:81")
            #expect(head.path.isEmpty)
            #expect(text(head.query, bytes) == "q")
        }
    }

    @Test("every known field is found by its name in any letter case", arguments: Field.allCases)
    func fieldNames(_ field: Field) throws {
        for name in [field.name.description, field.name.description.uppercased()] {
            let value =
                field == .host
                ? "b" : field == .expect ? "100-continue" : field == .transferEncoding ? "chunked" : "7"
            let host = field == .host ? "" : "Host: b\r\n"
            try withBytes("POST / HTTP/1.1\r\n\(host)\(name): \(value)\r\n\r\n") { bytes in
                let head = try parsed(bytes)
                #expect(text(head[field], bytes) == value)
            }
        }
    }

    static let persistence: [(String, Bool)] = [
        (get(""), true), (get("Connection: close\r\n"), false), (get("Connection: keep-alive\r\n"), true),
        (get("Connection: TE, Close\r\n"), false),
        (get("Connection: keep-alive\r\nConnection: close\r\n"), false),
        (get("Connection: ,, closed\r\n"), true), ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false),
    ]

    @Test("persistence follows version and Connection options", arguments: persistence)
    func keepAlive(_ head: String, _ expected: Bool) throws {
        let keepAlive = try withBytes(head) { try parsed($0).keepAlive }
        #expect(keepAlive == expected)
    }

    @Test("100-continue is awaited by HTTP/1.1 with a body only")
    func expectation() throws {
        let cases = [
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", false),
            ("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", false),
        ]
        for (head, expected) in cases {
            let expectsContinue = try withBytes(head) { try parsed($0).expectsContinue }
            #expect(expectsContinue == expected)
        }
    }
}
