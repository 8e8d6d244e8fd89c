import Testing

@testable import MCP

@Test(
    "a revision is known by exactly its ten bytes",
    arguments: [
        ("2024-11-05", Revision.v2024_11_05), ("2025-03-26", .v2025_03_26), ("2025-06-18", .v2025_06_18),
        ("2025-11-25", .v2025_11_25), ("2026-07-28", .v2026_07_28),
    ])
func revisionText(_ text: String, _ revision: Revision) {
    #expect(text.raw { Revision($0) } == revision)
    #expect("\(revision.text)" == text)
    for wrong in [text + " ", " " + text, String(text.dropLast()), ""] {
        #expect(wrong.raw { Revision($0) } == nil)
    }
}

@Test(
    "initialize gets the handshake revision it asks for, else the newest of them",
    arguments: [
        ("2024-11-05", Revision.v2024_11_05), ("2025-03-26", .v2025_03_26), ("2025-11-25", .v2025_11_25),
        ("2026-07-28", .v2025_11_25), ("2099-01-01", .v2025_11_25), ("", .v2025_11_25),
    ])
func negotiation(_ asked: String, _ expected: Revision) {
    #expect(asked.raw { Revision.negotiated(asked: $0) } == expected)
}

@Test("one revision alone allows batches, one alone has no handshake")
func revisionTraits() {
    #expect(Revision.allCases.filter(\.allowsBatches) == [.v2025_03_26])
    #expect(Revision.allCases.filter(\.isModern) == [.v2026_07_28])
}

@Test("every method is found by its text, and by nothing near it")
func methodTexts() {
    for method in MethodName.allCases where method != .unknown {
        let text = "\(method.text)"
        #expect(text.raw { MethodName($0) } == method)
        #expect((text + "x").raw { MethodName($0) } == .unknown)
        #expect(String(text.dropLast()).raw { MethodName($0) } == .unknown)
        #expect(text.uppercased().raw { MethodName($0) } == .unknown)
    }
    #expect("".raw { MethodName($0) } == .unknown)
}

@Test("escapes in a method are decoded before it is compared")
func escapedMethod() throws {
    let message = try Message(#"{"jsonrpc":"2.0","id":1,"method":"tools\/c\u0061ll"}"#)
    #expect(message.with { MethodName($0, in: $1) } == .toolsCall)
}
