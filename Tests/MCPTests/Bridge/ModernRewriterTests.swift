import Testing
import Wire

@testable import MCP

private let gateway = Implementation(name: "g", title: "G", version: "1")

private func envelope(_ capabilities: ClientCapabilities = [], _ level: LogLevel? = nil) -> ModernEnvelope {
    ModernEnvelope(client: gateway, capabilities: capabilities, logLevel: level)
}

private func enveloped(
    _ body: String, _ method: MethodName, _ target: SouthTarget = .unchanged,
    members: ModernEnvelope = envelope(), round: ModernRewriter.Round = .init()
) throws -> JSONValue {
    let message = try Message(body)
    return try json { sink in
        message.with { envelope, body in
            ModernRewriter.envelope(
                body, envelope, method: method, id: 41, target: target, adding: members, round: round,
                into: &sink)
        }
    }
}

private func relayed(_ body: String, _ method: MethodName, state: [UInt8]? = nil) throws -> String {
    let message = try Message(body)
    return text { sink in
        message.with { envelope, body in
            ModernRewriter.relay(
                body, envelope, method: method, id: 41, target: .unchanged, state: state, into: &sink)
        }
    }
}

private let version = "io.modelcontextprotocol/protocolVersion"
private let capabilities = "io.modelcontextprotocol/clientCapabilities"

@Test(
    "a legacy request gets the envelope whatever its params are",
    arguments: [
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        #"{"jsonrpc":"2.0","method":"tools/list","id":1}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{ } }"#,
        #"{"jsonrpc":"2.0","id":1,"params":{"a":1},"method":"tools/list"}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"x":1}}}"#,
        #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}}"#,
    ])
func envelopeAdded(_ body: String) throws {
    let value = try enveloped(body, .toolsList, members: envelope([.sampling, .elicitationForm], .warning))
    #expect(value["id"] == 41)
    #expect(value["method"] == "tools/list")
    let meta = value["params"]?["_meta"]
    #expect(meta?[version] == "2026-07-28")
    #expect(meta?[capabilities] == ["sampling": [:], "elicitation": [:]])
    #expect(meta?["io.modelcontextprotocol/clientInfo"]?["name"] == "g")
    #expect(meta?["io.modelcontextprotocol/logLevel"] == "warning")
    #expect(meta?["progressToken"] == nil)
    if body.contains(#""x":1"#) { #expect(meta?["x"] == 1) }
    if body.contains(#""a":1"#) { #expect(value["params"]?["a"] == 1) }
}

@Test("a call keeps its arguments byte for byte; name and progress token are exchanged")
func envelopedCall() throws {
    let body =
        #"{"jsonrpc":"2.0","id":"q","method":"tools/call","params":{"name":"s_t","arguments":{"n":1.50},"#
        + #""_meta":{"progressToken":"p","traceparent":"00-a"}}}"#
    let message = try Message(body)
    let written = text { sink in
        message.with { envelope, body in
            #""t""#.raw { name in
                ModernRewriter.envelope(
                    body, envelope, method: .toolsCall, id: 41, target: .renamed(name),
                    adding: modern, into: &sink)
            }
        }
    }
    #expect(written.contains(#""arguments":{"n":1.50}"#))
    #expect(written.contains(#""name":"t""#))
    #expect(written.contains(#""progressToken":41,"traceparent":"00-a","io.modelcontextprotocol/"#))
    #expect(!written.hasSuffix("\n"))
}

private let modern = envelope()

@Test("a retry carries the responses and the server's state, and nothing of the first round is lost")
func envelopedRetry() throws {
    let round = ModernRewriter.Round(
        responses: Array(#"{"k":{"action":"accept"}}"#.utf8), state: Array(#""s\u0000t""#.utf8))
    for params in [#","params":{"name":"t","_meta":{"progressToken":1}}"#, #","params":{}"#, ""] {
        let value = try enveloped(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call"\#(params)}"#, .toolsCall, round: round)
        #expect(value["params"]?["inputResponses"] == ["k": ["action": "accept"]])
        #expect(value["params"]?["requestState"] == "s\u{0}t")
        #expect(value["params"]?["_meta"]?[version] == "2026-07-28")
        if params.contains("name") { #expect(value["params"]?["name"] == "t") }
    }
}

@Test("line breaks of a pretty body do not reach a line-framed server")
func envelopedLineBreaks() throws {
    let message = try Message(
        "{\n\"jsonrpc\":\"2.0\",\r\n\"id\":1,\"method\":\"tools/call\",\"params\":{\n\"name\":\"t\"\n}}")
    let written = text { sink in
        message.with { envelope, body in
            ModernRewriter.envelope(
                body, envelope, method: .toolsCall, id: 1, target: .unchanged, adding: modern, into: &sink)
        }
    }
    #expect(!written.contains("\n") && !written.contains("\r"))
    _ = try JSONValue.parse(written)
}

private func modernBody(_ capabilities: String, _ rest: String = "") -> String {
    #"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{\#(rest)"name":"t","_meta":{"#
        + #""io.modelcontextprotocol/protocolVersion":"2026-07-28","#
        + #""io.modelcontextprotocol/clientCapabilities":\#(capabilities),"progressToken":7}}}"#
}

@Test("a modern request for a modern server changes its id and token only")
func relayUntouched() throws {
    let body = modernBody(#"{"elicitation":{"form":{}}}"#)
    let expected = body.replacing(#""id":7"#, with: #""id":41"#)
        .replacing(#""progressToken":7"#, with: #""progressToken":41"#)
    #expect(try relayed(body, .toolsCall) == expected)
}

@Test("extensions that need the gateway's help are not declared to a server; the UI extension is")
func relayTrimmed() throws {
    let body = modernBody(
        #"{"sampling":{"tools":{}},"experimental":{"a":{}},"extensions":{"io.modelcontextprotocol/tasks":{},"#
            + #""io.modelcontextprotocol/ui":{"mimeTypes":["x"]}}}"#)
    let value = try JSONValue.parse(relayed(body, .toolsCall))
    #expect(
        value["params"]?["_meta"]?[capabilities] == [
            "sampling": ["tools": [:]], "extensions": ["io.modelcontextprotocol/ui": ["mimeTypes": ["x"]]],
        ])
}

@Test("requestState is exchanged or taken out wherever it stands")
func relayState() throws {
    for rest in [
        #""requestState":"g2.x","#, #""inputResponses":{},"requestState":"g2.x","#,
        #""requestState" : "g2.x" , "inputResponses":{},"#,
    ] {
        let body = modernBody("{}", rest)
        let replaced = try JSONValue.parse(relayed(body, .toolsCall, state: Array(#""own""#.utf8)))
        #expect(replaced["params"]?["requestState"] == "own")
        let removed = try JSONValue.parse(relayed(body, .toolsCall, state: []))
        #expect(removed["params"]?["requestState"] == nil)
        #expect(removed["params"]?["name"] == "t")
        #expect(try JSONValue.parse(relayed(body, .toolsCall))["params"]?["requestState"] == "g2.x")
    }
    let alone = #"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"requestState":"a"}}"#
    #expect(try JSONValue.parse(relayed(alone, .toolsCall, state: []))["params"] == [:])
    let last = #"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t","requestState":"a"}}"#
    #expect(try JSONValue.parse(relayed(last, .toolsCall, state: []))["params"] == ["name": "t"])
}

@Test("the gateway's own modern requests carry the envelope")
func modernLines() throws {
    let discover = try json { ModernLine.discover(id: 3, envelope: modern, into: &$0) }
    #expect(discover["method"] == "server/discover")
    #expect(discover["params"]?["_meta"]?[version] == "2026-07-28")
    let list = try json { sink in
        #""c""#.raw { ModernLine.list(.templates, id: 4, cursor: $0, envelope: modern, into: &sink) }
    }
    #expect(list["method"] == "resources/templates/list")
    #expect(list["params"]?["cursor"] == "c")
    let listen = try json {
        ModernLine.listen(
            [.tools, .resources], uris: [Array(#""a://b""#.utf8)], id: 5, envelope: modern, into: &$0)
    }
    #expect(
        listen["params"]?["notifications"] == [
            "toolsListChanged": true, "resourcesListChanged": true, "resourceSubscriptions": ["a://b"],
        ])
    #expect(listen["params"]?["_meta"]?[capabilities] == [:])
}

@Test(
    "capabilities come back as they were declared",
    arguments: [
        [], .sampling, [.sampling, .samplingTools], [.sampling, .samplingContext], .elicitationForm,
        .elicitationURL, [.elicitationForm, .elicitationURL], .roots, [.roots, .rootsListChanged],
        [.sampling, .samplingTools, .samplingContext, .elicitationForm, .elicitationURL, .roots],
    ] as [ClientCapabilities])
func capabilitiesRoundTrip(_ declared: ClientCapabilities) {
    let written = text { declared.write(into: &$0) }
    #expect(written.raw { ClientCapabilities(object: $0) } == declared)
}
