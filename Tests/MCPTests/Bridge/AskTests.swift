import Testing
import Wire

@testable import MCP

private let form = #"{"message":"Who?","requestedSchema":{"type":"object","properties":{}}}"#
private let url = #"{"mode":"url","message":"Go","url":"https://a/","elicitationId":"e1","_meta":{"x":1}}"#
private let model = #"{"messages":[],"maxTokens":5}"#

private func read(_ method: MethodName, _ params: String) -> Ask? { params.raw { Ask(method, params: $0) } }

@Test("each request says what the client must have declared")
func askNeeds() {
    #expect(read(.elicit, form)?.needs == .elicitationForm)
    #expect(read(.elicit, #"{"mode":"form","message":"","requestedSchema":{}}"#)?.kind == .form)
    #expect(read(.elicit, url)?.needs == .elicitationURL)
    #expect(read(.createMessage, model)?.needs == .sampling)
    #expect(read(.createMessage, #"{"messages":[],"tools":[]}"#)?.needs == [.sampling, .samplingTools])
    #expect(read(.rootsList, "")?.needs == .roots)
    #expect(read(.elicit, "") == nil)
    #expect(read(.elicit, "[]") == nil)
    #expect(read(.ping, "") == nil)
    #expect(read(.unknown, "{}") == nil)
}

@Test("an entry of inputRequests has no id, no elicitation id and no metadata of another era")
func askModern() throws {
    let asked = try #require(read(.elicit, url))
    #expect(
        try json { asked.writeInputRequest(into: &$0) } == [
            "method": "elicitation/create", "params": ["mode": "url", "message": "Go", "url": "https://a/"],
        ])
    let roots = try #require(read(.rootsList, ""))
    #expect(text { roots.writeInputRequest(into: &$0) } == #"{"method":"roots/list","params":{}}"#)
    #expect(text { roots.writeInputRequest(into: &$0) }.raw { Ask(inputRequest: $0) }?.kind == .roots)
}

@Test("a legacy client is asked in the words of its revision")
func askLegacy() throws {
    func request(_ ask: Ask?, _ revision: Revision) throws -> JSONValue {
        let ask = try #require(ask)
        return try json {
            ask.writeRequest(
                id: Array(#""gw-1""#.utf8), revision: revision, elicitationID: "fresh", into: &$0)
        }
    }
    let withMode = read(.elicit, #"{"mode":"form","message":"Who?","requestedSchema":{"type":"object"}}"#)
    let new = try request(withMode, .v2025_11_25)
    #expect(new["id"] == "gw-1")
    #expect(new["jsonrpc"] == "2.0")
    #expect(new["params"]?["mode"] == "form")
    #expect(try request(withMode, .v2025_06_18)["params"]?["mode"] == nil)
    let visit = read(.elicit, #"{"mode":"url","message":"Go","url":"https://a/"}"#)
    #expect(try request(visit, .v2025_11_25)["params"]?["elicitationId"] == "fresh")
    #expect(try request(read(.elicit, url), .v2025_11_25)["params"]?["elicitationId"] == "e1")
    #expect(try request(read(.rootsList, ""), .v2024_11_05)["params"] == nil)
}

@Test(
    "answers are told from what is none by their shape",
    arguments: [
        (form, #"{"action":"accept","content":{"a":1}}"#, true), (form, #"{"action":"decline"}"#, true),
        (form, #"{"action":"cancel","content":null}"#, true), (form, #"{"action":"maybe"}"#, false),
        (form, #"{"content":{}}"#, false), (form, "42", false), (form, "null", false), (form, "[]", false),
        (form, #"{"action":"accept","content":7}"#, false),
    ])
func askElicitAnswers(_ params: String, _ answer: String, _ isOne: Bool) throws {
    let ask = try #require(read(.elicit, params))
    #expect(answer.raw { ask.isAnswer($0) } == isOne)
}

@Test("samples and roots have shapes of their own")
func askOtherAnswers() throws {
    let sampling = try #require(read(.createMessage, model))
    #expect(
        #"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#.raw {
            sampling.isAnswer($0)
        })
    #expect(#"{"role":"assistant","content":[]}"#.raw { sampling.isAnswer($0) })
    #expect(!#"{"content":{}}"#.raw { sampling.isAnswer($0) })
    #expect(!#"{"action":"accept"}"#.raw { sampling.isAnswer($0) })
    let roots = try #require(read(.rootsList, ""))
    #expect(#"{"roots":[]}"#.raw { roots.isAnswer($0) })
    #expect(!#"{"roots":{}}"#.raw { roots.isAnswer($0) })
    #expect(roots.unanswered == nil && sampling.unanswered == nil)
}

@Test("a server learns whether a mode or the whole capability is missing")
func askRefusals() throws {
    let visit = try #require(read(.elicit, url))
    #expect(visit.refusal(declared: []).code == RPCCode.methodNotFound)
    #expect(visit.refusal(declared: .elicitationForm).code == RPCCode.invalidParams)
    let tools = try #require(read(.createMessage, #"{"messages":[],"tools":[]}"#))
    #expect(tools.refusal(declared: .sampling).code == RPCCode.invalidParams)
    #expect(tools.refusal(declared: .roots).code == RPCCode.methodNotFound)
}
