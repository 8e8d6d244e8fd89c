import Testing
import Wire

@testable import MCP

private func read(_ properties: String) -> Mirrors.Reading {
    #"{"name":"t","inputSchema":{"type":"object","properties":\#(properties)}}"#.raw {
        Mirrors.read(tool: $0)
    }
}

private func mirrors(_ properties: String) -> Mirrors? {
    if case .mirrors(let mirrors) = read(properties) { return mirrors }
    return nil
}

private let region =
    #"{"r":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},"#
    + #""in":{"type":"object","properties":{"b":{"type":"boolean","x-mcp-header":"B"}}}}"#

private func fields(_ arguments: String) -> [String: String] {
    let fields = arguments.raw { mirrors(region)?.fields($0) } ?? []
    return Dictionary(
        uniqueKeysWithValues: fields.map { ($0.name, String(decoding: $0.value, as: UTF8.self)) })
}

private func check(_ headers: [(String, String)], _ arguments: String) throws {
    let table = try #require(mirrors(region))
    let fields = headers.map { (name: "mcp-param-" + $0.0, value: Array($0.1.utf8)) }
    try arguments.raw { try table.check(fields, $0) }
}

@Test("headers are computed from plain arguments, wherever properties lead")
func mirrorFields() {
    #expect(
        fields(#"{"r":"eu","n":7,"in":{"b":true}}"#)
            == ["Mcp-Param-Region": "eu", "Mcp-Param-N": "7", "Mcp-Param-B": "true"])
    #expect(fields(#"{"r":"Zür ","n":null,"in":7}"#) == ["Mcp-Param-Region": "=?base64?WsO8ciA=?="])
    #expect(fields(#"{"r":"\u0061"}"#) == ["Mcp-Param-Region": "a"])
    #expect(fields(#"{"r":[1],"n":{}}"#) == [:])
    #expect(fields("{}") == [:])
    #expect(fields("") == [:])
}

@Test(
    "headers that say what the arguments say pass",
    arguments: [
        ([("region", "eu")], #"{"r":"eu"}"#), ([], "{}"), ([], #"{"r":null}"#), ([], ""),
        ([("n", "42")], #"{"n":42.0}"#),
        ([("n", "42.0")], #"{"n":42}"#), ([("region", "=?base64?w7w=?=")], #"{"r":"ü"}"#),
        ([("b", "false")], #"{"in":{"b":false}}"#),
        ([("unknown", "x")], "{}"), ([("region", "=?base64?x")], #"{"r":"=?base64?x"}"#),
    ] as [([(String, String)], String)])
func mirrorAccepted(_ headers: [(String, String)], _ arguments: String) throws {
    try check(headers, arguments)
}

@Test(
    "headers that do not are refused",
    arguments: [
        ([("region", "us")], #"{"r":"eu"}"#), ([], #"{"r":"eu"}"#), ([("region", "eu")], "{}"),
        ([("region", "eu")], #"{"r":null}"#), ([("region", "eu"), ("region", "eu")], #"{"r":"eu"}"#),
        ([("region", "=?base64?w7w?=")], #"{"r":"ü"}"#), ([("region", "EU")], #"{"r":"eu"}"#),
        ([("n", "43")], #"{"n":42}"#),
        ([("b", "True")], #"{"in":{"b":true}}"#), ([("region", "[1]")], #"{"r":[1]}"#),
        ([("n", "nan")], #"{"n":42}"#),
    ] as [([(String, String)], String)])
func mirrorRefused(_ headers: [(String, String)], _ arguments: String) throws {
    do {
        try check(headers, arguments)
        Issue.record("accepted")
    } catch let failure as RPCFailure {
        #expect(failure.code == RPCCode.headerMismatch)
        #expect(failure.httpStatus == 400)
    }
}

@Test(
    "an annotation that breaks the rules makes the tool invalid",
    arguments: [
        #"{"r":{"type":"number","x-mcp-header":"R"}}"#, #"{"r":{"type":"array","x-mcp-header":"R"}}"#,
        #"{"r":{"x-mcp-header":"R"}}"#, #"{"r":{"type":"string","x-mcp-header":""}}"#,
        #"{"r":{"type":"string","x-mcp-header":"a b"}}"#, #"{"r":{"type":"string","x-mcp-header":"a:b"}}"#,
        #"{"r":{"type":"string","x-mcp-header":7}}"#, #"{"r":{"type":"string","x-mcp-header":"ü"}}"#,
        #"{"a":{"type":"string","x-mcp-header":"R"},"b":{"type":"string","x-mcp-header":"r"}}"#,
        #"{"r":{"type":"array","items":{"type":"string","x-mcp-header":"R"}}}"#,
        #"{"r":{"anyOf":[{"type":"string","x-mcp-header":"R"}]}}"#,
    ])
func mirrorInvalid(_ properties: String) {
    guard case .invalid = read(properties) else {
        Issue.record("not invalid: \(read(properties))")
        return
    }
}

@Test("a property or text of that name is no annotation")
func mirrorNone() {
    #expect(read(#"{"r":{"type":"string","description":"uses \"x-mcp-header\": R"}}"#) == .none)
    #expect(read(#"{"r":{"type":"string"}}"#) == .none)
    #expect(#"{"name":"t"}"#.raw { Mirrors.read(tool: $0) } == .none)
    #expect(read(#"{"r":{"type":"string","enum":["x-mcp-header"]}}"#) == .none)
}

@Test("a server's tools are looked up by their own names")
func mirrorTable() {
    var list = ItemList(.tools)
    let page =
        #"{"tools":[{"name":"pl\u0061in","inputSchema":{"type":"object"}},"#
        + #"{"name":"mirrored","inputSchema":{"type":"object","properties":\#(region)}},"#
        + #"{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}}]}"#
    _ = page.raw { list.add(page: $0) }
    let table = MirrorTable(list)
    #expect(table["mirrored"] == mirrors(region))
    #expect(table["plain"] == nil)
    #expect(table["bad"] == nil)
    var strict = ItemList(.tools)
    _ = page.raw { strict.add(page: $0, mirrors: true) }
    #expect(strict.count == 2 && list.count == 3)
    #expect(strict.problems.first?.contains("x-mcp-header A") == true)
    #expect(MirrorTable(ItemList(.tools)).isEmpty)
}
