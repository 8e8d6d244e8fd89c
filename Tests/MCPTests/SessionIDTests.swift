import Testing

@testable import MCP

private let key = [UInt8](repeating: 9, count: 32)

private func open(_ text: [UInt8], key: [UInt8] = key, sandbox: String = "sb1") -> SessionID? {
    text.withUnsafeBytes { id in sandbox.raw { SessionID(opening: id, key: key, sandbox: $0) } }
}

private func seal(_ session: SessionID, sandbox: String = "sb1") -> [UInt8] {
    sandbox.raw { session.sealed(key: key, sandbox: $0) }
}

@Test(
    "a session id gives back what was sealed, and is visible ASCII",
    arguments: Revision.allCases.filter(\.isHandshake))
func sessionRoundTrip(_ revision: Revision) {
    let session = SessionID(
        revision: revision, capabilities: [.sampling, .elicitationURL], createdUnixSeconds: 1_790_000_000)
    let text = seal(session)
    #expect(text.count == SessionID.textBytes)
    #expect(text.starts(with: Array("gw1.".utf8)))
    #expect(text.allSatisfy { (0x21...0x7E).contains($0) })
    #expect(open(text) == session)
}

@Test("a session id that was touched anywhere is none")
func sessionTampered() {
    let text = seal(SessionID(revision: .v2025_11_25, capabilities: [], createdUnixSeconds: 1))
    for i in text.indices {
        for replacement in [UInt8(ascii: "A"), UInt8(ascii: "B"), 0, 0xFF] where text[i] != replacement {
            var changed = text
            changed[i] = replacement
            #expect(open(changed) == nil, "byte \(i)")
        }
    }
    for count in text.indices { #expect(open(Array(text.prefix(count))) == nil) }
    #expect(open(text + [65]) == nil)
}

@Test("a session id of another sandbox or key is none")
func sessionForeign() {
    let text = seal(SessionID(revision: .v2025_11_25, capabilities: [], createdUnixSeconds: 1))
    #expect(open(text, sandbox: "sb2") == nil)
    #expect(open(text, sandbox: "") == nil)
    #expect(open(text, key: [UInt8](repeating: 8, count: 32)) == nil)
    #expect(open(text, key: []) == nil)
}

@Test("two sessions with the same facts are two")
func sessionUnique() {
    let one = SessionID(revision: .v2025_11_25, capabilities: [], createdUnixSeconds: 1)
    let two = SessionID(revision: .v2025_11_25, capabilities: [], createdUnixSeconds: 1)
    #expect(one != two)
    #expect(one.unique != two.unique)
    #expect(seal(one) != seal(one))
}

@Test(
    "client capabilities are read from both eras' spellings",
    arguments: [
        ("{}", ClientCapabilities()), ("[]", []), ("7", []), ("", []),
        (#"{"sampling":{}}"#, .sampling), (#"{"sampling":{"tools":{}}}"#, [.sampling, .samplingTools]),
        (#"{"elicitation":{}}"#, .elicitationForm), (#"{"elicitation":{"form":{}}}"#, .elicitationForm),
        (#"{"elicitation":{"url":{}}}"#, .elicitationURL),
        (#"{"elicitation":{"url":{},"form":{}}}"#, [.elicitationURL, .elicitationForm]),
        (#"{"roots":{}}"#, .roots), (#"{"roots":{"listChanged":true}}"#, [.roots, .rootsListChanged]),
        (#"{"roots":{"listChanged":false}}"#, .roots), (#"{"roots":true}"#, []),
        (#"{"s\u0061mpling":{}, "x":1}"#, .sampling), (#"{"tasks":{}}"#, .tasks),
        (#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, .tasks),
    ] as [(String, ClientCapabilities)])
func capabilities(_ object: String, _ expected: ClientCapabilities) {
    #expect(object.raw { ClientCapabilities(object: $0) } == expected)
}
