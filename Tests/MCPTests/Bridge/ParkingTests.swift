import System
import Testing
import Wire

@testable import MCP

private let seal = StateSeal(key: [UInt8](repeating: 3, count: 32), sandbox: "sb1")
private let start = Instant(nanoseconds: 1_000_000_000)
private let digest = RequestDigest(high: 1, low: 2)
private let formParams = #"{"message":"Who?","requestedSchema":{"type":"object"}}"#
private let accept = #"{"action":"accept","content":{}}"#
private let all: ClientCapabilities = [.elicitationForm, .sampling, .roots]

/// A parked call with its clock, and the last state that a client was handed.
private struct Bench {
    var parking = Parking(seal)
    var now = start
    var unix = 5000
    var state: RequestState?
    var asked: JSONValue?

    mutating func push(
        _ id: String, _ method: MethodName = .elicit, _ params: String = formParams, call: UInt64 = 7,
        capabilities: ClientCapabilities = all, consumer: UInt64 = 100
    ) throws -> [ParkedCall.Action] {
        let ask = try #require(params.raw { Ask(method, params: $0) })
        return id.raw {
            parking.asked(
                ask, id: $0, call: call, digest: digest, capabilities: capabilities, consumer: consumer,
                now: now)
        }
    }

    /// Lets the gather window pass; the consumers that were asked.
    mutating func gather() throws -> [UInt64] {
        now = now.advanced(milliseconds: BridgeLimits.gatherMilliseconds)
        return try note(parking.tick(now: now, unixSeconds: unix).flatMap(\.actions))
    }

    mutating func note(_ actions: [ParkedCall.Action]) throws -> [UInt64] {
        var consumers: [UInt64] = []
        for case .ask(let consumer, let result) in actions {
            consumers.append(consumer)
            let value = try JSONValue.parse(result)
            asked = value
            let text = try #require(value["requestState"]).serialized()
            state = text.withUnsafeBytes { RequestState(opening: $0, seal, nowUnixSeconds: Int64(unix)) }
            #expect(state != nil)
        }
        return consumers
    }

    mutating func retry(
        _ responses: String, consumer: UInt64 = 200, digest: RequestDigest = digest, progress: Bool = false
    ) throws -> [ParkedCall.Action] {
        let state = try #require(state)
        return responses.raw {
            parking.retried(
                state, digest: digest, responses: $0, consumer: consumer, wantsProgress: progress, now: now,
                unixSeconds: unix
            ).actions
        }
    }

    mutating func answer(_ line: String, isError: Bool = false) -> [ParkedCall.Action]? {
        line.raw { parking.answered(7, line: $0, isError: isError) }
    }
}

private func line(_ actions: [ParkedCall.Action]) -> [String] {
    actions.compactMap { action in
        if case .tell(let bytes) = action { return String(decoding: bytes, as: UTF8.self) }
        return nil
    }
}

@Test(
    "a child's request ends the exchange, the retry carries the answer, and the call's own result comes back")
func parkRoundTrip() throws {
    var bench = Bench()
    #expect(try bench.push("0").isEmpty)
    #expect(bench.parking.tick(now: bench.now, unixSeconds: bench.unix).isEmpty)
    #expect(try bench.gather() == [100])
    #expect(bench.asked?["resultType"] == "input_required")
    #expect(bench.asked?["inputRequests"]?["a1"]?["method"] == "elicitation/create")
    #expect(bench.asked?["inputRequests"]?["a1"]?["params"]?["message"] == "Who?")
    #expect(bench.parking.disconnected(7, consumer: 100).isEmpty)

    let actions = try bench.retry(#"{"a1":\#(accept),"other":1}"#)
    #expect(line(actions) == [#"{"jsonrpc":"2.0","id":0,"result":\#(accept)}"# + "\n"])
    let final = #"{"jsonrpc":"2.0","id":7,"result":{}}"#
    #expect(bench.answer(final) == [.deliver(consumer: 200, line: Array(final.utf8)), .end])
    #expect(bench.parking.count == 0)
    #expect(bench.answer(final) == nil)
}

@Test("several requests are asked at once; what is missing or malformed is asked again under a new state")
func parkSeveral() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.push(#""s""#, .createMessage, #"{"messages":[],"maxTokens":1}"#)
    _ = try bench.push("2", .rootsList, "")
    #expect(try bench.gather() == [100])
    #expect(bench.asked?["inputRequests"]?.objectValue?.names == ["a1", "a2", "a3"])
    let first = bench.state
    var actions = try bench.retry(#"{"a1":\#(accept),"a2":42}"#)
    #expect(line(actions).count == 1)
    #expect(try bench.note(actions) == [200])
    #expect(bench.asked?["inputRequests"]?.objectValue?.names == ["a2", "a3"])
    #expect(bench.state != first)
    // The state of the first round is used up.
    let second = bench.state
    bench.state = first
    #expect(try bench.retry(#"{"a2":{}}"#, consumer: 201) == [.fail(consumer: 201, .staleState)])
    bench.state = second
    actions = try bench.retry(#"{"a2":{"role":"assistant","content":{},"model":"m"},"a3":{"roots":[]}}"#)
    #expect(line(actions).count == 2)
    #expect(bench.parking.consumer(of: 7) == 200)
}

@Test("asks of a second round go out under the exchange of the retry")
func parkRounds() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.gather()
    _ = try bench.retry(#"{"a1":\#(accept)}"#, consumer: 200)
    _ = try bench.push("1")
    #expect(try bench.gather() == [200])
    #expect(bench.asked?["inputRequests"]?.objectValue?.names == ["a2"])
}

@Test("a result that comes while nobody waits is kept for the retry")
func parkResultFirst() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.gather()
    "0".raw { bench.parking.withdrew(7, id: $0) }
    let final = #"{"jsonrpc":"2.0","id":7,"result":{"content":[]}}"#
    #expect(bench.answer(final) == [])
    #expect(try bench.retry("{}") == [.deliver(consumer: 200, line: Array(final.utf8)), .end])
}

@Test("a request that its server withdrew is asked of nobody")
func parkWithdrawn() throws {
    var bench = Bench()
    _ = try bench.push("0")
    "0".raw { bench.parking.withdrew(7, id: $0) }
    #expect(try bench.gather() == [])
    #expect(bench.parking.consumer(of: 7) == 100)
}

@Test("a client that did not declare it is not asked; if the call then fails it learns what was missing")
func parkUndeclared() throws {
    var bench = Bench()
    let actions = try bench.push("0", capabilities: [.sampling])
    #expect(line(actions).first?.contains("-32601") == true)
    let error = #"{"jsonrpc":"2.0","id":7,"error":{"code":-32603,"message":"no"}}"#
    let outcome = bench.answer(error, isError: true)
    guard case .fail(100, let failure)? = outcome?.first else {
        Issue.record("not failed")
        return
    }
    #expect(failure.code == RPCCode.missingCapability)
    #expect(failure.httpStatus == 400)
    #expect(try JSONValue.parse(failure.data) == ["requiredCapabilities": ["elicitation": [:]]])

    var fallback = Bench()
    _ = try fallback.push("0", capabilities: [.sampling])
    let result = #"{"jsonrpc":"2.0","id":7,"result":{}}"#
    #expect(fallback.answer(result) == [.deliver(consumer: 100, line: Array(result.utf8)), .end])
}

@Test(
    "whoever never comes back lets the server know: forms are cancelled, models fail, the call is cancelled")
func parkDeadline() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.push("1", .createMessage, #"{"messages":[],"maxTokens":1}"#)
    _ = try bench.gather()
    bench.now = bench.now.advanced(milliseconds: BridgeLimits.parkSeconds * 1000)
    #expect(bench.parking.tick(now: bench.now, unixSeconds: bench.unix).isEmpty)
    bench.now = bench.now.advanced(milliseconds: 1)
    let actions = bench.parking.tick(now: bench.now, unixSeconds: bench.unix).flatMap(\.actions)
    #expect(line(actions).first == #"{"jsonrpc":"2.0","id":0,"result":{"action":"cancel"}}"# + "\n")
    #expect(line(actions).last?.contains("-32603") == true)
    #expect(actions.suffix(2) == [.cancel, .end])
    #expect(bench.parking.count == 0)
    #expect(try bench.retry("{}") == [.fail(consumer: 200, .staleState)])
}

@Test("of clients that stay away the one that was asked first is given up, but not at once")
func parkForsaken() throws {
    var bench = Bench()
    _ = try bench.push("0", call: 7)
    _ = try bench.gather()
    bench.now = bench.now.advanced(milliseconds: 1000)
    _ = try bench.push("1", call: 8, consumer: 101)
    _ = try bench.gather()
    _ = try bench.push("2", call: 9, consumer: 102)
    bench.now = bench.now.advanced(milliseconds: BridgeLimits.forsakenMilliseconds - 1000)
    #expect(bench.parking.mostForsaken(of: [7, 8, 9], now: bench.now) == 7)
    #expect(bench.parking.mostForsaken(of: [8, 9, 77], now: bench.now) == nil)
    let actions = bench.parking.giveUp(7)
    #expect(line(actions) == [#"{"jsonrpc":"2.0","id":0,"result":{"action":"cancel"}}"# + "\n"])
    #expect(actions.suffix(2) == [.cancel, .end])
    #expect(bench.parking.mostForsaken(of: [7, 8, 9], now: bench.now) == nil)
    bench.now = bench.now.advanced(milliseconds: 1001)
    // Of 9 a client still waits.
    #expect(bench.parking.mostForsaken(of: [9, 8], now: bench.now) == 8)
    #expect(bench.parking.giveUp(77).isEmpty)
}

@Test("a client that leaves while its exchange is open has cancelled the call")
func parkDisconnected() throws {
    var bench = Bench()
    _ = try bench.push("0")
    #expect(bench.parking.disconnected(7, consumer: 99).isEmpty)
    let actions = bench.parking.disconnected(7, consumer: 100)
    #expect(actions.suffix(2) == [.cancel, .end])
}

@Test("a retry with other arguments, or a second one with the same state, is refused and changes nothing")
func parkForged() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.gather()
    let other = RequestDigest(high: 9, low: 9)
    #expect(
        try bench.retry(#"{"a1":\#(accept)}"#, digest: other) == [.fail(consumer: 200, .staleState)])
    #expect(line(try bench.retry(#"{"a1":\#(accept)}"#, consumer: 200)).count == 1)
    #expect(try bench.retry(#"{"a1":\#(accept)}"#, consumer: 201) == [.fail(consumer: 201, .staleState)])
    #expect(bench.parking.consumer(of: 7) == 200)
}

@Test("the newest progress waits for a retry that asked for progress")
func parkProgress() throws {
    var bench = Bench()
    _ = try bench.push("0")
    #expect("p0".raw { bench.parking.progressed(7, line: $0) })
    _ = try bench.gather()
    #expect(!"p1".raw { bench.parking.progressed(7, line: $0) })
    #expect(!"p2".raw { bench.parking.progressed(7, line: $0) })
    let actions = try bench.retry(#"{"a1":\#(accept)}"#, progress: true)
    #expect(actions.last == .progress(consumer: 200, line: Array("p2".utf8)))
    #expect("p".raw { bench.parking.progressed(8, line: $0) })
}

@Test("one call and one sandbox hold only so many requests")
func parkLimits() throws {
    var bench = Bench()
    for i in 0..<BridgeLimits.asksMax { #expect(try bench.push("\(i)").isEmpty) }
    #expect(line(try bench.push("99")).first?.contains("-32603") == true)
    for call in 0..<(BridgeLimits.parkedMax - 1) {
        #expect(try bench.push("0", call: 1000 + UInt64(call)).isEmpty)
    }
    #expect(line(try bench.push("0", call: 9999)).first?.contains("-32603") == true)
    #expect(bench.parking.endAll().count == BridgeLimits.parkedMax)
    #expect(bench.parking.count == 0)
}

@Test("a server that is gone leaves a state that is stale")
func parkChildEnded() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.gather()
    #expect(bench.parking.childEnded(7) == [.end])
    #expect(try bench.retry(#"{"a1":\#(accept)}"#) == [.fail(consumer: 200, .staleState)])
}

@Test("when nobody can come back, calls without a client are given up and the others go on")
func parkUnattended() throws {
    var bench = Bench()
    _ = try bench.push("0")
    _ = try bench.gather()
    _ = try bench.push("1", call: 8, consumer: 101)
    let ended = bench.parking.endUnattended()
    #expect(ended.map(\.call) == [7])
    #expect(line(ended[0].actions).first?.contains(#""action":"cancel""#) == true)
    #expect(ended[0].actions.suffix(2) == [.cancel, .end])
    #expect(bench.parking.isParked(8))
    #expect(!bench.parking.isParked(7))
}
