import Testing
import Wire

@testable import MCP

private func south(
    _ body: String, target: SouthTarget = .unchanged, modern: Bool = false, id: Int = 42
) throws -> String {
    let message = try Message(body)
    return message.with { envelope, bytes in
        text { sink in
            RequestRewriter.write(
                bytes, envelope, method: MethodName(envelope, in: bytes), id: id, target: target,
                dropsEnvelope: modern, into: &sink)
        }
    }
}

private func renamed(_ body: String, to name: String, modern: Bool = false) throws -> String {
    try name.raw { try south(body, target: .renamed($0), modern: modern) }
}

@Test("a legacy call changes in id, name and progress token alone")
func legacyCall() throws {
    #expect(
        try renamed(
            #"{"jsonrpc":"2.0","id":"abc","method":"tools/call","params":{"name":"g_x","arguments":{"name":"g_x","id":"abc"},"_meta":{"progressToken":"abc","io.modelcontextprotocol/x":1}}}"#,
            to: #""x""#)
            == #"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"x","arguments":{"name":"g_x","id":"abc"},"_meta":{"progressToken":42,"io.modelcontextprotocol/x":1}}}"#
            + "\n")
}

@Test("any order of members does")
func memberOrder() throws {
    #expect(
        try renamed(
            #"{"params":{"_meta":{"progressToken":7},"inputResponses":{"a":1},"name":"g_x","future":[1,2]},"method":"tools/call","extra":null,"id":7,"jsonrpc":"2.0"}"#,
            to: #""x""#)
            == #"{"params":{"_meta":{"progressToken":42},"inputResponses":{"a":1},"name":"x","future":[1,2]},"method":"tools/call","extra":null,"id":42,"jsonrpc":"2.0"}"#
            + "\n")
}

@Test(
    "a modern call loses the members of its envelope, whatever their place and spelling",
    arguments: [
        (
            #"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#,
            "{}"
        ),
        (
            #"{"io.modelcontextprotocol/a":1,"traceparent":"00-1","progressToken":"t"}"#,
            #"{"traceparent":"00-1","progressToken":42}"#
        ),
        (
            #"{"progressToken":7,"io.modelcontextprotocol/a":{"x":[1,"}"]},"vendor/x":{"y":"z"}}"#,
            #"{"progressToken":42,"vendor/x":{"y":"z"}}"#
        ),
        (#"{"io\u002emodelcontextprotocol\/a":1,"k\u0061":2}"#, #"{"k\u0061":2}"#),
        (#"{ "a" : 1 , "io.modelcontextprotocol/b" : 2 , "c" : 3 }"#, #"{"a":1,"c":3}"#),
        (
            #"{"io.modelcontextprotocolx/a":1,"io.modelcontextprotocol":2}"#,
            #"{"io.modelcontextprotocolx/a":1,"io.modelcontextprotocol":2}"#
        ),
        ("{}", "{}"),
    ])
func envelopeDropped(_ meta: String, _ expected: String) throws {
    let body =
        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":\#(meta),"name":"n","arguments":{"_meta":\#(meta)}}}"#
    #expect(
        try south(body, modern: true)
            == #"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"_meta":\#(expected),"name":"n","arguments":{"_meta":\#(meta)}}}"#
            + "\n")
}

@Test("a pretty-printed body becomes one line", arguments: ["\n", "\r\n", "\r", "\n\n   "])
func oneLine(_ lineBreak: String) throws {
    let body = [
        "", "{", #""jsonrpc": "2.0","#, #""id": 1,"#, #""method": "tools/call","#, #""params": {"#,
        #""name": "a","#,
        #""_meta": {"#, #""io.modelcontextprotocol/x": {"#, "},", #""keep": ["#, "1]}}", "}", "",
    ].joined(separator: lineBreak)
    for isModern in [false, true] {
        let line = try renamed(body, to: #""b""#, modern: isModern)
        #expect(line.hasSuffix("}\n"))
        #expect(!line.dropLast().utf8.contains { $0 == 0x0A || $0 == 0x0D })
        let value = try JSONValue.parse(line)
        #expect(value["params"]?["name"] == "b")
        #expect(value["params"]?["_meta"]?["keep"] == [1])
        #expect((value["params"]?["_meta"]?["io.modelcontextprotocol/x"] == nil) == isModern)
    }
}

@Test("a body longer than the copying window is squashed without loss")
func longPretty() throws {
    let filler = Array(repeating: "\n1234567", count: 1000).joined(separator: ",")
    let line = try south(
        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"x":[\#(filler)]}}}"#
    )
    #expect(try JSONValue.parse(line)["params"]?["arguments"]?["x"]?.arrayValue?.count == 1000)
    #expect(line.utf8.filter { $0 == 0x0A }.count == 1)
}

@Test("reads and completions change in the URI or name that they are about")
func otherTargets() throws {
    #expect(
        try renamed(
            #"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"mcpgw+a:x"}}"#, to: #""x""#)
            == #"{"jsonrpc":"2.0","id":42,"method":"resources/read","params":{"uri":"x"}}"# + "\n")
    #expect(
        try renamed(
            #"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"argument":{"name":"n","value":"v"},"ref":{"type":"ref/prompt","name":"a_p"}}}"#,
            to: #""p""#)
            == #"{"jsonrpc":"2.0","id":42,"method":"completion/complete","params":{"argument":{"name":"n","value":"v"},"ref":{"type":"ref/prompt","name":"p"}}}"#
            + "\n")
    #expect(
        try renamed(
            #"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"uri":"a","name":"b","type":"ref\/resource"}}}"#,
            to: #""u""#)
            == #"{"jsonrpc":"2.0","id":42,"method":"completion/complete","params":{"ref":{"uri":"u","name":"b","type":"ref\/resource"}}}"#
            + "\n")
    let body = #"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"mcpgw+a:test://x"}}"#
    #expect(try south(body, target: .withoutPrefix(bytes: 8)).contains(#""uri":"test://x""#))
    #expect(try south(body, target: .withoutPrefix(bytes: 800)).contains(#""uri":"""#))
}

private func north(
    _ line: String, id: String = #""c-1""#, method: MethodName = .toolsCall, modern: Bool
) throws -> (body: String, status: Int) {
    let message = try Message(line)
    return try message.with { envelope, bytes in
        try id.raw { id in
            let response = try ResponseRewriter.rewrite(
                bytes, envelope, for: .init(id: id, method: method, isModern: modern))
            let body = text { response.body.write(into: &$0) }
            #expect(body.utf8.count == response.body.count)
            return (body, response.httpStatus)
        }
    }
}

@Test(
    "results: legacy untouched, modern with what 2026-07-28 requires and nothing twice",
    arguments: [
        (MethodName.toolsCall, "{}", #"{"resultType":"complete"}"#),
        (.toolsCall, "{ }", #"{"resultType":"complete" }"#),
        (.toolsCall, #"{"content":[]}"#, #"{"resultType":"complete","content":[]}"#),
        (.toolsCall, #"{"content":[],"resultType":"complete"}"#, #"{"content":[],"resultType":"complete"}"#),
        (.toolsCall, #"{"resultType":"input_required"}"#, #"{"resultType":"input_required"}"#),
        (
            .toolsCall, #"{"content":[{"resultType":"x"}]}"#,
            #"{"resultType":"complete","content":[{"resultType":"x"}]}"#
        ),
        (.promptsGet, #"{"messages":[]}"#, #"{"resultType":"complete","messages":[]}"#),
        (
            .resourcesRead, #"{"contents":[]}"#,
            #"{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[]}"#
        ),
        (.resourcesRead, "{}", #"{"resultType":"complete","ttlMs":0,"cacheScope":"private"}"#),
        (
            .resourcesRead, #"{"ttlMs":5,"contents":[]}"#,
            #"{"resultType":"complete","cacheScope":"private","ttlMs":5,"contents":[]}"#
        ),
        (
            .resourcesRead, #"{"cacheScope":"public","ttlMs":5}"#,
            #"{"resultType":"complete","cacheScope":"public","ttlMs":5}"#
        ),
        (.resourcesRead, #"{"resultType":"input_required"}"#, #"{"resultType":"input_required"}"#),
        (
            .resourcesRead, #"{"resultType":"complete"}"#,
            #"{"ttlMs":0,"cacheScope":"private","resultType":"complete"}"#
        ),
    ])
func results(_ method: MethodName, _ result: String, _ expected: String) throws {
    let line = #"{"jsonrpc":"2.0","id":42,"result":\#(result)}"#
    let legacy = try north(line, method: method, modern: false)
    #expect(legacy.body == #"{"jsonrpc":"2.0","id":"c-1","result":\#(result)}"#)
    let modern = try north(line, method: method, modern: true)
    #expect(modern.body == #"{"jsonrpc":"2.0","id":"c-1","result":\#(expected)}"#)
    #expect(modern.status == 200)
    _ = try JSONValue.parse(modern.body)
}

@Test("the id may stand after the result")
func idLast() throws {
    #expect(
        try north(#"{"result":{"a":{"id":42}},"id":42,"jsonrpc":"2.0"}"#, id: "7", modern: true).body
            == #"{"result":{"resultType":"complete","a":{"id":42}},"id":7,"jsonrpc":"2.0"}"#)
}

@Test(
    "error codes are translated for their era, and data stays",
    arguments: [
        (-32002, -32002, -32602, 200), (-32601, -32601, -32601, 404), (-32602, -32602, -32602, 200),
        (-32603, -32603, -32603, 200), (-32021, -32602, -32021, 400),
        (-32020, -32603, -32603, 200), (-32022, -32603, -32603, 200), (1, 1, 1, 200),
    ])
func errorCodes(_ code: Int, _ legacy: Int, _ modern: Int, _ status: Int) throws {
    let line = { (code: Int, id: String) in
        #"{"jsonrpc":"2.0","id":\#(id),"error":{"message":"code","c\u006fde":\#(code),"data":{"uri":"a","code":9}}}"#
    }
    #expect(try north(line(code, "42"), modern: false) == (line(legacy, #""c-1""#), 200))
    #expect(try north(line(code, "42"), modern: true) == (line(modern, #""c-1""#), status))
}

@Test(
    "an answer that is none becomes an internal error for its caller",
    arguments: [
        #"{"jsonrpc":"2.0","id":42,"result":7}"#, #"{"jsonrpc":"2.0","id":42,"result":null}"#,
        #"{"jsonrpc":"2.0","id":42,"error":{"message":"x"}}"#,
        #"{"jsonrpc":"2.0","id":42,"error":{"code":"x"}}"#,
        #"{"jsonrpc":"2.0","id":42,"result":{},"error":{"code":1}}"#, #"{"jsonrpc":"2.0","id":42,"error":7}"#,
        #"{"jsonrpc":"2.0","error":{"code":1,"message":"x"}}"#,
    ])
func noAnswers(_ line: String) throws {
    for isModern in [true, false] {
        #expect(throws: RPCFailure.self) { try north(line, modern: isModern) }
        do { _ = try north(line, modern: isModern) } catch let failure as RPCFailure {
            #expect(failure.code == -32603)
        }
    }
}

@Test("a mapped resource goes back under the URI that its client knows")
func mappedContents() throws {
    let message = try Message(
        #"{"jsonrpc":"2.0","id":42,"result":{"contents":[{"uri":"x://1","text":"x://1"},{"uri":"x://2"},{"text":"","uri":"x://1"}]}}"#
    )
    let body = try message.with { envelope, bytes in
        try #""x://1""#.raw { original in
            try #""mcpgw+a:x""#.raw { exposed in
                try "7".raw { id in
                    let response = try ResponseRewriter.rewrite(
                        bytes, envelope,
                        for: .init(
                            id: id, method: .resourcesRead, isModern: true, mappedURI: (original, exposed)))
                    return text { response.body.write(into: &$0) }
                }
            }
        }
    }
    #expect(
        body
            == #"{"jsonrpc":"2.0","id":7,"result":{"resultType":"complete","ttlMs":0,"cacheScope":"private","contents":[{"uri":"mcpgw+a:x","text":"x://1"},{"uri":"x://2"},{"text":"","uri":"mcpgw+a:x"}]}}"#
    )
}

@Test("a result with very many mapped contents is rewritten as far as there is room")
func manyContents() throws {
    let contents = Array(repeating: #"{"uri":"x"}"#, count: 50).joined(separator: ",")
    let message = try Message(#"{"jsonrpc":"2.0","id":42,"result":{"contents":[\#(contents)]}}"#)
    let body = try message.with { envelope, bytes in
        try #""x""#.raw { original in
            try #""y""#.raw { exposed in
                let response = try ResponseRewriter.rewrite(
                    bytes, envelope,
                    for: .init(
                        id: exposed, method: .resourcesRead, isModern: true, mappedURI: (original, exposed)))
                return text { response.body.write(into: &$0) }
            }
        }
    }
    #expect(body.components(of: #""uri":"y""#) == MCPLimits.mappedContentsMax)
}

extension String {
    fileprivate func components(of part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let found = rest.range(of: part) {
            count += 1
            rest = rest[found.upperBound...]
        }
        return count
    }

    private func range(of part: String) -> Range<String.Index>? { self[...].range(of: part) }
}

extension Substring {
    fileprivate func range(of part: String) -> Range<String.Index>? {
        var at = startIndex
        while at < endIndex {
            if self[at...].hasPrefix(part) { return at..<index(at, offsetBy: part.count) }
            at = index(after: at)
        }
        return nil
    }
}

@Test("progress goes back under the client's own token")
func progress() throws {
    let line =
        #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":42,"message":"42","x":{"progressToken":42}}}"#
    let message = try Message(line)
    for token in ["7", #""p\"7""#] {
        let body = try message.with { envelope, bytes in
            try token.raw { token in
                let splice = try #require(NotificationRewriter.progress(bytes, envelope, token: token))
                return text { splice.write(into: &$0) }
            }
        }
        #expect(
            body
                == #"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1,"progressToken":\#(token),"message":"42","x":{"progressToken":42}}}"#
        )
    }
    let without = try Message(#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#)
    #expect(without.with { NotificationRewriter.progress($1, $0, token: $1) } == nil)
}

/// Any JSON, printed with the blanks and escapes that real clients use.
private struct RandomJSON {
    var random: Seeded
    mutating func blank() -> String {
        ["", "", "", " ", "\n", "\r\n  ", "\t"].randomElement(using: &random) ?? ""
    }

    mutating func string() -> String {
        let parts = [
            "a", "é", "日", #"\""#, #"\\"#, #"\u0041"#, #"\n"#, "}", "]", ",", ":", "id", "_meta", #"\/"#, "😀",
        ]
        return "\""
            + (0..<Int.random(in: 0...5, using: &random)).map { _ in
                parts.randomElement(using: &random) ?? ""
            }.joined() + "\""
    }

    mutating func value(_ depth: Int) -> String {
        switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &random) {
        case 0: return "null"
        case 1: return ["true", "false"].randomElement(using: &random) ?? "true"
        case 2:
            return ["0", "-1", "1e9", "2.50", "12345678901234567890"].randomElement(using: &random) ?? "0"
        case 3, 4: return string()
        case 5:
            return "["
                + (0..<Int.random(in: 0...3, using: &random)).map { _ in
                    blank() + value(depth - 1) + blank()
                }.joined(separator: ",") + "]"
        default:
            return "{"
                + (0..<Int.random(in: 0...3, using: &random)).map { i in
                    blank() + "\"k\(i)\"" + blank() + ":" + blank() + value(depth - 1) + blank()
                }.joined(separator: ",") + "}"
        }
    }

    mutating func object(_ members: [String]) -> String {
        "{" + members.shuffled(using: &random).map { blank() + $0 + blank() }.joined(separator: ",") + "}"
    }
}

private func squashed(_ text: String) -> String {
    String(decoding: text.utf8.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }, as: UTF8.self)
}

@Test("what the gateway does not know survives byte for byte, in both directions", arguments: 0..<300)
func unknownSurvives(_ seed: Int) throws {
    var source = RandomJSON(random: Seeded(state: UInt64(seed)))
    let arguments = source.value(4)
    let unknown = source.value(3)
    let vendor = source.value(3)
    let meta = source.object([
        #""progressToken":"tok""#, "\"vendor/x\":\(vendor)",
        #""io.modelcontextprotocol/protocolVersion":"2026-07-28""#,
        #""io.modelcontextprotocol/clientCapabilities":{"x":[1]}"#,
    ])
    let params = source.object([
        #""name":"srv_tool""#, "\"arguments\":\(arguments)", "\"future\":\(unknown)", "\"_meta\":\(meta)",
    ])
    let body =
        source.blank()
        + source.object([
            #""jsonrpc":"2.0""#, #""id":"north""#, #""method":"tools/call""#, "\"params\":\(params)",
            "\"top\":\(unknown)",
        ]) + source.blank()

    for isModern in [false, true] {
        let line = try renamed(body, to: #""tool""#, modern: isModern)
        #expect(line.last == "\n", "seed \(seed)")
        #expect(!line.dropLast().utf8.contains { $0 == 0x0A || $0 == 0x0D }, "seed \(seed)")
        for kept in ["\"arguments\":\(arguments)", "\"future\":\(unknown)", "\"top\":\(unknown)"] {
            #expect(line.contains(squashed(kept)), "seed \(seed): \(kept)")
        }
        let before = try JSONValue.parse(body)
        let after = try JSONValue.parse(line)
        #expect(after["id"] == 42)
        #expect(after["params"]?["name"] == "tool")
        #expect(after["params"]?["arguments"] == before["params"]?["arguments"])
        #expect(after["params"]?["_meta"]?["vendor/x"] == before["params"]?["_meta"]?["vendor/x"])
        #expect(after["params"]?["_meta"]?["progressToken"] == 42)
        #expect(after["params"]?["_meta"]?.objectValue?.count == (isModern ? 2 : 4), "seed \(seed)")
    }

    let result = source.object(["\"content\":\(arguments)", "\"future\":\(unknown)"])
    let answer = source.object([
        #""jsonrpc":"2.0""#, #""id":42"#, "\"result\":\(result)", "\"top\":\(vendor)",
    ])
    #expect(
        try north(answer, id: "42", modern: false).body == squashed(answer), "seed \(seed)")
    let modern = try JSONValue.parse(try north(answer, modern: true).body)
    #expect(modern["result"]?["resultType"] == "complete")
    #expect(modern["result"]?["future"] == (try JSONValue.parse(unknown)))
    #expect(modern["id"] == "c-1")
}

@Test("a result that says the same thing a hundred times is an answer like any other")
func repeatedMembers() throws {
    let member = #""structuredContent":[1],"x":2"#
    let result =
        "{" + Array(repeating: member, count: 100).joined(separator: ",") + #","resultType":"complete"}"#
    let message = try Message("{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":\(result)}")
    try message.with { envelope, bytes in
        try "1".raw { id in
            let response = try ResponseRewriter.rewrite(
                bytes, envelope, for: .init(id: id, method: .toolsCall, isModern: false, server: .modern))
            let body = text { response.body.write(into: &$0) }
            #expect(body.utf8.count == response.body.count)
            #expect(body.hasPrefix(#"{"jsonrpc":"2.0","id":1,"result":{"#))
        }
    }
}
