import Testing
import Wire

@testable import MCP

private func north(
    _ line: String, _ method: MethodName = .toolsCall, isModern: Bool, server: Era = .modern
) throws -> String {
    let message = try Message(line)
    return try message.with { envelope, bytes in
        try "7".raw { id in
            let response = try ResponseRewriter.rewrite(
                bytes, envelope, for: .init(id: id, method: method, isModern: isModern, server: server))
            return text { response.body.write(into: &$0) }
        }
    }
}

private func failure(_ line: String, isModern: Bool, server: Era = .modern) throws -> RPCFailure? {
    do {
        _ = try north(line, isModern: isModern, server: server)
        return nil
    } catch let failure as RPCFailure {
        return failure
    }
}

@Test(
    "a legacy client sees nothing of what only 2026-07-28 has",
    arguments: [
        (#"{"resultType":"complete","content":[]}"#, #"{"content":[]}"#),
        (#"{"content":[],"resultType":"complete"}"#, #"{"content":[]}"#),
        (#"{"ttlMs":1,"cacheScope":"public","resultType":"complete"}"#, "{}"),
        (
            #"{"resultType":"complete","contents":[],"ttlMs":5,"x":1,"cacheScope":"private"}"#,
            #"{"contents":[],"x":1}"#
        ),
        (
            #"{"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"},"v/x":1},"resultType":"complete"}"#,
            #"{"_meta":{"v/x":1}}"#
        ),
        (
            #"{"resultType":"complete","content":[{"type":"text","text":"[1]"}],"structuredContent":[1]}"#,
            #"{"content":[{"type":"text","text":"[1]"}]}"#
        ),
        (
            #"{"structuredContent":{"a":1.50},"content":[]}"#,
            #"{"structuredContent":{"a":1.50},"content":[]}"#
        ),
        (#"{"structuredContent":null,"content":[]}"#, #"{"content":[]}"#),
    ])
func legacyResult(_ result: String, _ expected: String) throws {
    let line = #"{"jsonrpc":"2.0","id":41,"result":\#(result)}"#
    #expect(try north(line, isModern: false) == #"{"jsonrpc":"2.0","id":7,"result":\#(expected)}"#)
}

@Test("a modern client gets a modern server's result as it is")
func modernResult() throws {
    let line =
        #"{"jsonrpc":"2.0","id":41,"result":{"resultType":"complete","structuredContent":[1],"_meta":{"io.modelcontextprotocol/serverInfo":{}}}}"#
    #expect(try north(line, isModern: true) == line.replacing(#""id":41"#, with: #""id":7"#))
    let asks = #"{"jsonrpc":"2.0","id":41,"result":{"resultType":"input_required","requestState":"s"}}"#
    #expect(try north(asks, isModern: true) == asks.replacing(#""id":41"#, with: #""id":7"#))
}

@Test(
    "a result of a type that nobody asked for is an error", arguments: ["task", "future", "input_required"])
func foreignResultType(_ type: String) throws {
    let line = #"{"jsonrpc":"2.0","id":41,"result":{"resultType":"\#(type)"}}"#
    #expect(try failure(line, isModern: false)?.code == RPCCode.internalError)
    if type != "input_required" { #expect(try failure(line, isModern: true)?.code == RPCCode.internalError) }
    #expect(throws: RPCFailure.self) { try north(line, .complete, isModern: true) }
}

@Test("a resource that does not exist has a code of its own for a legacy client")
func resourceNotFoundCode() throws {
    let line = #"{"jsonrpc":"2.0","id":41,"error":{"code":-32602,"message":"x","data":{"uri":"a://b"}}}"#
    #expect(try north(line, .resourcesRead, isModern: false).contains("-32002"))
    #expect(try north(line, .resourcesRead, isModern: true).contains("-32602"))
    #expect(try north(line, .toolsCall, isModern: false).contains("-32602"))
    #expect(try north(line, .resourcesRead, isModern: false, server: .legacy).contains("-32602"))
    let other = #"{"jsonrpc":"2.0","id":41,"error":{"code":-32602,"message":"bad"}}"#
    #expect(try north(other, .resourcesRead, isModern: false).contains("-32602"))
}

@Test("a modern client that cannot be sent to a URL is told which capability it lacks")
func urlRequiredCode() throws {
    let line = #"{"jsonrpc":"2.0","id":41,"error":{"code":-32042,"message":"x","data":{"elicitations":[]}}}"#
    let failed = try #require(try failure(line, isModern: true, server: .legacy))
    #expect(failed.code == RPCCode.missingCapability)
    #expect(try JSONValue.parse(failed.data) == ["requiredCapabilities": ["elicitation": ["url": [:]]]])
    #expect(try north(line, isModern: false, server: .legacy).contains("-32042"))
}

@Test("a request for a server of somebody else carries no baggage")
func baggage() throws {
    let meta = #""baggage":"user=1","traceparent":"00-a","progressToken":1"#
    let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","_meta":{\#(meta)}}}"#
    let message = try Message(body)
    for drops in [true, false] {
        let value = try json { sink in
            message.with {
                ModernRewriter.relay(
                    $1, $0, method: .toolsCall, id: 2, target: .unchanged, dropsBaggage: drops, into: &sink)
            }
        }
        #expect((value["params"]?["_meta"]?["baggage"] == nil) == drops)
        #expect(value["params"]?["_meta"]?["traceparent"] == "00-a")
        #expect(value["params"]?["_meta"]?["progressToken"] == 2)
    }
    let envelope = ModernEnvelope(client: Implementation(name: "g", title: "", version: ""), capabilities: [])
    let value = try json { sink in
        message.with {
            ModernRewriter.envelope(
                $1, $0, method: .toolsCall, id: 2, target: .unchanged, adding: envelope, into: &sink)
        }
    }
    #expect(value["params"]?["_meta"]?["baggage"] == nil)
    #expect(value["params"]?["_meta"]?["traceparent"] == "00-a")
}

@Test("keys and state of another round mean nothing to a legacy child")
func strayRoundMembers() throws {
    for params in [
        #""inputResponses":{"a":1},"requestState":"x","name":"t""#,
        #""name":"t","inputResponses":{"a":1},"requestState":"x""#,
        #""requestState":"x","name":"t","inputResponses":{}"#,
    ] {
        let message = try Message(
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{\#(params),"_meta":{}}}"#)
        let value = try json { sink in
            message.with {
                RequestRewriter.write(
                    $1, $0, method: .toolsCall, id: 2, target: .unchanged, dropsEnvelope: true, into: &sink)
            }
        }
        #expect(value["params"] == ["name": "t", "_meta": [:]])
    }
}
