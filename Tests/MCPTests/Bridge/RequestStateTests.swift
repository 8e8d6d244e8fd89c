import Testing
import Wire

@testable import MCP

private let key = [UInt8](repeating: 3, count: 32)
private let seal = StateSeal(key: key, sandbox: "sb1", principal: "p")
private let digest = RequestDigest(high: 1, low: 2)

private func open(_ text: [UInt8], _ seal: StateSeal = seal, now: Int64 = 1000) -> RequestState? {
    text.withUnsafeBytes { RequestState(opening: $0, seal, nowUnixSeconds: now) }
}

private func digest(_ body: String, _ method: MethodName = .toolsCall) throws -> RequestDigest {
    try Message(body).with { RequestDigest($0, $1, method: method) }
}

@Test(
    "a request state gives back what was sealed, as a JSON string without escapes",
    arguments: [[], Array(#""own \u0000 state""#.utf8), [UInt8](repeating: 0xFF, count: 60_000)] as [[UInt8]])
func stateRoundTrip(_ payload: [UInt8]) throws {
    let state = RequestState(
        kind: .wrapped, call: .random(), round: 7, expiresUnixSeconds: 1000, digest: digest, instance: .max,
        payload: payload)
    let text = state.sealed(seal)
    #expect(open(text) == state)
    #expect(text.withUnsafeBytes { RequestState.isOurs($0) })
    let parsed = try JSONValue.parse(text).stringValue
    #expect(parsed?.utf8.count == text.count - 2)
    #expect(parsed?.utf8.allSatisfy { (0x21...0x7E).contains($0) } == true)
}

@Test("a request state is nothing after its time, elsewhere, or for somebody else")
func stateForeign() {
    let text = RequestState(kind: .parked, round: 1, expiresUnixSeconds: 1000, digest: digest).sealed(seal)
    #expect(open(text, now: 1000) != nil)
    #expect(open(text, now: 1001) == nil)
    #expect(open(text, StateSeal(key: key, sandbox: "sb2", principal: "p")) == nil)
    #expect(open(text, StateSeal(key: key, sandbox: "sb1", principal: "q")) == nil)
    #expect(open(text, StateSeal(key: key, sandbox: "sb1p", principal: "")) == nil)
    #expect(
        open(text, StateSeal(key: [UInt8](repeating: 4, count: 32), sandbox: "sb1", principal: "p")) == nil)
}

@Test("a request state that was touched or cut anywhere is none")
func stateTampered() {
    let text = RequestState(kind: .parked, round: 1, expiresUnixSeconds: 1000, digest: digest).sealed(seal)
    // The quotes are not the state's: what comes here is a JSON string always.
    for i in 1..<(text.count - 1) {
        var changed = text
        changed[i] = changed[i] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        #expect(open(changed) == nil, "byte \(i)")
        #expect(open(Array(text.prefix(i))) == nil)
    }
    #expect(open(Array(text.dropLast()) + Array(#"-TAMPERED""#.utf8)) == nil)
    for other in ["7", "null", #""""#, #""g1.""#, #""g1.AA""#, #""theirs""#] {
        #expect(open(Array(other.utf8)) == nil)
    }
}

@Test("a session id never opens as a state, though they share a key")
func stateIsNoSession() {
    let session = "sb1".raw {
        SessionID(revision: .v2025_11_25, capabilities: [], createdUnixSeconds: 1).sealed(
            key: key, sandbox: $0)
    }
    let digits = Array(session.dropFirst(4))
    #expect(open(Array("\"g1.".utf8) + digits + Array("\"".utf8)) == nil)
}

@Test("the digest tells requests apart, and not how they are spaced or spelled")
func digests() throws {
    func body(_ params: String) -> String {
        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#
    }
    let one = try digest(body(#"{"name":"t","arguments":{"a":1,"b":"x \" y"}}"#))
    #expect(
        try digest(body(#"{ "arguments": {"a" : 1,  "b":"x \" y"}, "name":"\u0074", "requestState":"x"}"#))
            == one)
    #expect(try digest(body(#"{"name":"u","arguments":{"a":1,"b":"x \" y"}}"#)) != one)
    #expect(try digest(body(#"{"name":"t","arguments":{"a":1,"b":"x \"y"}}"#)) != one)
    #expect(try digest(body(#"{"name":"t","arguments":{"a":12,"b":"x \" y"}}"#)) != one)
    #expect(try digest(body(#"{"name":"t"}"#)) != one)
    #expect(try digest(body(#"{"name":"t","arguments":{"a":1,"b":"x \" y"}}"#), .promptsGet) != one)
}
