import Testing
import Wire

@testable import MCP

private let discoverResult =
    #"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","supportedVersions":["2026-07-28"],"#
    + #""capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true}},"ttlMs":0,"#
    + #""cacheScope":"private","instructions":"hi","_meta":{"io.modelcontextprotocol/serverInfo":"#
    + #"{"name":"s","version":"1"}}}}"#
private let initializeResult =
    #"{"jsonrpc":"2.0","id":2,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"#
    + #""serverInfo":{"name":"s","version":"1"}}}"#
private let unknownMethod = #"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#

private func unsupported(_ versions: String) -> String {
    #"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"x","data":{"supported":\#(versions)}}}"#
}

extension Handshake {
    fileprivate mutating func answered(_ question: Question, _ text: String) throws -> Step {
        try Message(text).with { answered(question, $0, $1) }
    }
}

@Test("a server that answers server/discover is modern, with what it offers")
func handshakeModern() throws {
    var handshake = Handshake(.probe)
    #expect(handshake.started() == .ask(.discover))
    guard case .discovered(let profile) = try handshake.answered(.discover, discoverResult) else {
        Issue.record("not discovered")
        return
    }
    #expect(profile.revision == .v2026_07_28)
    #expect(profile.offers == [.tools, .resources, .subscriptions])
    #expect(profile.instructions == "hi")
    #expect(profile.serverInfo == Array(#"{"name":"s","version":"1"}"#.utf8))
    #expect(handshake.verdict == .modern)
    #expect(try handshake.answered(.initialize, initializeResult) == .wait)
}

@Test(
    "any other error makes a server legacy; it is initialized on the spot",
    arguments: [-32601, -32602, -32600, -32603, 0, -32020])
func handshakeLegacy(_ code: Int) throws {
    var handshake = Handshake(.probe)
    _ = handshake.started()
    let error = #"{"jsonrpc":"2.0","id":1,"error":{"code":\#(code),"message":"no"}}"#
    #expect(try handshake.answered(.discover, error) == .ask(.initialize))
    #expect(handshake.verdict == .legacy)
    guard case .initialized(let profile) = try handshake.answered(.initialize, initializeResult) else {
        Issue.record("not initialized")
        return
    }
    #expect(profile.revision == .v2025_06_18)
}

@Test("a server that dies of the question is started again as legacy, and never asked twice")
func handshakeExit() {
    var handshake = Handshake(.probe)
    _ = handshake.started()
    #expect(handshake.exited() == .replace(.legacy))
    #expect(handshake.verdict == .legacy)
    var pinned = Handshake(.serve(.legacy))
    #expect(pinned.started() == .ask(.initialize))
    #expect(pinned.exited() == nil)
    #expect(pinned.verdict == nil)
}

@Test("a silent server gets initialize too; whichever question is answered well decides")
func handshakeSilent() throws {
    var slowModern = Handshake(.probe)
    _ = slowModern.started()
    #expect(slowModern.silent() == .ask(.initialize))
    #expect(slowModern.silent() == .wait)
    guard case .discovered = try slowModern.answered(.discover, discoverResult) else {
        Issue.record("not discovered")
        return
    }
    #expect(try slowModern.answered(.initialize, unsupported(#"["2026-07-28"]"#)) == .wait)

    var slowLegacy = Handshake(.probe)
    _ = slowLegacy.started()
    _ = slowLegacy.silent()
    #expect(try slowLegacy.answered(.discover, unknownMethod) == .wait)
    guard case .initialized = try slowLegacy.answered(.initialize, initializeResult) else {
        Issue.record("not initialized")
        return
    }
    #expect(slowLegacy.verdict == .legacy)

    var deaf = Handshake(.probe)
    _ = deaf.started()
    _ = deaf.silent()
    guard case .initialized = try deaf.answered(.initialize, initializeResult) else {
        Issue.record("not initialized")
        return
    }
}

@Test("a child that has refused a revision is replaced, not spoken to in the other era")
func handshakeLocked() throws {
    var handshake = Handshake(.probe)
    _ = handshake.started()
    #expect(
        try handshake.answered(.discover, unsupported(#"["2025-11-25","2025-06-18"]"#)) == .replace(.legacy))
    #expect(handshake.verdict == .legacy)

    var stored = Handshake(.serve(.legacy))
    _ = stored.started()
    guard case .fail = try stored.answered(.initialize, unsupported(#"["2026-07-28"]"#)) else {
        Issue.record("a pinned era is not changed")
        return
    }
}

@Test("a modern server that is asked late refuses initialize and is known by it")
func handshakeInitializeRefused() throws {
    var handshake = Handshake(.probe)
    _ = handshake.started()
    _ = handshake.silent()
    #expect(try handshake.answered(.initialize, unsupported(#"["2026-07-28"]"#)) == .wait)
    #expect(handshake.verdict == .modern)
    guard case .discovered = try handshake.answered(.discover, discoverResult) else {
        Issue.record("not discovered")
        return
    }
}

@Test(
    "a server with no revision in common fails with the versions in the sentence",
    arguments: [
        unsupported(#"["2031-01-01"]"#), unsupported("[]"), unsupported("7"),
        #"{"jsonrpc":"2.0","id":1,"result":{"supportedVersions":["2031-01-01"]}}"#,
    ])
func handshakeForeign(_ answer: String) throws {
    var handshake = Handshake(.probe)
    _ = handshake.started()
    guard case .fail(let reason) = try handshake.answered(.discover, answer) else {
        Issue.record("not failed")
        return
    }
    #expect(reason.contains("2031-01-01") || reason.contains("names nothing else"))
}

@Test("era: modern fails where the server is legacy, era: legacy never asks")
func handshakePinned() throws {
    var modern = Handshake(.serve(.modern))
    #expect(modern.started() == .ask(.discover))
    guard case .fail = try modern.answered(.discover, unknownMethod) else {
        Issue.record("not failed")
        return
    }
    #expect(modern.silent() == .wait)
}

@Test("who serves whom follows from the choice and the verdict")
func eraPlans() {
    #expect(EraPlan(.auto, verdict: nil) == .probe)
    #expect(EraVerdict.modern.adding(.legacy) == .dual)
    #expect(EraVerdict.legacy.adding(.legacy) == .legacy)
    #expect(EraPlan(.auto, verdict: .dual) == .serve(.modern))
    #expect(EraPlan(.auto, verdict: .legacy) == .serve(.legacy))
    #expect(EraPlan(.legacy, verdict: .modern) == .serve(.legacy))
    #expect(EraPlan(.mirror, verdict: .dual) == .both)
    #expect(EraPlan(.mirror, verdict: .modern) == .serve(.modern))
    #expect(EraPlan(.mirror, verdict: .dual).era(serving: .legacy) == .legacy)
    #expect(EraPlan(.auto, verdict: .dual).era(serving: .legacy) == .modern)
    #expect(EraPlan(.auto, verdict: nil).era(serving: .modern) == nil)
}

@Test("a legacy verdict is believed for a week, a modern one until it is forgotten")
func eraLedger() {
    var ledger = EraLedger()
    ledger.learn(.legacy, for: "a", nowUnixSeconds: 1000)
    ledger.learn(.modern, for: "b", nowUnixSeconds: 1000)
    let week = BridgeLimits.legacyVerdictSeconds
    #expect(ledger.verdict("a", nowUnixSeconds: 1000 + week) == .legacy)
    #expect(ledger.verdict("a", nowUnixSeconds: 1001 + week) == nil)
    #expect(ledger.verdict("b", nowUnixSeconds: 1001 + 9 * week) == .modern)
    ledger.forget("b")
    #expect(ledger.verdict("b", nowUnixSeconds: 1001) == nil)
    for i in 0...BridgeLimits.verdictsMax {
        ledger.learn(.modern, for: "k\(i)", nowUnixSeconds: 2000 + i)
    }
    #expect(ledger.entries.count == BridgeLimits.verdictsMax)
    #expect(ledger.verdict("a", nowUnixSeconds: 2000) == nil)
}
