import System
import Testing
import Wire

@testable import MCP

private func at(_ milliseconds: Int) -> Instant {
    Instant(nanoseconds: 0).advanced(milliseconds: milliseconds)
}

@Test("a server is set to the most verbose wish, and told only when that is more than it knows")
func logDemand() {
    var demand = LogDemand()
    #expect(demand.want(.warning, now: at(0)) == .warning)
    #expect(demand.want(.error, now: at(1)) == nil)
    #expect(demand.want(.debug, now: at(2)) == .debug)
    #expect(demand.want(.info, now: at(3)) == nil)
    #expect(demand.told == .debug)
}

@Test("a server becomes quieter when the wish for more has been over for a while")
func logDemandSettles() {
    var demand = LogDemand()
    let pause = BridgeLimits.logLingerMilliseconds
    #expect(!demand.isDue(now: at(pause * 9)))
    _ = demand.want(.debug, now: at(0))
    #expect(!demand.isDue(now: at(pause - 1)))
    #expect(demand.isDue(now: at(pause)))
    #expect(demand.settle(.debug, now: at(pause)) == nil)
    #expect(!demand.isDue(now: at(pause + 1)))
    #expect(demand.settle(.error, now: at(pause * 2)) == .error)
    #expect(demand.settle(nil, now: at(pause * 3)) == .emergency)
    #expect(demand.want(.alert, now: at(pause * 4)) == .alert)
}

@Test("a new process is told what is wanted, and nothing when nothing is")
func logDemandRestarts() {
    var demand = LogDemand()
    #expect(demand.restarted(.info, now: at(0)) == .info)
    #expect(demand.want(.info, now: at(1)) == nil)
    #expect(demand.restarted(nil, now: at(2)) == nil)
    #expect(!demand.isDue(now: at(100_000_000)))
    #expect(demand.want(.error, now: at(3)) == .error)
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
