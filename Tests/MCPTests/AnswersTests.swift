import Testing
import Wire

@testable import MCP

private let me = Implementation(name: "mcp-gateway", title: "MCP \"gateway\"", version: "1.0.0")

@Test(
    "initialize answers with the negotiated revision and what that revision knows",
    arguments: Revision.allCases.filter(\.isHandshake))
func initializeAnswer(_ revision: Revision) throws {
    let answers = Answers(me, instructions: "Use\nme.")
    let value = try json { sink in
        #""i-1""#.raw { answers.initialize(id: $0, revision: revision, into: &sink) }
    }
    #expect(value["jsonrpc"] == "2.0")
    #expect(value["id"] == "i-1")
    let result = try #require(value["result"])
    #expect(result["protocolVersion"]?.stringValue == "\(revision.text)")
    #expect(result["serverInfo"]?["name"] == "mcp-gateway")
    #expect(result["serverInfo"]?["version"] == "1.0.0")
    #expect(result["serverInfo"]?["title"] == "MCP \"gateway\"")
    #expect(result["instructions"] == "Use\nme.")
    for list in ["tools", "prompts", "resources"] {
        #expect(result["capabilities"]?[list]?["listChanged"] == true)
    }
    #expect(result["capabilities"]?["logging"] == .object(JSONObject()))
    #expect((result["capabilities"]?["completions"] != nil) == (revision >= .v2025_03_26))
    #expect(result["capabilities"]?["resources"]?["subscribe"] == true)
    #expect(result["resultType"] == nil)
}

@Test("subscriptions are offered only where a server may have them")
func subscriptionsOffered() throws {
    let hello = try json { sink in
        "1".raw { Answers(me).initialize(id: $0, revision: .v2025_11_25, subscribes: false, into: &sink) }
    }
    let resources = try #require(hello["result"]?["capabilities"]?["resources"])
    #expect(resources["subscribe"] == nil)
    #expect(resources["listChanged"] == true)
    let discovered = try json { sink in
        "1".raw { Answers(me).discover(id: $0, subscribes: false, into: &sink) }
    }
    #expect(discovered["result"]?["capabilities"]?["resources"]?["subscribe"] == nil)
}

@Test("server/discover has every member that 2026-07-28 requires")
func discoverAnswer() throws {
    let value = try json { sink in "1".raw { Answers(me).discover(id: $0, into: &sink) } }
    let result = try #require(value["result"])
    #expect(result["resultType"] == "complete")
    #expect(result["supportedVersions"] == ["2026-07-28"])
    #expect(result["cacheScope"] == "private")
    #expect(result["ttlMs"] == 60000)
    #expect(result["capabilities"]?["tools"]?["listChanged"] == true)
    #expect(result["capabilities"]?["completions"] != nil)
    #expect(result["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "mcp-gateway")
    #expect(result["instructions"] == nil)
}

@Test("empty results are {} exactly for sessions, typed for stateless requests")
func emptyAnswers() {
    #expect(
        text { sink in "1".raw { Answers.empty(id: $0, isModern: false, into: &sink) } }
            == #"{"jsonrpc":"2.0","id":1,"result":{}}"#)
    #expect(
        text { sink in "1".raw { Answers.empty(id: $0, isModern: true, into: &sink) } }
            == #"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete"}}"#)
}

@Test("no completions is a legal completion", arguments: [true, false])
func noCompletions(_ isModern: Bool) throws {
    let value = try json { sink in "1".raw { Answers.noCompletions(id: $0, isModern: isModern, into: &sink) }
    }
    #expect(value["result"]?["completion"]?["values"] == [])
    #expect((value["result"]?["resultType"] != nil) == isModern)
}

@Test("long instructions are cut at a character")
func longInstructions() throws {
    let long = String(repeating: "é", count: MCPLimits.instructionsBytesMax)
    let value = try json { sink in
        "1".raw { Answers(me, instructions: long).discover(id: $0, into: &sink) }
    }
    #expect(value["result"]?["instructions"]?.stringValue?.utf8.count == MCPLimits.instructionsBytesMax)
}

@Test("what is sent to a child is one line of JSON-RPC each")
func southLines() throws {
    let lines: [(String, JSONValue)] = [
        (
            text { SouthLine.initialize(id: 0, client: me, into: &$0) },
            [
                "jsonrpc": "2.0", "id": 0, "method": "initialize",
                "params": [
                    "protocolVersion": "2025-11-25", "capabilities": [:],
                    "clientInfo": ["name": "mcp-gateway", "title": "MCP \"gateway\"", "version": "1.0.0"],
                ],
            ]
        ),
        (
            text { SouthLine.initialized(into: &$0) },
            ["jsonrpc": "2.0", "method": "notifications/initialized"]
        ),
        (
            text { SouthLine.list(.tools, id: 3, into: &$0) },
            ["jsonrpc": "2.0", "id": 3, "method": "tools/list"]
        ),
        (
            text { sink in #""c\"1""#.raw { SouthLine.list(.templates, id: 3, cursor: $0, into: &sink) } },
            ["jsonrpc": "2.0", "id": 3, "method": "resources/templates/list", "params": ["cursor": "c\"1"]]
        ),
        (
            text { SouthLine.watch(.subscribe, "a://\"b", id: 4, into: &$0) },
            ["jsonrpc": "2.0", "id": 4, "method": "resources/subscribe", "params": ["uri": "a://\"b"]]
        ),
        (text { SouthLine.ping(id: 9, into: &$0) }, ["jsonrpc": "2.0", "id": 9, "method": "ping"]),
        (
            text { SouthLine.setLevel(.warning, id: 9, into: &$0) },
            ["jsonrpc": "2.0", "id": 9, "method": "logging/setLevel", "params": ["level": "warning"]]
        ),
        (
            text { SouthLine.cancelled(id: 5, into: &$0) },
            ["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": 5]]
        ),
        (
            text { sink in #""no""#.raw { SouthLine.cancelled(id: 5, reason: $0, into: &sink) } },
            [
                "jsonrpc": "2.0", "method": "notifications/cancelled",
                "params": ["requestId": 5, "reason": "no"],
            ]
        ),
        (
            text { sink in "7".raw { SouthLine.cancelled(id: 5, reason: $0, into: &sink) } },
            ["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": 5]]
        ),
        (
            text { sink in #""p""#.raw { SouthLine.answer(.ping, id: $0, into: &sink) } },
            ["jsonrpc": "2.0", "id": "p", "result": [:]]
        ),
    ]
    for (line, expected) in lines {
        #expect(line.hasSuffix("}\n"))
        #expect(line.utf8.filter { $0 == 0x0A }.count == 1)
        #expect(try JSONValue.parse(line) == expected)
    }
}

@Test(
    "a child that asks for what nobody declared is told so",
    arguments: [
        (MethodName.createMessage, "sampling"), (.elicit, "elicitation"), (.rootsList, "roots"),
        (.unknown, "method"),
    ])
func childRequests(_ method: MethodName, _ word: String) throws {
    let value = try JSONValue.parse(
        text { sink in "8".raw { SouthLine.answer(method, id: $0, into: &sink) } })
    #expect(value["id"] == 8)
    #expect(value["error"]?["code"] == -32601)
    #expect(value["error"]?["message"]?.stringValue?.contains(word) == true)
}

@Test(
    "the reason of a cancellation is taken when it is a string",
    arguments: [
        (#"{"requestId":1,"reason":"x"}"#, #""x""#), (#"{"requestId":1}"#, nil),
        (#"{"requestId":1,"reason":{}}"#, nil),
    ] as [(String, String?)])
func cancelReasons(_ params: String, _ expected: String?) throws {
    let message = try Message(#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":\#(params)}"#)
    let reason = message.with { SouthLine.cancelReason($0, $1).map { String(decoding: $0, as: UTF8.self) } }
    #expect(reason == expected)
}

@Test("a child's profile is what it answered to initialize")
func childProfile() throws {
    let profile = try
        #"{"protocolVersion":"2025-03-26","capabilities":{"tools":{},"resources":{"subscribe":true},"logging":{},"prompts":null},"serverInfo":{"name":"x"},"instructions":"a\nb"}"#
        .raw { raw in try ChildProfile(result: raw) }
    #expect(profile.revision == .v2025_03_26)
    #expect(profile.offers == [.tools, .resources, .subscriptions, .logging])
    #expect(ListKind.allCases.filter { profile.offers.includes($0) } == [.tools, .resources, .templates])
    #expect(String(decoding: profile.serverInfo, as: UTF8.self) == #"{"name":"x"}"#)
    #expect(profile.instructions == "a\nb")
}

@Test(
    "a child of an unknown or modern revision is refused with its name",
    arguments: [
        #"{"protocolVersion":"2026-07-28"}"#, #"{"protocolVersion":"1"}"#, #"{"protocolVersion":7}"#, "{}",
        "7",
    ])
func childRefused(_ result: String) {
    #expect(throws: RPCFailure.self) { try result.raw { try ChildProfile(result: $0) } }
}

@Test("a listen stream acknowledges what is honoured and tags everything with its id")
func listening() throws {
    let filter =
        #"{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a"],"resourcesListChanged":true}"#
        .raw { ListenFilter(object: $0) }
    #expect(filter == [.tools, .resources])
    #expect(ListKind.allCases.filter { filter.includes($0) } == [.tools, .resources, .templates])
    try #""L1""#.raw { id in
        let acknowledged = try json { ListChange.acknowledge(filter, subscription: id, into: &$0) }
        #expect(acknowledged["method"] == "notifications/subscriptions/acknowledged")
        #expect(
            acknowledged["params"]?["notifications"] == [
                "toolsListChanged": true, "resourcesListChanged": true,
            ])
        let changed = try json { ListChange.notify(.prompts, subscription: id, into: &$0) }
        #expect(changed["method"] == "notifications/prompts/list_changed")
        let ended = try json { ListChange.end(subscription: id, into: &$0) }
        #expect(ended["id"] == "L1")
        #expect(ended["result"]?["resultType"] == "complete")
        for params in [acknowledged["params"], changed["params"], ended["result"]] {
            #expect(params?["_meta"]?["io.modelcontextprotocol/subscriptionId"] == "L1")
        }
        let none = try json { ListChange.acknowledge([], subscription: id, into: &$0) }
        #expect(none["params"]?["notifications"] == [:])
    }
    #expect(
        text { ListChange.notify(.templates, subscription: nil, into: &$0) }
            == #"{"jsonrpc":"2.0","method":"notifications/resources/list_changed"}"#)
}
