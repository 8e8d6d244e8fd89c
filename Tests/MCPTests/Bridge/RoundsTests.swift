import Testing
import Wire

@testable import MCP

private func inputRequired(_ requests: String, _ state: String? = #""st""#) -> String {
    let tail = state.map { #","requestState":\#($0)"# } ?? ""
    let middle = requests.isEmpty ? "" : #","inputRequests":\#(requests)"#
    return #"{"jsonrpc":"2.0","id":41,"result":{"resultType":"input_required"\#(middle)\#(tail)}}"#
}

private let twoAsks =
    #"{"name":{"method":"elicitation/create","params":{"mode":"form","message":"m","requestedSchema":{}}},"#
    + #""say":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}"#

/// A call's rounds with the session's open requests.
private struct Bench {
    var rounds: Rounds
    var pushes = Pushes()

    init(
        _ method: MethodName = .toolsCall, _ capabilities: ClientCapabilities = [.elicitationForm, .sampling]
    ) {
        rounds = Rounds(call: 7, method: method, capabilities: capabilities, revision: .v2025_06_18)
    }

    mutating func asked(_ line: String, canReach: Bool = true) throws -> Rounds.Step {
        try Message(line).with {
            rounds.asked($0, $1, &pushes, canReach: canReach, elicitationID: { "fresh" })
        }
    }

    mutating func answer(_ body: String) throws -> Rounds.Step {
        let message = try Message(body)
        return try message.with { envelope, body in
            let taken = pushes.take(envelope.id.of(body))
            let open = try #require(taken)
            guard case .round(7, let key) = open.owner else {
                Issue.record("not this call's")
                return .wait
            }
            return rounds.answered(open, key: key, envelope, body)
        }
    }
}

private func messages(_ step: Rounds.Step) throws -> [JSONValue] {
    guard case .push(let messages) = step else {
        Issue.record("nothing was pushed: \(step)")
        return []
    }
    return try messages.map { try JSONValue.parse($0) }
}

@Test("input_required becomes requests of the session, and the answers go back under the server's keys")
func roundsComplete() throws {
    var bench = Bench()
    let pushed = try messages(bench.asked(inputRequired(twoAsks)))
    #expect(pushed.map { $0["method"] } == ["elicitation/create", "sampling/createMessage"])
    #expect(pushed.map { $0["id"] } == ["gw-1", "gw-2"])
    #expect(pushed[0]["params"]?["mode"] == nil)
    #expect(
        try bench.answer(
            #"{"jsonrpc":"2.0","id":"gw-2","result":{"role":"assistant","content":{},"model":"m"}}"#) == .wait
    )
    let step = try bench.answer(
        #"{"jsonrpc":"2.0","id":"gw-1","result":{"action":"accept","content":{"n":1}}}"#)
    #expect(
        step
            == .again(
                ModernRewriter.Round(
                    responses: Array(
                        (#"{"name":{"action":"accept","content":{"n":1}},"#
                            + #""say":{"role":"assistant","content":{},"model":"m"}}"#).utf8),
                    state: Array(#""st""#.utf8))))
    #expect(bench.pushes.count == 0)
    // The next round starts afresh, with fresh ids.
    let next = try messages(bench.asked(inputRequired(twoAsks, nil)))
    #expect(next[0]["id"] == "gw-3")
}

@Test("a client that cannot answer a form has cancelled it; what is no answer counts as none")
func roundsElicitationError() throws {
    for answer in [
        #"{"jsonrpc":"2.0","id":"gw-1","error":{"code":-1,"message":"no"}}"#,
        #"{"jsonrpc":"2.0","id":"gw-1","result":{"action":"perhaps"}}"#,
    ] {
        var bench = Bench()
        _ = try bench.asked(
            inputRequired(
                #"{"k":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}}"#))
        #expect(
            try bench.answer(answer)
                == .again(
                    ModernRewriter.Round(
                        responses: Array(#"{"k":{"action":"cancel"}}"#.utf8), state: Array(#""st""#.utf8))))
    }
}

@Test("a model that fails ends the call: readable for a tool, an error for the rest")
func roundsSamplingError() throws {
    let ask = #"{"k":{"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1}}}"#
    let refusal = #"{"jsonrpc":"2.0","id":"gw-1","error":{"code":-1,"message":"user rejected"}}"#
    var tool = Bench()
    _ = try tool.asked(inputRequired(ask))
    guard case .toolError(let text) = try tool.answer(refusal) else {
        Issue.record("no tool error")
        return
    }
    #expect(text.contains("user rejected"))
    let value = try json { sink in "1".raw { Rounds.writeToolError(text, id: $0, into: &sink) } }
    #expect(value["result"]?["isError"] == true)
    var prompt = Bench(.promptsGet)
    _ = try prompt.asked(inputRequired(ask))
    guard case .fail = try prompt.answer(refusal) else {
        Issue.record("no error")
        return
    }
}

@Test("a state without requests is tried again, each time a little later")
func roundsStateOnly() throws {
    var bench = Bench()
    let round = ModernRewriter.Round(state: Array(#""st""#.utf8))
    for pause in [50, 100, 200, 250, 250] {
        #expect(try bench.asked(inputRequired("")) == .againLater(milliseconds: pause, round))
    }
    #expect(try bench.asked(inputRequired("{}")) == .againLater(milliseconds: 250, round))
}

@Test("a call that asks for ever ends")
func roundsMax() throws {
    var bench = Bench()
    for _ in 0..<BridgeLimits.roundsMax { _ = try bench.asked(inputRequired("")) }
    guard case .fail = try bench.asked(inputRequired("")) else {
        Issue.record("not failed")
        return
    }
}

@Test(
    "what a server may not ask, or nobody can be asked, fails the call",
    arguments: [
        ("{}", nil), (#"{"k":{"method":"tools/list"}}"#, nil), (#"{"k":7}"#, nil), ("[]", nil),
        (#"{"k":{"method":"roots/list"}}"#, nil), ("", "7"),
    ] as [(String, String?)])
func roundsRefused(_ requests: String, _ state: String?) throws {
    var bench = Bench()
    guard case .fail = try bench.asked(inputRequired(requests, state)) else {
        Issue.record("not failed")
        return
    }
    #expect(bench.pushes.count == 0)
    var deaf = Bench()
    guard case .fail = try deaf.asked(inputRequired(twoAsks), canReach: false) else {
        Issue.record("asked without a stream")
        return
    }
    var list = Bench(.toolsList)
    guard case .fail = try list.asked(inputRequired(twoAsks)) else {
        Issue.record("lists do not ask")
        return
    }
}

@Test("open requests are given up with their call or by their child, once")
func pushesWithdrawn() throws {
    var pushes = Pushes()
    let ask = try #require("".raw { Ask(.rootsList, params: $0) })
    let first = pushes.add(ask, for: .round(call: 1, key: "a")) ?? []
    let second = pushes.add(ask, for: .child(9, id: Array("0".utf8), call: 2)) ?? []
    #expect(!first.isEmpty)
    #expect(first != second)
    #expect(pushes.withdraw(call: 1) == [first])
    #expect(first.withUnsafeBytes { pushes.take($0) } == nil)
    #expect("0".raw { pushes.withdraw(child: 8, id: $0) } == [])
    #expect("0".raw { pushes.withdraw(child: 9, id: $0) } == [second])
    for foreign in [
        #""gw-0""#, #""gw-01""#, #""gw-""#, "1", #""x""#, #""gw-99999999999999999999999""#, "null",
    ] {
        #expect(foreign.raw { pushes.take($0) } == nil)
    }
    for i in 0..<BridgeLimits.pushesMax {
        #expect(pushes.add(ask, for: .round(call: UInt64(i), key: "k")) != nil)
    }
    #expect(pushes.add(ask, for: .round(call: 99, key: "k")) == nil)
}

@Test("an answer reaches the child under the child's own id, byte for byte, on one line")
func pushAnswer() throws {
    let ask = try #require("".raw { Ask(.rootsList, params: $0) })
    func line(_ rest: String) throws -> String {
        let message = try Message("{\"jsonrpc\":\"2.0\",\n\"id\":\"gw-1\",\(rest)}")
        return text { sink in
            message.with { Pushes.writeAnswer($1, $0, to: ask, Array("0".utf8), into: &sink) }
        }
    }
    #expect(
        try line("\"result\":{\"n\":\n1.50}") == "{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{\"n\": 1.50}}\n")
    #expect(
        try line("\"error\":{\"code\":1}") == "{\"jsonrpc\":\"2.0\", \"id\":0,\"error\":{\"code\":1}}\n")
    #expect(
        text { Pushes.writeCancelled(Array(#""gw-1""#.utf8), into: &$0) }
            == #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"gw-1"}}"#)
}

@Test("an error that wants a URL opened becomes a question; yes makes the call again, no ends it")
func urlRequired() throws {
    let seal = StateSeal(key: [UInt8](repeating: 3, count: 32), sandbox: "s")
    let digest = RequestDigest(high: 1, low: 2)
    let line =
        #"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"x","data":{"elicitations":["#
        + #"{"mode":"url","elicitationId":"e","url":"https://a/","message":"Go"},{"mode":"form"}]}}}"#
    func result(_ line: String, _ capabilities: ClientCapabilities, round: UInt32 = 0) throws -> [UInt8]? {
        try Message(line).with {
            URLRequired.result(
                $0, $1, digest: digest, capabilities: capabilities, round: round, unixSeconds: 10, seal)
        }
    }
    let value = try JSONValue.parse(#require(try result(line, .elicitationURL)))
    #expect(value["inputRequests"]?.objectValue?.names == ["u1"])
    #expect(value["inputRequests"]?["u1"]?["params"]?["elicitationId"] == nil)
    let text = try #require(value["requestState"]).serialized()
    let state = text.withUnsafeBytes { RequestState(opening: $0, seal, nowUnixSeconds: 11) }
    #expect(state?.kind == .again)
    #expect(state?.round == 1)
    #expect(try result(line, .elicitationForm) == nil)
    #expect(try result(line, .elicitationURL, round: UInt32(BridgeLimits.roundsMax)) == nil)
    #expect(
        try result(#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"x"}}"#, .elicitationURL) == nil
    )
    #expect(#"{"u1":{"action":"accept"}}"#.raw { URLRequired.verdict($0) } == .again)
    #expect(#"{"u1":{"action":"decline"}}"#.raw { URLRequired.verdict($0) } == .declined)
    #expect("{}".raw { URLRequired.verdict($0) } == .unanswered)
}

@Test("a child whose call was called off is told that nobody answers")
func pushesAbandoned() throws {
    var pushes = Pushes()
    let form = try #require(
        #"{"message":"m","requestedSchema":{}}"#.raw { Ask(.elicit, params: $0) })
    let roots = try #require("".raw { Ask(.rootsList, params: $0) })
    let added = pushes.add(form, for: .child(9, id: Array("0".utf8), call: 2))
    let first = try #require(added)
    _ = pushes.add(roots, for: .child(9, id: Array("1".utf8), call: 2))
    _ = pushes.add(roots, for: .child(9, id: Array("2".utf8), call: 3))
    let open = pushes.abandon(call: 2)
    #expect(open.map(\.ask) == [form, roots])
    #expect(first.withUnsafeBytes { pushes.take($0) } == nil)
    #expect(pushes.count == 1)
    #expect(
        text { Pushes.writeUnanswered(form, to: Array("0".utf8), into: &$0) }
            == #"{"jsonrpc":"2.0","id":0,"result":{"action":"cancel"}}"# + "\n")
    #expect(
        text { Pushes.writeUnanswered(roots, to: Array("1".utf8), into: &$0) }.hasPrefix(
            #"{"jsonrpc":"2.0","id":1,"error":{"code":-32603"#))
}
