import Testing
import Wire

@testable import MCP

private let initialize =
    #"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2024-11-05","capabilities":{"roots":{}},"clientInfo":{"name":"c","version":"1"}}}"#

extension OldTransport {
    fileprivate mutating func posted(_ text: String, version: String? = nil) throws -> Verdict {
        let message = try Message(text)
        return message.with { envelope, body in
            guard let version else { return posted(envelope, body, headers: RoutingHeaders()) }
            return version.raw { posted(envelope, body, headers: RoutingHeaders(version: $0)) }
        }
    }

    fileprivate var isInitialized: Bool { revision != nil }
}

@Test("a session begins with initialize, once, and knows what it negotiated")
func oldSession() throws {
    var session = OldTransport()
    #expect(try session.posted(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#) == .request(.ping))
    guard case .refuse = try session.posted(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#) else {
        Issue.record("served before initialize")
        return
    }
    #expect(try session.posted(initialize) == .initialize)
    #expect(session.revision == .v2024_11_05)
    #expect(session.capabilities == .roots)
    guard case .refuse = try session.posted(initialize) else {
        Issue.record("initialized twice")
        return
    }
    #expect(try session.posted(#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#) == .request(.toolsList))
    #expect(
        try session.posted(#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            == .notification(.initialized))
    #expect(try session.posted(#"{"jsonrpc":"2.0","id":"gw-1","result":{}}"#) == .response)
}

@Test("a modern message has no place on the old transport, an array only in its revision")
func oldSessionEras() throws {
    var session = OldTransport()
    _ = try session.posted(initialize)
    let modern =
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
    guard case .refuse = try session.posted(modern, version: "2026-07-28") else {
        Issue.record("served")
        return
    }
    let array = #"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#
    guard case .refuse = try session.posted(array) else {
        Issue.record("2024-11-05 has no arrays")
        return
    }
    var newer = OldTransport()
    _ = try newer.posted(initialize.replacing("2024-11-05", with: "2025-03-26"))
    #expect(try newer.posted(array) == .batch)
}

@Test(
    "the session of a POST stands in its query, once",
    arguments: [
        ("session_id=abc", "abc"), ("a=b&session_id=abc&c", "abc"), ("", nil), ("session_id", nil),
        ("xsession_id=a", nil),
        ("session_id=a&session_id=b", nil), ("session_id=", ""), ("SESSION_ID=a", nil),
        ("&&session_id=q", "q"),
    ] as [(String, String?)])
func oldSessionQuery(_ query: String, _ expected: String?) {
    let found = query.raw { OldTransport.session(inQuery: $0).map { String(decoding: $0, as: UTF8.self) } }
    #expect(found == expected)
}

@Test("messages are posted beside the stream")
func oldMessages() {
    #expect(OldTransport.messages(beside: "/sandbox/x/sse") == "/sandbox/x/messages")
    #expect(OldTransport.messages(beside: "/sse/") == "/messages")
}

@Test("the endpoint is a path at this origin")
func oldEndpoint() {
    let data = OldTransport.endpoint(path: "/sandbox/x/messages", session: Array("gw1.A-_9".utf8))
    #expect(String(decoding: data, as: UTF8.self) == "/sandbox/x/messages?session_id=gw1.A-_9")
}

@Test("the answers to an array come back as one, when the last is there")
func batchAnswers() throws {
    var answers = BatchAnswers(requests: 3)
    #expect("1".raw { answers.add($0) } == nil)
    #expect("2".raw { answers.add($0) } == nil)
    let whole = "3".raw { answers.add($0) }
    #expect(whole.map { String(decoding: $0, as: UTF8.self) } == "[1,2,3]")
    #expect(answers.isComplete)
    #expect("4".raw { answers.add($0) } == nil)
    #expect(BatchAnswers(requests: 0).isComplete)
}
