import System
import Testing

@testable import MCP

private let start = Instant(nanoseconds: 1_000_000_000)

private func form(_ message: String) throws -> Ask {
    try #require(
        #"{"message":"\#(message)","requestedSchema":{"type":"object"}}"#.raw { Ask(.elicit, params: $0) })
}

private func add(_ doubts: inout Doubts, _ ask: Ask, _ id: String, _ calls: [UInt64]) -> Bool {
    id.raw { doubts.add(ask, id: $0, among: calls, now: start) }
}

@Test("a request is the last call's that was under way when it came")
func doubtsResolve() throws {
    var doubts = Doubts()
    let ask = try form("?")
    #expect(add(&doubts, ask, "7", [1, 2, 3]))
    #expect(doubts.answered(2).isEmpty)
    // A later call is no candidate.
    #expect(doubts.answered(9).isEmpty)
    let certain = doubts.answered(1)
    #expect(certain.map(\.call) == [3])
    #expect(certain.map(\.doubt.id) == [Array("7".utf8)])
    #expect(doubts.isEmpty)
    #expect(doubts.answered(3).isEmpty)
}

@Test("two requests wait each for its own others")
func doubtsTwo() throws {
    var doubts = Doubts()
    #expect(add(&doubts, try form("a"), "1", [1, 2]))
    #expect(add(&doubts, try form("b"), "2", [2, 3]))
    let certain = doubts.answered(2)
    #expect(certain.map(\.call) == [1, 3])
}

@Test("requests that are taken back or wait too long are forgotten")
func doubtsEnd() throws {
    var doubts = Doubts()
    #expect(add(&doubts, try form("a"), #""x""#, [1, 2]))
    #expect(#""x""#.raw { doubts.withdrew(id: $0) })
    #expect(!#""x""#.raw { doubts.withdrew(id: $0) })
    #expect(add(&doubts, try form("b"), "2", [1, 2]))
    let late = start.advanced(milliseconds: BridgeLimits.doubtMilliseconds)
    #expect(doubts.expire(now: late).isEmpty)
    #expect(doubts.expire(now: late.advanced(milliseconds: 1)).count == 1)
    #expect(doubts.isEmpty)
}

@Test("doubts are bounded")
func doubtsBounded() throws {
    var doubts = Doubts()
    let ask = try form("a")
    for number in 0..<BridgeLimits.doubtsMax { #expect(add(&doubts, ask, "\(number)", [1, 2])) }
    #expect(!add(&doubts, ask, "x", [1, 2]))
}

@Test("what a call may have asked that nobody hears of again is nobody's")
func doubtsLost() throws {
    var doubts = Doubts()
    #expect(add(&doubts, try form("a"), "1", [1, 2]))
    #expect(add(&doubts, try form("b"), "2", [2, 3]))
    #expect(doubts.lost(1).map(\.id) == [Array("1".utf8)])
    #expect(doubts.answered(2).map(\.call) == [3])
    #expect(doubts.isEmpty)
}

@Test("calls that all wait for answers are told so")
func doubtsDeadlocked() throws {
    var doubts = Doubts()
    let late = start.advanced(milliseconds: BridgeLimits.deadlockMilliseconds)
    for id in 1...2 { #expect(add(&doubts, try form("a"), "\(id)", [1, 2, 3])) }
    // One of the calls may be at work.
    #expect(doubts.deadlocked(now: late.advanced(milliseconds: 1)).isEmpty)
    #expect(add(&doubts, try form("a"), "3", [1, 2, 3]))
    #expect(doubts.deadlocked(now: late).isEmpty)
    #expect(doubts.deadlocked(now: late.advanced(milliseconds: 1)).count == 3)
    #expect(doubts.isEmpty)
}
