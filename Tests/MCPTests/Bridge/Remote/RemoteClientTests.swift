import System
import Testing
import Wire

@testable import MCP

private let me = Implementation(name: "g", title: "G", version: "1")
private let discoverResult =
    #"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"#
    + #""capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}}"#
private let initializeResult =
    #"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"#
    + #""serverInfo":{"name":"s","version":"1"}}}"#
private let unknownMethod = #"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#
private let callBody = Array(#"{"jsonrpc":"2.0","id":9,"method":"tools/call"}"#.utf8)
private let callResult = #"{"jsonrpc":"2.0","id":9,"result":{}}"#
private let json = RemoteHead(status: 200, content: .json)
private let events = RemoteHead(status: 200, content: .events)
private let accepted = RemoteHead(status: 202, content: .none)

/// A client with its clock and the requests it has made.
private struct Bench {
    var client: RemoteClient
    var now = Instant(nanoseconds: 1_000_000_000)
    var sent: [RemoteRequest] = []
    /// Everything else that was said.
    var said: [RemoteClient.Action] = []

    init(_ plan: EraPlan = .probe, oldTransport: Bool = false) throws {
        client = RemoteClient(
            url: try RemoteURL("https://h/mcp"), plan: plan, client: me, isOldTransport: oldTransport)
    }

    mutating func take(_ actions: [RemoteClient.Action]) {
        for action in actions {
            if case .request(let request) = action { sent.append(request) } else { said.append(action) }
        }
    }

    mutating func start() { take(client.start(now: now)) }

    @discardableResult
    mutating func head(_ head: RemoteHead, _ exchange: Int? = nil) -> RemoteClient.BodyUse {
        let answer = client.answered(exchange ?? last, head, now: now, random: 0)
        take(answer.actions)
        return answer.use
    }

    @discardableResult
    mutating func message(_ text: String, _ exchange: Int? = nil) throws -> RemoteClient.Disposition {
        let message = try Message(text)
        let number = exchange ?? last
        let answer = message.with { client.message(number, $0, $1, now: now) }
        take(answer.1)
        return answer.0
    }

    mutating func end(_ exchange: Int? = nil, _ failure: String? = nil) {
        take(client.ended(exchange ?? last, failure: failure, now: now, random: 0))
    }

    mutating func wait(_ milliseconds: Int) {
        now = now.advanced(milliseconds: milliseconds)
        take(client.tick(now: now, random: 0))
    }

    mutating func call(_ call: UInt64, repeatable: Bool = false) {
        take(
            client.call(
                call, body: callBody, method: .toolsCall, name: Array("t".utf8), isRepeatable: repeatable))
    }

    var last: Int { sent.last?.exchange ?? 0 }
    func exchange(_ method: RemoteRequest.Method) -> Int { sent.last { $0.method == method }?.exchange ?? 0 }
    var bodies: [String] { sent.map { String(decoding: $0.body, as: UTF8.self) } }

    static func modern() throws -> Bench {
        var bench = try Bench()
        bench.start()
        bench.head(json)
        try bench.message(discoverResult)
        bench.said = []
        return bench
    }

    /// With a session and an open GET stream.
    static func legacy() throws -> Bench {
        var bench = try Bench(.serve(.legacy))
        bench.start()
        bench.head(RemoteHead(status: 200, content: .json, sessionID: Array("S1".utf8)))
        try bench.message(initializeResult)
        bench.head(accepted, bench.exchange(.post))
        bench.head(events, bench.exchange(.get))
        bench.said = []
        return bench
    }

    var failures: [UInt64] {
        said.compactMap { action in
            if case .failed(let call, _) = action { return call }
            return nil
        }
    }
}

// MARK: Handshakes

@Test("a modern server is asked once and serves at once")
func remoteModern() throws {
    var bench = try Bench()
    bench.start()
    #expect(bench.sent[0].method == .post)
    #expect(bench.sent[0].value("Mcp-Method") == "server/discover")
    #expect(bench.sent[0].value("MCP-Protocol-Version") == "2026-07-28")
    #expect(bench.sent[0].value("Accept") == "application/json, text/event-stream")
    #expect(bench.head(json) == .json)
    #expect(try bench.message(discoverResult) == .consumed)
    guard case .serves(.modern, let profile)? = bench.said.last else {
        Issue.record("does not serve: \(bench.said)")
        return
    }
    #expect(profile.offers == .tools)
    #expect(bench.sent.count == 1)
    #expect(bench.client.verdict == .modern)
}

@Test(
    "a server that knows no server/discover is initialized: session, notification, stream",
    arguments: [400, 404, 405, 406, 415])
func remoteLegacy(_ status: Int) throws {
    var bench = try Bench()
    bench.start()
    if status == 404 {
        bench.head(RemoteHead(status: 200, content: .json))
        try bench.message(unknownMethod)
    } else if status == 400 {
        bench.head(RemoteHead(status: 400, content: .json))
        bench.end()
    } else {
        bench.head(RemoteHead(status: status, content: .other))
    }
    #expect(bench.bodies[1].contains(#""method":"initialize""#))
    #expect(bench.sent[1].value("MCP-Protocol-Version") == nil)
    #expect(bench.head(RemoteHead(status: 200, content: .events, sessionID: Array("S1".utf8))) == .events)
    try bench.message(initializeResult)
    #expect(bench.bodies[2].contains("notifications/initialized"))
    #expect(bench.sent[2].value("Mcp-Session-Id") == "S1")
    #expect(bench.sent[2].value("MCP-Protocol-Version") == "2025-11-25")
    #expect(bench.sent[3].method == .get)
    #expect(bench.sent[3].value("Mcp-Session-Id") == "S1")
    #expect(bench.sent[3].value("Last-Event-ID") == nil)
    guard case .serves(.legacy, _)? = bench.said.last else {
        Issue.record("does not serve: \(bench.said)")
        return
    }
    #expect(bench.client.openingStream == bench.exchange(.get))
    // A server without sessions or streams is as good.
    bench.head(RemoteHead(status: 405, content: .none), bench.exchange(.get))
    #expect(bench.client.openingStream == nil)
    bench.call(7)
    #expect(bench.head(json) == .json)
    #expect(try bench.message(callResult) == .deliver(call: 7))
    bench.end()
    #expect(bench.failures.isEmpty)
}

@Test("a server that knows neither is looked for with the GET of the old transport")
func remoteOldTransport() throws {
    var bench = try Bench()
    bench.start()
    bench.head(RemoteHead(status: 404, content: .other))
    bench.head(RemoteHead(status: 405, content: .other))
    #expect(bench.sent[2].method == .get)
    #expect(bench.sent[2].value("Accept") == "text/event-stream")
    #expect(bench.head(events) == .events)
    let stream = bench.last
    bench.take("/messages?s=1".raw { bench.client.endpoint(stream, $0, now: bench.now) })
    #expect(bench.sent[3].url.description == "https://h/messages?s=1")
    #expect(bench.head(accepted) == .ignore)
    bench.end()
    #expect(try bench.message(initializeResult, stream) == .consumed)
    #expect(bench.sent[4].url.description == "https://h/messages?s=1")
    #expect(bench.sent[4].value("MCP-Protocol-Version") == nil)
    guard case .serves(.oldSSE, _)? = bench.said.last else {
        Issue.record("does not serve: \(bench.said)")
        return
    }
    bench.call(7)
    bench.head(accepted)
    bench.end()
    #expect(try bench.message(callResult, stream) == .deliver(call: nil))
    bench.call(8)
    bench.head(accepted)
    _ = bench.client.forget(7)
    // The stream is the session: with it goes what is under way.
    bench.end(stream, "reset")
    #expect(bench.failures == [8])
    #expect(bench.said.contains(.down("reset")))
    bench.wait(BridgeLimits.retryFirstMilliseconds)
    #expect(bench.sent.last?.method == .post)
}

@Test("an endpoint at another origin is refused", arguments: ["https://evil/x", "http://h/x", "//evil/x"])
func remoteForeignEndpoint(_ endpoint: String) throws {
    var bench = try Bench(oldTransport: true)
    bench.start()
    bench.head(events)
    bench.take(endpoint.raw { bench.client.endpoint(bench.last, $0, now: bench.now) })
    guard case .gaveUp(let reason)? = bench.said.last else {
        Issue.record("followed: \(bench.said)")
        return
    }
    #expect(reason.contains("another origin"))
    #expect(bench.sent.count == 1)
}

@Test(
    "what cannot be reached, or is not allowed, says nothing about its era", arguments: [500, 502, 503, 429])
func remoteTransient(_ status: Int) throws {
    var bench = try Bench()
    bench.start()
    bench.head(RemoteHead(status: status, content: .json, retryAfterSeconds: 2))
    #expect(bench.said == [.close(exchange: 1), .down("it answers with status \(status)")])
    bench.wait(1999)
    #expect(bench.sent.count == 1)
    bench.wait(1)
    #expect(bench.bodies[1].contains("server/discover"))
    bench.end(nil, "connection refused")
    bench.wait(10_000)
    #expect(bench.bodies[2].contains("server/discover"))
    // A server that never answers is given up, and asked again.
    bench.wait(BridgeLimits.remoteHandshakeSeconds * 1000)
    #expect(bench.said.last == .down("it did not answer in time"))
    #expect(bench.client.verdict == nil)
}

@Test("401 and 403 are for whoever has the credentials", arguments: [401, 403])
func remoteUnauthorized(_ status: Int) throws {
    var bench = try Bench()
    bench.start()
    bench.head(RemoteHead(status: status, content: .json, challenge: "Bearer x"))
    #expect(bench.said.last == .needsAuthorization(challenge: "Bearer x"))
    bench.start()
    #expect(bench.sent.count == 2)
}

@Test("a server that refuses the revision that it names is asked once more")
func remoteContradiction() throws {
    let refusal =
        #"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"x","data":{"supported":["2026-07-28"]}}}"#
    var bench = try Bench(.probe)
    bench.start()
    bench.head(RemoteHead(status: 400, content: .json))
    try bench.message(refusal)
    #expect(bench.sent.count == 2 && bench.bodies[1].contains("server/discover"))
    var convinced = bench
    convinced.head(json)
    try convinced.message(discoverResult)
    guard case .serves(.modern, _)? = convinced.said.last else {
        Issue.record("does not serve: \(convinced.said)")
        return
    }
    bench.head(RemoteHead(status: 400, content: .json))
    try bench.message(refusal)
    #expect(bench.said.last == .gaveUp(DiscoverAnswer.contradiction))
}

@Test("a modern-only server that an older plan met is found out by its refusal")
func remoteReprobe() throws {
    var bench = try Bench(.probe)
    bench.start()
    bench.head(RemoteHead(status: 404, content: .other))
    bench.head(RemoteHead(status: 400, content: .json))
    try bench.message(
        #"{"jsonrpc":"2.0","id":2,"error":{"code":-32022,"message":"x","data":{"supported":["2026-07-28"]}}}"#
    )
    #expect(bench.bodies[2].contains("server/discover"))
    bench.head(RemoteHead(status: 404, content: .other))
    bench.head(RemoteHead(status: 400, content: .json))
    try bench.message(#"{"jsonrpc":"2.0","id":2,"error":{"code":-32022,"message":"x"}}"#)
    #expect(bench.sent.last?.method == .get)
}

// MARK: Calls

@Test("a modern call carries its headers, wrapped where they are not plain")
func remoteModernCall() throws {
    var bench = try Bench.modern()
    bench.take(
        bench.client.call(
            7, body: callBody, method: .resourcesRead, name: Array("ü://x".utf8),
            mirrored: [.init(name: "Mcp-Param-Region", value: Array("eu".utf8))], isRepeatable: true))
    let request = try #require(bench.sent.last)
    #expect(request.value("Mcp-Method") == "resources/read")
    #expect(request.value("Mcp-Name") == "=?base64?w7w6Ly94?=")
    #expect(request.value("Mcp-Param-Region") == "eu")
    #expect(request.value("Mcp-Session-Id") == nil)
    #expect(request.body == callBody)
    #expect(bench.head(events) == .events)
    let progress =
        #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":1}}"#
    #expect(try bench.message(progress) == .deliver(call: 7))
    #expect(try bench.message(callResult) == .deliver(call: 7))
    bench.end()
    #expect(bench.failures.isEmpty)
}

@Test("only what changes nothing is sent again, and only so often")
func remoteRetries() throws {
    var bench = try Bench.modern()
    bench.call(7)
    bench.end(nil, "reset")
    #expect(bench.failures == [7])
    bench.call(8, repeatable: true)
    for _ in 1..<BridgeLimits.attemptsMax {
        let before = bench.sent.count
        bench.head(RemoteHead(status: 503, content: .other))
        bench.wait(10_000)
        #expect(bench.sent.count == before + 1)
    }
    #expect(bench.failures == [7])
    bench.head(RemoteHead(status: 503, content: .other))
    #expect(bench.failures == [7, 8])
}

@Test("an error of a modern server is a message under any status")
func remoteErrorStatus() throws {
    var bench = try Bench.modern()
    bench.call(7)
    #expect(bench.head(RemoteHead(status: 400, content: .json)) == .json)
    #expect(
        try bench.message(#"{"jsonrpc":"2.0","id":9,"error":{"code":-32602,"message":"x"}}"#)
            == .deliver(call: 7))
    bench.call(8)
    #expect(bench.head(RemoteHead(status: 404, content: .other)) == .ignore)
    #expect(bench.failures == [8])
    bench.call(9)
    #expect(bench.head(RemoteHead(status: 200, content: .other)) == .ignore)
    #expect(bench.failures == [8, 9])
}

@Test("headers that do not mirror the arguments are computed anew")
func remoteHeaderMismatch() throws {
    var bench = try Bench.modern()
    bench.call(7)
    bench.head(RemoteHead(status: 400, content: .json))
    #expect(
        try bench.message(#"{"jsonrpc":"2.0","id":9,"error":{"code":-32020,"message":"x"}}"#) == .consumed)
    #expect(bench.said.last == .mirrorAgain(call: 7))
}

@Test("a modern call is cancelled by its stream's end, a legacy one by a notification")
func remoteCancel() throws {
    let notice = Array(#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#.utf8)
    var modern = try Bench.modern()
    modern.call(7)
    modern.take(modern.client.cancel(7, notice: notice))
    #expect(modern.said == [.close(exchange: 2)])
    #expect(modern.sent.count == 2)
    var legacy = try Bench.legacy()
    legacy.call(7)
    let exchange = legacy.last
    legacy.take(legacy.client.cancel(7, notice: notice))
    #expect(legacy.sent.last?.body == notice)
    #expect(legacy.said == [.close(exchange: exchange)])
}

// MARK: Sessions and streams

@Test("a lost session is opened anew once; what may be repeated goes on in it")
func remoteSessionLost() throws {
    var bench = try Bench.legacy()
    bench.call(7, repeatable: true)
    bench.call(8)
    let second = bench.last
    bench.head(RemoteHead(status: 404, content: .json), second - 1)
    bench.head(RemoteHead(status: 404, content: .json), second)
    #expect(bench.bodies.filter { $0.contains(#""method":"initialize""#) }.count == 2)
    #expect(bench.failures == [8])
    #expect(bench.sent.last?.value("Mcp-Session-Id") == nil)
    bench.head(RemoteHead(status: 200, content: .json, sessionID: Array("S2".utf8)))
    try bench.message(initializeResult)
    let again = try #require(bench.sent.last)
    #expect(again.body == callBody)
    #expect(again.value("Mcp-Session-Id") == "S2")
    bench.head(json)
    #expect(try bench.message(callResult) == .deliver(call: 7))
    // The new stream begins after a gap.
    #expect(bench.client.openingStream == bench.exchange(.get))
    bench.head(events, bench.exchange(.get))
    #expect(bench.client.openingStream == nil)
    #expect(bench.said.last == .gap)
}

@Test("a broken GET stream is opened again where it broke, or after a gap")
func remoteStreamResumed() throws {
    var bench = try Bench.legacy()
    "e5".raw { bench.client.noted(bench.exchange(.get), eventID: $0, retryMilliseconds: 3000) }
    bench.end(bench.exchange(.get), "reset")
    let before = bench.sent.count
    bench.wait(2999)
    #expect(bench.sent.count == before)
    bench.wait(1)
    #expect(bench.sent.last?.value("Last-Event-ID") == "e5")
    bench.head(events)
    #expect(!bench.said.contains(.gap))
    // A stream without ids cannot be resumed.
    var plain = try Bench.legacy()
    plain.end(plain.exchange(.get))
    plain.wait(BridgeLimits.retryFirstMilliseconds)
    #expect(plain.sent.last?.value("Last-Event-ID") == nil)
    plain.head(events)
    #expect(plain.said.last == .gap)
}

@Test("a call whose stream the server closed goes on by its last event")
func remoteCallResumed() throws {
    var bench = try Bench.legacy()
    bench.call(7)
    bench.head(events)
    "e1".raw { bench.client.noted(bench.last, eventID: $0, retryMilliseconds: 100) }
    bench.end()
    #expect(bench.failures.isEmpty)
    bench.wait(100)
    let resumed = try #require(bench.sent.last)
    #expect(resumed.method == .get)
    #expect(resumed.value("Last-Event-ID") == "e1")
    #expect(bench.head(events) == .events)
    #expect(try bench.message(callResult) == .deliver(call: 7))
    bench.end()
    #expect(bench.failures.isEmpty)
    // Without an id the call is lost.
    bench.call(8)
    bench.head(events)
    bench.end()
    #expect(bench.failures == [8])
    // A stream that never says anything more is not resumed for ever.
    bench.call(9)
    bench.head(events)
    "e2".raw { bench.client.noted(bench.last, eventID: $0, retryMilliseconds: nil) }
    for _ in 0..<BridgeLimits.resumptionsMax {
        bench.end()
        bench.wait(100)
        bench.head(events)
    }
    #expect(bench.failures == [8])
    bench.end()
    #expect(bench.failures == [8, 9])
}

@Test("the server's requests on a call's stream belong to the call; answers are posted")
func remotePush() throws {
    var bench = try Bench.legacy()
    bench.call(7)
    bench.head(events)
    let ask = #"{"jsonrpc":"2.0","id":0,"method":"roots/list"}"#
    #expect(try bench.message(ask) == .deliver(call: 7))
    #expect(try bench.message(ask, bench.exchange(.get)) == .deliver(call: nil))
    bench.take(bench.client.notify(Array("{}".utf8)))
    #expect(bench.sent.last?.method == .post)
    #expect(bench.sent.last?.value("Mcp-Session-Id") == "S1")
}

@Test("a session is given back at the end, and nothing more is asked")
func remoteStop() throws {
    var bench = try Bench.legacy()
    bench.call(7)
    bench.take(bench.client.stop())
    #expect(bench.sent.last?.method == .delete)
    #expect(bench.sent.last?.value("Mcp-Session-Id") == "S1")
    bench.head(RemoteHead(status: 404, content: .none))
    bench.end()
    bench.wait(100_000)
    #expect(bench.client.stop().isEmpty)
    var modern = try Bench.modern()
    modern.take(modern.client.stop())
    #expect(modern.sent.count == 1)
}

// MARK: Redirects

@Test("a redirect is followed at the same origin with the same request, so often")
func remoteRedirect() throws {
    var bench = try Bench.modern()
    bench.call(7)
    for i in 0..<BridgeLimits.redirectsMax {
        bench.head(RemoteHead(status: i % 2 == 0 ? 307 : 308, content: .none, location: "/v\(i)"))
        #expect(bench.sent.last?.url.description == "https://h/v\(i)")
        #expect(bench.sent.last?.body == callBody)
    }
    bench.head(RemoteHead(status: 307, content: .none, location: "/more"))
    #expect(bench.failures == [7])
}

@Test(
    "a redirect elsewhere, or one that changes the method, is not followed",
    arguments: [
        (307, "https://evil/"), (308, "http://h/mcp"), (307, "https://169.254.169.254/"), (301, "/x"),
        (302, "/x"),
        (303, "/x"), (307, "file:///etc/passwd"), (307, "/a b"),
    ])
func remoteRedirectRefused(_ status: Int, _ location: String) throws {
    var bench = try Bench.modern()
    bench.call(7)
    let before = bench.sent.count
    bench.head(RemoteHead(status: status, content: .none, location: location))
    #expect(bench.sent.count == before)
    #expect(bench.failures == [7])
}

// MARK: Heads

@Test("a response's head is read for what matters")
func remoteHead() throws {
    func head(_ fields: String) throws -> RemoteHead {
        let text = "HTTP/1.1 200 OK\r\n\(fields)\r\n"
        return try text.raw { bytes in
            var resumeAt = 0
            let head = try ResponseParser.parse(bytes, resumeAt: &resumeAt)
            return RemoteHead(try #require(head), in: bytes)
        }
    }
    #expect(try head("Content-Type: Text/Event-Stream; charset=utf-8\r\n").content == .events)
    #expect(try head("Content-Type: application/problem+json\r\n").content == .json)
    #expect(try head("Content-Type: text/html\r\n").content == .other)
    #expect(try head("Content-Length: 0\r\nContent-Type: application/json\r\n").content == .none)
    #expect(try head("Content-Type: application/json\r\nContent-Encoding: gzip\r\n").content == .other)
    #expect(try head("Mcp-Session-Id: a-b\r\n").sessionID == Array("a-b".utf8))
    #expect(try head("Mcp-Session-Id: a b\r\n").sessionID == nil)
    #expect(try head("Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n").sessionID == nil)
    #expect(try head("Retry-After: 7\r\n").retryAfterSeconds == 7)
    #expect(try head("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n").retryAfterSeconds == nil)
    #expect(try head("Location: /x\r\nWWW-Authenticate: Bearer\r\n").location == "/x")
}

@Test(
    "header values are plain where they can be, wrapped where they must",
    arguments: [
        ("a", "a"), ("a b", "a b"), (" a", "=?base64?IGE=?="), ("a\t", "=?base64?YQk=?="),
        ("ü", "=?base64?w7w=?="),
        ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="), ("", "=?base64??="),
        ("a\nb", "=?base64?YQpi?="),
    ])
func headerValues(_ value: String, _ expected: String) {
    let encoded = HeaderValue.encoded(Array(value.utf8))
    #expect(String(decoding: encoded, as: UTF8.self) == expected)
    let verdict = encoded.withUnsafeBytes { header in value.raw { HeaderValue.compare(header, to: $0) } }
    #expect(verdict == .equal)
}
