import Testing
import Wire

@testable import MCP

private let older: [Revision] = [.v2024_11_05, .v2025_03_26, .v2025_06_18]

private func worded(_ method: MethodName, _ params: String, _ revision: Revision) throws -> JSONValue {
    let ask = try #require(params.raw { Ask(method, params: $0) })
    return try JSONValue.parse(try ask.worded(for: revision).params)
}

private func answered(_ result: String, by asker: Revision, _ method: MethodName = .createMessage) throws
    -> JSONValue
{
    let params = method == .elicit ? #"{"message":"","requestedSchema":{}}"# : #"{"messages":[]}"#
    let ask = try #require(params.raw { Ask(method, params: $0, by: asker) })
    return try json { out in result.raw { ask.write(answer: $0, into: &out) } }
}

private let block = #"{"type":"text","text":"a"}"#
private let sound = #"{"type":"audio","data":"UklGRg==","mimeType":"audio/wav"}"#

// MARK: Models

@Test("a message of several blocks is as many messages before 2025-11-25, in order", arguments: older)
func olderSamplingBlocks(_ revision: Revision) throws {
    let params = """
        {"maxTokens":5,"messages":[{"role":"user","content":[\(block),{"type":"image","data":"x"}],"_meta":{"a":1}},
        {"content":\(block),"role":"assistant"},{"role":"user","content":[]}],"systemPrompt":"s"}
        """
    let said = try worded(.createMessage, params, revision)
    #expect(said["maxTokens"] == 5 && said["systemPrompt"] == "s")
    #expect(
        said["messages"] == [
            ["role": "user", "content": ["type": "text", "text": "a"]],
            ["role": "user", "content": ["type": "image", "data": "x"]],
            ["role": "assistant", "content": ["type": "text", "text": "a"]],
        ])
    #expect(try worded(.createMessage, params, .v2025_11_25)["messages"]?.arrayValue?.count == 3)
}

@Test("sound is a text that says what it was for 2024-11-05 alone")
func olderSamplingSound() throws {
    let params = #"{"messages":[{"role":"user","content":\#(sound)}]}"#
    let said = try worded(.createMessage, params, .v2024_11_05)["messages"]?.arrayValue?.first?["content"]
    #expect(said?["type"] == "text")
    #expect(said?["text"]?.stringValue?.contains("audio/wav") == true)
    #expect(said?["data"] == nil)
    for revision in older.dropFirst() {
        let messages = try worded(.createMessage, params, revision)["messages"]
        #expect(messages?.arrayValue?.first?["content"]?["data"] == "UklGRg==")
    }
}

@Test(
    "what is no message passes as it is",
    arguments: [
        #"[1,"x",null]"#, "7", #"[{"role":"user"}]"#, #"[{"content":[{},{}]}]"#,
        #"[{"role":"user","content":"words"}]"#,
    ])
func olderSamplingMalformed(_ messages: String) throws {
    let said = try worded(.createMessage, #"{"messages":\#(messages)}"#, .v2025_06_18)
    #expect(try said["messages"] == JSONValue.parse(messages))
}

@Test("small blocks do not make a request of any size")
func olderSamplingGrowth() throws {
    let role = String(repeating: "r", count: 4096)
    func said(_ blocks: Int) throws -> JSONValue {
        let content = Array(repeating: "{}", count: blocks).joined(separator: ",")
        return try worded(
            .createMessage, #"{"messages":[{"role":"\#(role)","content":[\#(content)]}]}"#, .v2025_06_18)
    }
    let fit = BridgeLimits.askBytesMax / 4200
    #expect(try said(fit)["messages"]?.arrayValue?.count == fit)
    let failure = #expect(throws: RPCFailure.self) { try said(fit + 20) }
    #expect(failure?.code == RPCCode.internalError)
    #expect(failure?.message.contains("2025-06-18") == true)
}

@Test("what is said of tools needs a client that has said so", arguments: ["tool_use", "tool_result"])
func olderSamplingTools(_ type: String) throws {
    for content in [#"{"type":"\#(type)"}"#, #"[\#(block),{"type":"\#(type)"}]"#] {
        let params = #"{"messages":[{"role":"user","content":\#(content)}]}"#
        let ask = try #require(params.raw { Ask(.createMessage, params: $0) })
        #expect(ask.needs == [.sampling, .samplingTools])
        #expect(ask.refusal(declared: .sampling).message.contains("tools"))
    }
}

@Test("a server before 2025-11-25 is answered with one block", arguments: older)
func olderSamplingAnswers(_ asker: Revision) throws {
    func content(_ content: String) throws -> JSONValue? {
        let answer = try answered(#"{"role":"assistant","content":\#(content),"model":"m"}"#, by: asker)
        #expect(answer["role"] == "assistant" && answer["model"] == "m")
        return answer["content"]
    }
    #expect(try content(block) == ["type": "text", "text": "a"])
    #expect(try content("[\(block)]") == ["type": "text", "text": "a"])
    #expect(try content("[\(block),\(block)]") == ["type": "text", "text": "a\na"])
    #expect(try content("[]") == ["type": "text", "text": ""])
    let mixed = try content(#"[\#(block),{"type":"image","mimeType":"image/png","data":"x"}]"#)
    #expect(mixed?["type"] == "text")
    #expect(mixed?["text"]?.stringValue?.hasPrefix("a\n[image (image/png)") == true)
    #expect(try content(sound)?["type"] == (asker == .v2024_11_05 ? "text" : "audio"))
    #expect(try content("[\(sound)]")?["type"] == (asker == .v2024_11_05 ? "text" : "audio"))
}

@Test("a newer server is answered as the client has answered")
func newerSamplingAnswers() throws {
    for asker in [Revision.v2025_11_25, .v2026_07_28] {
        for content in [block, "[\(block),\(sound)]"] {
            #expect(
                try answered(#"{"content":\#(content)}"#, by: asker)["content"] == JSONValue.parse(content))
        }
    }
}

// MARK: Forms

private func form(_ properties: String, _ revision: Revision = .v2025_06_18) throws -> JSONValue? {
    let schema = #"{"$schema":"s","type":"object","properties":\#(properties),"required":["a"]}"#
    let said = try worded(.elicit, #"{"message":"m","requestedSchema":\#(schema)}"#, revision)
    #expect(said["message"] == "m")
    #expect(said["requestedSchema"]?["required"] == ["a"])
    #expect((said["requestedSchema"]?["$schema"] == nil) == (revision < .v2025_11_25))
    return said["requestedSchema"]?["properties"]
}

@Test("a selection with titles is one with names in 2025-06-18")
func olderFormSelection() throws {
    let options = #"[{"const":"s","title":"Small"},{"const":"l","title":"Large"},{"const":"x"}]"#
    let property =
        #"{"a":{"type":"string","title":"Size","oneOf":\#(options),"default":"s","description":"d"}}"#
    #expect(
        try form(property)?["a"] == [
            "type": "string", "title": "Size", "description": "d", "enum": ["s", "l", "x"],
            "enumNames": ["Small", "Large", "x"],
        ])
    #expect(try form(property, .v2025_11_25)?["a"]?["oneOf"]?.arrayValue?.count == 3)
}

@Test(
    "of defaults 2025-06-18 knows those of yes or no",
    arguments: [
        (#"{"type":"string","default":"x","maxLength":3}"#, #"{"type":"string","maxLength":3}"#),
        (#"{"type":"integer","default":1,"minimum":1.50}"#, #"{"type":"integer","minimum":1.50}"#),
        (#"{"type":"boolean","default":true}"#, #"{"type":"boolean","default":true}"#),
        (
            #"{"type":"string","enum":["a"],"enumNames":["A"]}"#,
            #"{"type":"string","enum":["a"],"enumNames":["A"]}"#
        ),
        ("7", "7"),
    ])
func olderFormDefaults(_ property: String, _ expected: String) throws {
    #expect(try form(#"{"a":\#(property)}"#)?["a"] == JSONValue.parse(expected))
}

@Test(
    "a field that 2025-06-18 has no form for is named, and nothing is asked",
    arguments: [
        #"{"type":"array","items":{"type":"string","enum":["a"]}}"#,
        #"{"type":"string","oneOf":[{"const":1}]}"#,
        #"{"type":"string","oneOf":{}}"#, #"{"oneOf":["a"]}"#,
    ])
func olderFormRefusals(_ property: String) throws {
    let failure = #expect(throws: RPCFailure.self) {
        try form(#"{"a":{"type":"string"},"hues":\#(property)}"#)
    }
    #expect(failure?.code == RPCCode.invalidParams)
    #expect(failure?.message.contains("requestedSchema.properties.hues") == true)
    #expect(failure?.message.contains("2025-06-18") == true)
}

@Test("an answer without content says so by having none")
func formAnswers() throws {
    for asker in Revision.allCases {
        let answer = try answered(#"{"action":"decline","content":null}"#, by: asker, .elicit)
        #expect(answer == ["action": "decline"])
        let full = #"{"action":"accept","content":{"a":["b"]}}"#
        #expect(try answered(full, by: asker, .elicit) == JSONValue.parse(full))
    }
}

// MARK: What is declared

@Test("words of later revisions declare nothing")
func knownCapabilities() {
    let all: ClientCapabilities = [
        .sampling, .samplingTools, .elicitationForm, .elicitationURL, .roots, .tasks,
    ]
    #expect(all.known(in: .v2025_11_25) == all)
    #expect(all.known(in: .v2026_07_28) == all)
    #expect(all.known(in: .v2025_06_18) == [.sampling, .elicitationForm, .roots])
    #expect(ClientCapabilities.elicitationURL.known(in: .v2025_06_18) == .elicitationForm)
    for revision in [Revision.v2024_11_05, .v2025_03_26] {
        #expect(all.known(in: revision) == [.sampling, .roots])
    }
}
