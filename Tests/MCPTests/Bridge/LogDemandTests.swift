import Testing
import Wire

@testable import MCP

@Test("a server is set to the most verbose wish, and told only when that is more than it knows")
func logDemand() {
    var demand = LogDemand()
    #expect(demand.want(1, .warning) == .warning)
    #expect(demand.want(2, .error) == nil)
    #expect(demand.want(3, .debug) == .debug)
    #expect(demand.want(3, nil) == nil)
    #expect(demand.want(4, .info) == nil)
    #expect(demand.told == .debug)
    #expect(demand.wish(of: 1) == .warning)
    #expect(demand.restarted() == .info)
    #expect(demand.want(1, nil) == nil)
    _ = demand.want(2, nil)
    _ = demand.want(4, nil)
    #expect(demand.restarted() == nil)
    #expect(demand.want(1, .error) == .error)
}

@Test("nobody gets a message that it did not ask for")
func logDelivery() {
    #expect(LogDemand.delivers(.warning, to: .warning))
    #expect(LogDemand.delivers(.error, to: .warning))
    #expect(!LogDemand.delivers(.info, to: .warning))
    #expect(!LogDemand.delivers(.emergency, to: nil))
}

@Test("a disconnect cancels for modern clients alone; a server is told in its own way")
func cancellationRules() {
    #expect(Cancellation.isMeant(byDisconnectOf: .modern))
    #expect(!Cancellation.isMeant(byDisconnectOf: .legacy))
    #expect(Cancellation.south(.modern, isStdio: false) == .closeStream)
    #expect(Cancellation.south(.modern, isStdio: true) == .notice)
    #expect(Cancellation.south(.legacy, isStdio: false) == .notice)
}

@Test("of several answers in one the shorter time and the narrower circle hold")
func cacheHints() throws {
    func hints(_ result: String) throws -> CacheHints {
        try Message(#"{"jsonrpc":"2.0","id":1,"result":\#(result)}"#).with { CacheHints($0, $1) }
    }
    let open = try hints(#"{"ttlMs":9000,"cacheScope":"public"}"#)
    #expect(open == CacheHints(ttlMilliseconds: 9000, isPublic: true))
    #expect(
        open.merged(with: .legacy(announcesChanges: false))
            == CacheHints(ttlMilliseconds: 5000, isPublic: false))
    #expect(open.merged(with: .legacy(announcesChanges: true)).ttlMilliseconds == 9000)
    for careless in [
        #"{"ttlMs":-5}"#, #"{"ttlMs":1.5}"#, #"{"ttlMs":"9"}"#, "{}", #"{"ttlMs":9999999999999}"#,
    ] {
        #expect(try hints(careless) == CacheHints(ttlMilliseconds: 0, isPublic: false))
    }
}
