import System
import Testing
import Wire

@testable import MCP

private let me = Implementation(name: "gw", title: "gw", version: "1")

private func list(_ kind: ListKind, _ items: String...) throws -> ItemList {
    var list = ItemList(kind)
    let page = #"{"\#(kind.member)":[\#(items.joined(separator: ","))]}"#
    _ = try JSONValue.parse(page)
    #expect(page.raw { list.add(page: $0) } == .done)
    return list
}

private func tool(_ name: String, _ more: String = "") -> String {
    #"{"name":"\#(name)","inputSchema":{"type":"object"}\#(more)}"#
}

/// The pointer of `bytes` is good only while its owner is held.
private func contents(_ outbox: inout Outbox) -> [UInt8] {
    let taken = outbox.takeAll()
    return withExtendedLifetime(taken) { Array(taken.bytes) }
}

private func response(_ catalog: ListCatalog, _ kind: ListKind, modern: Bool) throws -> JSONValue {
    try "5".raw { id in
        var sink = ByteCollector()
        catalog.write(kind, isModern: modern, id: id, into: &sink)
        #expect(sink.bytes.count == catalog.responseByteCount(kind, isModern: modern, id: id))
        var outbox = Outbox(pool: ChunkPool())
        catalog.write(kind, isModern: modern, id: id, into: &outbox)
        #expect(contents(&outbox) == sink.bytes)
        return try JSONValue.parse(sink.bytes)
    }
}

private func names(_ catalog: ListCatalog, _ kind: ListKind, _ member: String = "name") throws -> [String] {
    try response(catalog, kind, modern: false)["result"]?["\(kind.member)"]?.arrayValue?
        .compactMap { $0[member]?.stringValue } ?? []
}

private func target(_ catalog: ListCatalog, _ body: String) throws -> (server: Int, line: String)? {
    let message = try Message(body)
    return message.with { envelope, bytes in
        let method = MethodName(envelope, in: bytes)
        guard let range = RequestRewriter.targetRange(envelope, method, bytes),
            let route = catalog.route(method, envelope, bytes, name: range.of(bytes))
        else { return nil }
        let line = text { sink in
            RequestRewriter.write(
                bytes, envelope, method: method, id: 1, target: route.target, dropsEnvelope: false,
                into: &sink)
        }
        return (route.server, line)
    }
}

private func read(_ uri: String) -> String {
    #"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"\#(uri)"}}"#
}

private func call(_ name: String) -> String {
    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(name)"}}"#
}

@Test("lists of both eras hold the required members, empty ones too", arguments: ListKind.allCases)
func emptyLists(_ kind: ListKind) throws {
    let catalog = ListCatalog(servers: [], options: .init(implementation: me))
    let legacy = try response(catalog, kind, modern: false)
    #expect(legacy["id"] == 5)
    #expect(legacy["result"]?.objectValue?.names == ["\(kind.member)"])
    #expect(legacy["result"]?["\(kind.member)"] == [])
    let modern = try response(catalog, kind, modern: true)
    #expect(modern["result"]?["resultType"] == "complete")
    #expect(modern["result"]?["ttlMs"] == 0)
    #expect(modern["result"]?["cacheScope"] == "private")
    #expect(modern["result"]?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "gw")
    #expect(modern["result"]?["\(kind.member)"] == [])
    #expect(modern["result"]?["nextCursor"] == nil)
}

@Test("items keep every byte but their name, in configured order")
func toolBytes() throws {
    let odd =
        #"{ "x\u0041":[1, 2.0], "inputSchema":{"$defs":{},"type":"object","properties":{"name":{}}},"name" : "b\u002d" ,"annotations":{}}"#
    let catalog = ListCatalog(
        servers: [
            .init(name: "s1", tools: try list(.tools, tool("a"), odd)), .init(name: "s2"),
            .init(name: "s3", tools: try list(.tools, tool("a", #","title":"é""#))),
        ], options: .init(implementation: me))
    let written = text { sink in "1".raw { catalog.write(.tools, isModern: false, id: $0, into: &sink) } }
    #expect(
        written == #"{"jsonrpc":"2.0","id":1,"result":{"tools":["#
            + tool("s1_a") + ","
            + #"{ "x\u0041":[1, 2.0], "inputSchema":{"$defs":{},"type":"object","properties":{"name":{}}},"name" : "s1_b-" ,"annotations":{}},"#
            + tool("s3_a", #","title":"é""#) + "]}}")
    #expect(catalog.count(.tools) == 3)
    #expect([0, 1, 2, 3].map { catalog.count(.tools, ofServer: $0) } == [2, 0, 1, 0])
    #expect(catalog.problems.isEmpty)
}

@Test("how a tool is executed is not shown, and every other byte is")
func toolExecution() throws {
    let tools = try list(
        .tools,
        #"{"name":"a", "execution":{"taskSupport":"required"} ,"inputSchema":{"type":"object"}}"#,
        #"{"execution":{"taskSupport":"optional"},"name":"b","inputSchema":{"type":"object"}}"#)
    #expect(tools.taskTools == ["a": .required, "b": .optional])
    let catalog = ListCatalog(servers: [.init(name: "s", tools: tools)], options: .init(implementation: me))
    let written = text { sink in "1".raw { catalog.write(.tools, isModern: false, id: $0, into: &sink) } }
    #expect(
        written
            == #"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"s_a" ,"inputSchema":{"type":"object"}},"#
            + #"{"name":"s_b","inputSchema":{"type":"object"}}]}}"#)
}

@Test("a call finds its server, and the name goes back to the server's own spelling")
func toolRoutes() throws {
    let catalog = ListCatalog(
        servers: [
            .init(name: "s1", tools: try list(.tools, tool(#"a\u0062"#), tool("s1_c"))),
            .init(name: "s2", tools: try list(.tools, tool("ab"), tool("x y"))),
        ], options: .init(implementation: me))
    #expect(try names(catalog, .tools) == ["s1_ab", "s1_c", "s2_ab", "s2_x_y"])
    let first = try #require(try target(catalog, call("s1_ab")))
    #expect(first.server == 0 && first.line.contains(#""name":"a\u0062""#))
    let escaped = try #require(try target(catalog, call(#"s2\u005fab"#)))
    #expect(escaped.server == 1 && escaped.line.contains(#""name":"ab""#))
    #expect(try target(catalog, call("s2_x_y"))?.line.contains(#""name":"x y""#) == true)
    #expect(try target(catalog, call("s1_c"))?.line.contains(#""name":"s1_c""#) == true)
    for wrong in ["ab", "s1_", "S1_ab", "s3_ab", "", "s1_ab "] {
        #expect(try target(catalog, call(wrong)) == nil)
    }
}

@Test("without prefixes the whole list is the server's, byte for byte")
func transparent() throws {
    let items = [tool(#"a\u0062"#), tool("weird name/é", #", "z":1 "#)]
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: try list(.tools, items[0], items[1]))],
        options: .init(implementation: me, prefix: .none))
    let written = text { sink in "1".raw { catalog.write(.tools, isModern: false, id: $0, into: &sink) } }
    #expect(written == #"{"jsonrpc":"2.0","id":1,"result":{"tools":[\#(items[0]),\#(items[1])]}}"#)
    #expect(try target(catalog, call("ab"))?.server == 0)
}

@Test("a filtered tool is neither listed nor found; prompts are not filtered")
func filtered() throws {
    let catalog = ListCatalog(
        servers: [
            .init(
                name: "s", tools: try list(.tools, tool("ok"), tool("rm")),
                prompts: try list(.prompts, #"{"name":"rm"}"#))
        ],
        options: .init(
            implementation: me,
            filter: ToolFilter(include: [NamePattern("s_*")], exclude: [NamePattern("*_rm")])))
    #expect(try names(catalog, .tools) == ["s_ok"])
    #expect(try target(catalog, call("s_rm")) == nil)
    #expect(try names(catalog, .prompts) == ["s_rm"])
}

@Test(
    "items that would spoil the list for everybody are left out and named",
    arguments: [
        (ListKind.tools, "7", "not an object"), (.tools, "{}", "name must be"),
        (.tools, #"{"name":""}"#, "name must be"),
        (.tools, #"{"name":7,"inputSchema":{"type":"object"}}"#, "name must be"),
        (.tools, #"{"name":"a"}"#, "inputSchema must be an object"),
        (.tools, #"{"name":"a","inputSchema":true}"#, "inputSchema must be an object"),
        (.tools, #"{"name":"a","inputSchema":{"type":"string"}}"#, "inputSchema.type"),
        (.tools, #"{"name":"a","inputSchema":{"type":["object"]}}"#, "inputSchema.type"),
        (.prompts, #"{"title":"a"}"#, "name must be"), (.resources, #"{"name":"a"}"#, "uri must be"),
        (.resources, #"{"uri":"a://b"}"#, "name must be"),
        (.templates, #"{"name":"a","uri":"a://b"}"#, "uriTemplate must be"),
    ])
func badItems(_ kind: ListKind, _ item: String, _ problem: String) throws {
    let good: String =
        switch kind {
        case .tools: tool("good")
        case .prompts: #"{"name":"good"}"#
        case .resources: #"{"uri":"a://good","name":"good"}"#
        case .templates: #"{"uriTemplate":"a://{good}","name":"good"}"#
        }
    let list = try list(kind, item, good)
    #expect(list.count == 1)
    #expect(list.problems.count == 1 && list.problems[0].contains(problem), "\(list.problems)")
    var server = ListCatalog.Server(name: "s")
    server[kind] = list
    let catalog = ListCatalog(servers: [server], options: .init(implementation: me, prefix: .none))
    #expect(try names(catalog, kind) == ["good"])
    #expect(catalog.problems.count == 1 && catalog.problems[0].hasPrefix("s: "))
}

@Test("an item whose name comes twice is ambiguous")
func doubleKeys() throws {
    var list = ItemList(.tools)
    _ = #"{"tools":[{"name":"a","n\u0061me":"b","inputSchema":{"type":"object"}}]}"#.raw {
        list.add(page: $0)
    }
    #expect(list.count == 0 && list.problems.count == 1)
}

@Test(
    "a schema without a type gets the only one there is",
    arguments: [
        (#"{"name":"a","inputSchema":{}}"#, #"{"name":"s_a","inputSchema":{"type":"object"}}"#),
        (
            #"{"inputSchema":{ "properties":{}},"name":"a"}"#,
            #"{"inputSchema":{"type":"object", "properties":{}},"name":"s_a"}"#
        ),
    ])
func schemaRepair(_ item: String, _ expected: String) throws {
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: try list(.tools, item))], options: .init(implementation: me))
    let written = text { sink in "1".raw { catalog.write(.tools, isModern: false, id: $0, into: &sink) } }
    #expect(written == #"{"jsonrpc":"2.0","id":1,"result":{"tools":[\#(expected)]}}"#)
    #expect(try target(catalog, call("s_a"))?.line.contains(#""name":"a""#) == true)
}

@Test("line breaks inside items become blanks")
func prettyItems() throws {
    let catalog = ListCatalog(
        servers: [
            .init(
                name: "s",
                tools: try list(.tools, "{\n\"name\":\r\n\"a\",\n\"inputSchema\":{\"type\":\n\"object\"}}"))
        ],
        options: .init(implementation: me, serverStates: Array("{\n}".utf8)))
    let written = text { sink in "1".raw { catalog.write(.tools, isModern: true, id: $0, into: &sink) } }
    #expect(!written.utf8.contains { $0 == 0x0A || $0 == 0x0D })
    #expect(try names(catalog, .tools) == ["s_a"])
}

@Test("pages are followed to their end, never in a circle and never past the limit")
func pages() {
    var list = ItemList(.prompts)
    func page(_ cursor: String) -> ItemList.Next {
        #"{"prompts":[{"name":"p"}],"nextCursor":\#(cursor)}"#.raw { list.add(page: $0) }
    }
    #expect(page(#""""#) == .page(cursor: Array(#""""#.utf8)))
    #expect(page(#""a""#) == .page(cursor: Array(#""a""#.utf8)))
    #expect(page(#""a""#) == .done)
    #expect(list.problems.count == 1)
    #expect(page("null") == .done)
    #expect(page("7") == .done)
    list = ItemList(.prompts)
    var read = 0
    while case .page = page("\"\(read)\"") { read += 1 }
    #expect(read + 1 == MCPLimits.listPagesMax)
    #expect(list.count == MCPLimits.listPagesMax)
    list = ItemList(.prompts)
    let long = String(repeating: "c", count: MCPLimits.cursorBytesMax)
    #expect(page("\"\(long)\"") == .done)
    #expect(list.problems.count == 1)
}

@Test(
    "an answer that holds no list is a problem, not a trap",
    arguments: ["{}", #"{"tools":{}}"#, #"{"tools":null}"#, "[]", "7", ""])
func noList(_ result: String) {
    var list = ItemList(.tools)
    #expect(result.raw { list.add(page: $0) } == .done)
    #expect(list.count == 0 && list.problems.count == 1)
}

@Test("one item over the limit ends the list")
func itemLimit() {
    var list = ItemList(.prompts)
    let many = Array(repeating: #"{"name":"p"}"#, count: MCPLimits.listItemsMax + 1).joined(separator: ",")
    #expect(#"{"prompts":[\#(many)],"nextCursor":"x"}"#.raw { list.add(page: $0) } == .done)
    #expect(list.count == MCPLimits.listItemsMax)
}

@Test("resources keep their URIs; the second owner of one gets a name of its own that leads back")
func resourceCollision() throws {
    let shared = #"{"uri":"test://a/b?c","name":"n"}"#
    let catalog = ListCatalog(
        servers: [
            .init(name: "one", resources: try list(.resources, shared, #"{"uri":"one://x","name":"x"}"#)),
            .init(name: "my_two", resources: try list(.resources, shared)),
            .init(name: "my/two", resources: try list(.resources, shared)),
        ], options: .init(implementation: me))
    let uris = try names(catalog, .resources, "uri")
    #expect(uris.prefix(3) == ["test://a/b?c", "one://x", "mcpgw+my-two:test%3A%2F%2Fa%2Fb%3Fc"])
    #expect(uris.count == 4 && uris[3].hasPrefix("mcpgw+my-two-"))
    for (index, server) in [(0, 0), (1, 0), (2, 1), (3, 2)] {
        let found = try #require(try target(catalog, read(uris[index])))
        #expect(found.server == server)
        #expect(found.line.contains(index == 1 ? #""uri":"one://x""# : #""uri":"test://a/b?c""#))
    }
}

@Test("templates are matched, the most literal first, then the scheme's owner")
func templateRoutes() throws {
    let catalog = ListCatalog(
        servers: [
            .init(
                name: "one", templates: try list(.templates, #"{"uriTemplate":"test://{all}","name":"n"}"#)),
            .init(
                name: "two", resources: try list(.resources, #"{"uri":"only://two","name":"n"}"#),
                templates: try list(
                    .templates, #"{"uriTemplate":"test://template/{id}/data","name":"n"}"#,
                    #"{"uriTemplate":"test://{all}","name":"n"}"#)),
        ], options: .init(implementation: me))
    #expect(
        try names(catalog, .templates, "uriTemplate") == [
            "test://{all}", "test://template/{id}/data", "mcpgw+two:test://{all}",
        ])
    #expect(try target(catalog, read("test://x"))?.server == 0)
    #expect(try target(catalog, read("test://template/1/data"))?.server == 1)
    #expect(try target(catalog, read("only://other"))?.server == 1)
    #expect(try target(catalog, read("nobody://x")) == nil)
    #expect(try target(catalog, read("noscheme")) == nil)
    let mapped = try #require(try target(catalog, read("mcpgw+two:test://a%2Fb/c")))
    #expect(mapped.server == 1)
    #expect(mapped.line.contains(#""uri":"test://a%2Fb/c""#))
    #expect(try target(catalog, read(#"\u006dcpgw+two:test://x"#)) == nil)
}

@Test("completions go to the owner of the prompt or template they are about")
func completions() throws {
    let catalog = ListCatalog(
        servers: [
            .init(name: "one", prompts: try list(.prompts, #"{"name":"p"}"#)),
            .init(
                name: "two", prompts: try list(.prompts, #"{"name":"p"}"#),
                templates: try list(.templates, #"{"uriTemplate":"t://{x}","name":"n"}"#)),
        ], options: .init(implementation: me))
    func complete(_ ref: String) throws -> (server: Int, line: String)? {
        try target(
            catalog,
            #"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":\#(ref),"argument":{"name":"x","value":""}}}"#
        )
    }
    let prompt = try #require(try complete(#"{"type":"ref/prompt","name":"two_p"}"#))
    #expect(prompt.server == 1 && prompt.line.contains(#""ref":{"type":"ref/prompt","name":"p"}"#))
    #expect(try complete(#"{"type":"ref/resource","uri":"t://{x}"}"#)?.server == 1)
    #expect(try complete(#"{"type":"ref/prompt","name":"p"}"#) == nil)
    #expect(try complete(#"{"type":"ref/other","name":"one_p"}"#) == nil)
    #expect(try complete(#"{"name":"one_p"}"#) == nil)
    #expect(try complete("7") == nil)
}

@Test("server states ride in _meta, and change without merging again")
func states() throws {
    let options = ListCatalog.Options(
        implementation: me, serverStates: Array(#"[{"name":"s","state":"starting"}]"#.utf8))
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: try list(.tools, tool("a")))], options: options)
    for isModern in [true, false] {
        let meta = try response(catalog, .tools, modern: isModern)["result"]?["_meta"]
        #expect(meta?["mcp-gateway/servers"]?.arrayValue?.count == 1)
        #expect((meta?["io.modelcontextprotocol/serverInfo"] != nil) == isModern)
    }
    let later = catalog.with(heads: .init(implementation: me, ttlMilliseconds: 60_000))
    #expect(try response(later, .tools, modern: false)["result"]?["_meta"] == nil)
    #expect(try response(later, .tools, modern: true)["result"]?["ttlMs"] == 60_000)
    #expect(try names(later, .tools) == ["s_a"])
}

@Test("plain HTTP clients get the tools alone")
func plainTools() throws {
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: try list(.tools, tool("a")))],
        options: .init(implementation: me, serverStates: Array("[]".utf8)))
    var outbox = Outbox(pool: ChunkPool())
    catalog.writeToolsForREST(into: &outbox)
    let bytes = contents(&outbox)
    #expect(bytes.count == catalog.restToolsByteCount)
    #expect(String(decoding: bytes, as: UTF8.self) == #"{"tools":[\#(tool("s_a"))]}"#)
}

@Test("a list stays in force until its successor is read to the end")
func staleLists() throws {
    var lists = ServerLists()
    func page(_ name: String, _ cursor: String?) -> ServerLists.Step {
        let next = cursor.map { #","nextCursor":"\#($0)""# } ?? ""
        return #"{"tools":[\#(tool(name))]\#(next)}"#.raw { lists.add(.tools, result: $0) }
    }
    #expect(lists[.tools] == nil && lists.count(.tools) == 0)
    #expect(page("a", "c") == .more(cursor: Array(#""c""#.utf8)))
    #expect(lists.isRefreshing(.tools) && lists[.tools] == nil)
    #expect(page("b", nil) == .done)
    lists.complete(.tools)
    #expect(lists.count(.tools) == 2 && !lists.isRefreshing(.tools))

    lists.beginRefresh(.tools)
    #expect(page("x", "d") == .more(cursor: Array(#""d""#.utf8)))
    #expect(lists.count(.tools) == 2)
    lists.restart()
    #expect(lists.count(.tools) == 2 && !lists.isRefreshing(.tools))
    lists.beginRefresh(.tools)
    lists.abandon(.tools)
    #expect(lists.count(.tools) == 2)
    lists.beginRefresh(.tools)
    #expect(page("y", nil) == .done)
    lists.complete(.tools)
    lists.complete(.prompts)
    let catalog = ListCatalog(servers: [lists.snapshot(name: "s")], options: .init(implementation: me))
    #expect(try names(catalog, .tools) == ["s_y"])
    #expect(lists[.prompts]?.count == 0 && lists[.resources] == nil)
}
