import Testing
import Wire

private let protocolError: UInt32 = 1

private struct Fields: Sendable, CustomTestStringConvertible {
    let name: String
    let lines: [(String, String)]
    init(_ name: String, _ lines: (String, String)...) { (self.name, self.lines) = (name, lines) }
    var testDescription: String { name }
}

private let method = (":method", "GET")
private let scheme = (":scheme", "http")
private let path = (":path", "/")
private let authority = (":authority", "a.example")

@Suite struct HTTP2HeadTests {
    @Test("a request is the same head to the router as over HTTP/1.1")
    func sameHead() throws {
        let lines = [
            ("accept", "application/json"), ("mcp-session-id", "abc"), ("authorization", "Bearer t"),
            ("x-other", "1"), ("mcp-param-x", "y"), ("origin", "http://b.example"), ("cookie", "a=1"),
            ("cookie", "b=2"), ("te", "trailers"), ("content-length", "2"),
        ]
        let peer = HTTP2Peer.ready()
        peer.send(
            .headers(1, Block.request("POST", "/mcp?a=b", lines), end: false),
            .data(1, [0x7B, 0x7D], end: true))
        let request = try #require(peer.requests[1])
        let old =
            "POST /mcp?a=b HTTP/1.1\r\nHost: a.example\r\n" + lines.map { "\($0.0): \($0.1)\r\n" }.joined()
            + "\r\n"
        try withBytes(old) { oldBytes in
            let oldHead = try parsed(oldBytes)
            let head = request.head
            let bytes = request.headBytes
            #expect(head.method == oldHead.method)
            for part in [\RequestHead.methodRange, \.target, \.path, \.query] {
                #expect(text(head[keyPath: part], bytes) == text(oldHead[keyPath: part], oldBytes))
            }
            for field in Field.allCases {
                #expect(text(head[field], bytes) == text(oldHead[field], oldBytes), "\(field)")
                #expect(head.isDuplicated(field) == oldHead.isDuplicated(field))
            }
            #expect(head.framing == oldHead.framing)
            #expect(head.keepAlive && !head.isHTTP10 && head.hasParamHeaders)
            var names: [String] = []
            head.forEachField(in: bytes) { name, _ in names.append(String(decoding: name, as: UTF8.self)) }
            #expect(names == ["host"] + lines.map(\.0))
        }
        #expect(Array(request.body) == [0x7B, 0x7D])
    }

    @Test("a Host that says the same as :authority is taken, and one without :authority too")
    func host() throws {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.request(authority: "a.example", [("host", "A.Example")])))
        peer.send(.headers(3, Block.request(authority: nil, [("host", "b.example:80")])))
        for (stream, name) in [(UInt32(1), "a.example"), (3, "b.example:80")] {
            let request = try #require(peer.requests[stream])
            #expect(text(request.head[.host], request.headBytes) == name)
            #expect(!request.head.isDuplicated(.host))
        }
    }

    @Test("without a body the framing is none; with one of unknown length it is open")
    func framing() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.post), .headers(3, Block.post, end: false), .data(3, end: true))
        #expect(peer.requests[1]?.head.framing == Framing.none)
        #expect(peer.requests[3]?.head.framing == .chunked)
    }

    @Test("OPTIONS * and CONNECT keep their forms")
    func otherForms() throws {
        let peer = HTTP2Peer.ready()
        peer.send(
            .headers(1, Block.request("OPTIONS", "*")),
            .headers(3, Block.fields([(":method", "CONNECT"), (":authority", "a.example:443")])))
        let options = try #require(peer.requests[1])
        #expect(text(options.head.path, options.headBytes) == "*")
        let connect = try #require(peer.requests[3])
        #expect(connect.head.method == .connect)
        #expect(text(connect.head.target, connect.headBytes) == "a.example:443")
    }

    private static let malformed: [Fields] = [
        .init("no :method", scheme, path, authority),
        .init("no :scheme", method, path, authority),
        .init("no :path", method, scheme, authority),
        .init("empty :path", method, scheme, (":path", ""), authority),
        .init("empty :method", (":method", ""), scheme, path, authority),
        .init(":method twice", method, method, scheme, path, authority),
        .init(":scheme twice", method, scheme, scheme, path, authority),
        .init(":path twice", method, scheme, path, path, authority),
        .init(":authority twice", method, scheme, path, authority, authority),
        .init("unknown pseudo-header", method, scheme, path, authority, (":test", "ok")),
        .init("response pseudo-header", method, scheme, path, authority, (":status", "200")),
        .init("pseudo-header after a field", method, scheme, path, ("a", "b"), authority),
        .init("no authority at all", method, scheme, path),
        .init("Host twice", method, scheme, path, ("host", "a"), ("host", "a")),
        .init("another Host", method, scheme, path, authority, ("host", "b.example")),
        .init("relative :path", method, scheme, (":path", "a"), authority),
        .init("absolute :path", method, scheme, (":path", "http://b.example/"), authority),
        .init(
            "absolute :path of a foreign scheme", method, (":scheme", "x"), (":path", "http://b.example/"),
            authority),
        .init("* for GET", method, scheme, (":path", "*"), authority),
        .init("space in :path", method, scheme, (":path", "/a b"), authority),
        .init("CRLF in :path", method, scheme, (":path", "/ HTTP/1.1\r\nx: y"), authority),
        .init("CR in a value", method, scheme, path, authority, ("x", "a\rb")),
        .init("LF in a value", method, scheme, path, authority, ("x", "a\nb")),
        .init("NUL in a value", method, scheme, path, authority, ("x", "a\0b")),
        .init("blank before a value", method, scheme, path, authority, ("x", " a")),
        .init("upper case", method, scheme, path, authority, ("X-Test", "ok")),
        .init("blank in a name", method, scheme, path, authority, ("x y", "ok")),
        .init("colon in a name", method, scheme, path, authority, ("x:y", "ok")),
        .init("empty name", method, scheme, path, authority, ("", "ok")),
        .init("connection", method, scheme, path, authority, ("connection", "close")),
        .init("keep-alive", method, scheme, path, authority, ("keep-alive", "timeout=1")),
        .init("proxy-connection", method, scheme, path, authority, ("proxy-connection", "close")),
        .init("transfer-encoding", method, scheme, path, authority, ("transfer-encoding", "chunked")),
        .init("upgrade", method, scheme, path, authority, ("upgrade", "h2c")),
        .init("te other than trailers", method, scheme, path, authority, ("te", "trailers, deflate")),
        .init(
            "content-length twice", method, scheme, path, authority, ("content-length", "0"),
            ("content-length", "0")),
        .init("content-length with a sign", method, scheme, path, authority, ("content-length", "+0")),
        .init("content-length without a body", method, scheme, path, authority, ("content-length", "1")),
        .init("CONNECT with a path", (":method", "CONNECT"), scheme, path, authority),
    ]

    @Test("RFC 9113 §8.1.1: a malformed request is reset and never served", arguments: malformed)
    fileprivate func isReset(fields: Fields) {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.fields(fields.lines)))
        #expect(peer.resetCode(1) == protocolError)
        #expect(peer.requests.isEmpty && peer.events.isEmpty)
        #expect(peer.goaway == nil)
        #expect(peer.isAlive)
    }

    private static let refused: [(Int, Fields)] = [
        (417, .init("expectation", method, scheme, path, authority, ("expect", "202"))),
        (
            414,
            .init("target", method, scheme, (":path", "/" + String(repeating: "a", count: 9000)), authority)
        ),
        (400, .init("fragment", method, scheme, (":path", "/a#b"), authority)),
        (400, .init("user in :authority", method, scheme, path, (":authority", "u@a.example"))),
        (400, .init("port", method, scheme, path, (":authority", "a.example:99999"))),
        (501, .init("method", (":method", String(repeating: "A", count: 40)), scheme, path, authority)),
        (431, .init("section", method, scheme, path, authority, ("x", String(repeating: "a", count: 17000)))),
    ]

    @Test("what HTTP/1.1 answers with an error is answered with the same one", arguments: refused.indices)
    func isAnswered(index: Int) {
        let (status, fields) = Self.refused[index]
        let peer = HTTP2Peer.ready()
        let block = Block.fields(fields.lines)
        let pieces = stride(from: 0, to: block.count, by: 16000).map {
            Array(block[$0..<min($0 + 16000, block.count)])
        }
        for (i, piece) in pieces.enumerated() {
            let isLast = i == pieces.count - 1
            peer.send(
                i == 0 ? .headers(1, piece, whole: isLast) : .continuation(1, piece, whole: isLast))
        }
        guard case .refused(1, let refusal)? = peer.events.first else {
            Issue.record("not refused: \(fields.name) \(peer.events) \(peer.frames)")
            return
        }
        #expect(refusal.status == status)
        #expect(peer.status(1) == ":status: \(status)")
        #expect(peer.requests.isEmpty)
        #expect(peer.isAlive)
    }

    @Test("too many field lines are answered with 431 as soon as they are read")
    func lines() {
        let peer = HTTP2Peer.ready()
        peer.send(.headers(1, Block.request("GET", (0..<101).map { ("a\($0)", "b") })))
        #expect(peer.status(1) == ":status: 431")
        peer.send(.headers(3, Block.request("GET", (0..<90).map { ("a\($0)", "b") })))
        #expect(peer.status(3) == ":status: 200")
    }

    @Test("trailers are read and dropped; those that may not be sent reset the stream")
    func trailers() {
        let open = WireFrame.headers(1, Block.post, end: false)
        let table: [(String, WireFrame, Bool)] = [
            ("a field", .headers(1, Block.field("x", "y")), true),
            ("a pseudo-header field", .headers(1, Block.field(":method", "GET")), false),
            ("no end of stream", .headers(1, Block.field("x", "y"), end: false), false),
            ("upper case", .headers(1, Block.field("X", "y")), false),
            (
                "too many", .headers(1, Block.fields((0..<200).map { ("a\($0)", "b") })), false
            ),
        ]
        for (name, frame, isServed) in table {
            let peer = HTTP2Peer.ready()
            peer.send(open, .data(1, [0x61]), frame)
            #expect((peer.status(1) == ":status: 200") == isServed, "\(name)")
            #expect((peer.resetCode(1) == nil) == isServed, "\(name)")
            #expect(peer.isAlive, "\(name)")
        }
    }
}
