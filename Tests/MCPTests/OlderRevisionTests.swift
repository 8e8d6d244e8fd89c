import Testing
import Wire

@testable import MCP

private let me = Implementation(name: "g", title: "G", version: "1")

private func list(_ kind: ListKind, _ items: String...) -> ItemList {
    var list = ItemList(kind)
    _ = "{\"\(kind.member)\":[\(items.joined(separator: ","))]}".raw { list.add(page: $0) }
    return list
}

/// The items of a list as a session of `revision` gets them.
private func items(_ kind: ListKind, _ catalog: ListCatalog, _ revision: Revision) throws -> [JSONValue] {
    var older = OlderLists()
    let tail = older.tail(kind, revision, of: catalog.lists)
    let parsed = try JSONValue.parse(Array("{".utf8) + tail.withBytes { Array($0) })
    return parsed["\(kind.member)"]?.arrayValue ?? []
}

private func keys(_ value: JSONValue?) -> Set<String> { Set(value?.objectValue?.map { "\($0.name)" } ?? []) }

private let tool =
    #"{"name":"a","title":"A","icons":[],"inputSchema":{"type":"object"},"annotations":{},"outputSchema":{"type":"object"},"_meta":{},"description":"d"}"#

@Test(
    "a tool has what the session's revision knows",
    arguments: [
        (.v2024_11_05, ["name", "description", "inputSchema"]),
        (.v2025_03_26, ["name", "description", "inputSchema", "annotations"]),
        (
            .v2025_06_18,
            ["name", "description", "inputSchema", "annotations", "title", "outputSchema", "_meta"]
        ),
        (
            .v2025_11_25,
            ["name", "description", "inputSchema", "annotations", "title", "outputSchema", "_meta", "icons"]
        ),
    ] as [(Revision, Set<String>)])
func olderTools(_ revision: Revision, _ known: Set<String>) throws {
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: list(.tools, tool))], options: .init(implementation: me))
    let found = try items(.tools, catalog, revision)
    #expect(found.count == 1 && keys(found.first) == known)
    #expect(found.first?["name"]?.stringValue == "s_a")
}

@Test("a list without anything newer is the very same bytes")
func olderSame() {
    let plain = #"{"name":"a","inputSchema":{"type":"object"}}"#
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: list(.tools, plain))], options: .init(implementation: me))
    var older = OlderLists()
    let tail = catalog.lists.tail(.tools)
    for revision in Revision.allCases where revision.isHandshake {
        let same = older.tail(.tools, revision, of: catalog.lists)
        #expect(same.bytes.baseAddress == tail.bytes.baseAddress)
    }
}

@Test("the schema of structured content that is no object is known to 2026-07-28 alone")
func olderOutput() throws {
    let odd = #"{"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"array"}}"#
    let catalog = ListCatalog(
        servers: [.init(name: "s", tools: list(.tools, odd))], options: .init(implementation: me))
    #expect(try items(.tools, catalog, .v2025_11_25).first?["outputSchema"] == nil)
}

@Test("prompts and resources lose titles and icons, arguments of prompts too")
func olderPrompts() throws {
    let prompt =
        #"{"name":"p","title":"P","icons":[],"arguments":[{"name":"x","title":"X","required":true},{"name":"y"}]}"#
    let resource = #"{"uri":"u://a","name":"r","title":"R","icons":[],"size":1,"annotations":{}}"#
    let catalog = ListCatalog(
        servers: [.init(name: "s", prompts: list(.prompts, prompt), resources: list(.resources, resource))],
        options: .init(implementation: me))
    let found = try items(.prompts, catalog, .v2025_03_26).first
    #expect(keys(found) == ["name", "arguments"])
    #expect(found?["arguments"]?.arrayValue?.map { keys($0) } == [["name", "required"], ["name"]])
    let oldest = try items(.resources, catalog, .v2024_11_05).first
    #expect(keys(oldest) == ["uri", "name", "size", "annotations"])
    let later = try items(.prompts, catalog, .v2025_06_18).first?["arguments"]?.arrayValue?.first
    #expect(keys(later) == ["name", "title", "required"])
}

@Test("tools that can be tasks say so to 2025-11-25, where their server runs tasks")
func olderTasks() throws {
    let required = #"{"name":"a","execution":{"taskSupport":"required"},"inputSchema":{"type":"object"}}"#
    let plain = #"{"name":"b","inputSchema":{"type":"object"}}"#
    for runsTasks in [true, false] {
        let catalog = ListCatalog(
            servers: [.init(name: "s", tools: list(.tools, required, plain), runsTasks: runsTasks)],
            options: .init(implementation: me))
        for revision in Revision.allCases where revision.isHandshake {
            let found = try items(.tools, catalog, revision).map {
                $0["execution"]?["taskSupport"]?.stringValue
            }
            #expect(found == [runsTasks && revision == .v2025_11_25 ? "optional" : nil, nil])
        }
    }
}

// MARK: Results

private func rewritten(
    _ result: String, _ revision: Revision, _ method: MethodName = .toolsCall
) throws -> JSONValue? {
    let message = try Message(#"{"jsonrpc":"2.0","id":7,"result":\#(result)}"#)
    let bytes = message.with { OlderContent.rewrite($1, $0, method, for: revision) }
    return try bytes.map { try JSONValue.parse($0) }?["result"]
}

private let link =
    #"{"type":"resource_link","uri":"u://a","name":"n","title":"T","description":"D","annotations":{"priority":1}}"#
private let sound = #"{"type":"audio","data":"QUJD","mimeType":"audio/wav"}"#
private let words = #"{"type":"text","text":"w"}"#

@Test("a link becomes text before 2025-06-18, and what is beside it stays byte for byte")
func olderLinks() throws {
    let result = #"{"content":[\#(words),\#(link)],"isError":false,"x":1.0}"#
    for revision in [Revision.v2024_11_05, .v2025_03_26] {
        let found = try #require(try rewritten(result, revision))
        let blocks = try #require(found["content"]?.arrayValue)
        #expect(blocks.map { $0["type"]?.stringValue } == ["text", "text"])
        #expect(blocks.last?["text"]?.stringValue == "T: u://a\nD")
        #expect(blocks.last?["annotations"]?["priority"] != nil)
        #expect(keys(found) == ["content", "isError", "x"])
    }
    #expect(try rewritten(result, .v2025_06_18) == nil)
}

@Test("sound becomes a resource for 2024-11-05 alone")
func olderSound() throws {
    let result = #"{"content":[\#(sound),\#(sound)]}"#
    let blocks = try #require(try rewritten(result, .v2024_11_05)?["content"]?.arrayValue)
    #expect(blocks.map { $0["type"]?.stringValue } == ["resource", "resource"])
    #expect(blocks.map { $0["resource"]?["uri"]?.stringValue } == ["mcpgw:audio/1", "mcpgw:audio/2"])
    #expect(blocks.first?["resource"]?["blob"]?.stringValue == "QUJD")
    #expect(blocks.first?["resource"]?["mimeType"]?.stringValue == "audio/wav")
    #expect(try rewritten(result, .v2025_03_26) == nil)
}

@Test("structured content that a revision does not have is left out, and stays as text where there is none")
func olderStructured() throws {
    let both = #"{"content":[\#(words)],"structuredContent":{"a":"b"}}"#
    let full = try #require(try rewritten(both, .v2025_03_26))
    #expect(keys(full) == ["content"] && full["content"]?.arrayValue?.count == 1)
    for bare in [#"{"structuredContent":{"a":"b"}}"#, #"{"structuredContent":{"a":"b"},"content":[]}"#] {
        let found = try #require(try rewritten(bare, .v2025_03_26))
        #expect(keys(found) == ["content"])
        #expect(found["content"]?.arrayValue?.first?["text"]?.stringValue == #"{"a":"b"}"#)
    }
    #expect(try rewritten(#"{"content":[],"structuredContent":{"a":"b"}}"#, .v2025_06_18) == nil)
    let odd = try #require(try rewritten(#"{"content":[],"structuredContent":[1]}"#, .v2025_11_25))
    #expect(odd["content"]?.arrayValue?.first?["text"]?.stringValue == "[1]")
}

@Test("messages of prompts are treated alike")
func olderMessages() throws {
    let result =
        #"{"description":"d","messages":[{"role":"user","content":\#(link)},{"role":"user","content":\#(words)}]}"#
    let found = try #require(try rewritten(result, .v2025_03_26, .promptsGet)?["messages"]?.arrayValue)
    #expect(found.map { $0["content"]?["type"]?.stringValue } == ["text", "text"])
    #expect(found.map { $0["role"]?.stringValue } == ["user", "user"])
}

@Test(
    "what is nothing of the kind passes",
    arguments: [
        "{}", #"{"content":5}"#, #"{"content":[5,null,{"type":7}]}"#, #"{"content":[\#(words)]}"#,
        #"{"contents":[]}"#,
    ])
func olderOther(_ result: String) throws {
    for method in [MethodName.toolsCall, .promptsGet, .resourcesRead, .complete] {
        #expect(try rewritten(result, .v2024_11_05, method) == nil)
    }
    let failure = try Message(#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}"#)
    #expect(failure.with { OlderContent.rewrite($1, $0, .toolsCall, for: .v2024_11_05) } == nil)
}
