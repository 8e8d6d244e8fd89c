import System
import Testing

@testable import MCP

private typealias Filter = UpstreamListen.Filter

/// A listen with its clock.
private struct Bench {
    var listen = UpstreamListen()
    var now = Instant(nanoseconds: 1_000_000_000)

    mutating func want(_ lists: ListenFilter, _ uris: [String] = []) {
        listen.want(Filter(lists: lists, uris: uris), now: now)
    }

    mutating func wait(_ milliseconds: Int) -> [UpstreamListen.Action] {
        now = now.advanced(milliseconds: milliseconds)
        return listen.tick(now: now, random: 0)
    }

    /// Open with one request, acknowledged.
    static func open() -> Bench {
        var bench = Bench()
        bench.want(.tools)
        bench.listen.started(now: bench.now)
        _ = bench.wait(0)
        _ = bench.listen.acknowledged(1)
        return bench
    }
}

private let debounce = BridgeLimits.listenDebounceMilliseconds

@Test("a server that starts is listened to at once, for what is wanted by then")
func listenStart() {
    var bench = Bench()
    #expect(bench.wait(1000).isEmpty)
    bench.want(.tools)
    #expect(bench.wait(1000).isEmpty)
    bench.listen.started(now: bench.now)
    #expect(bench.wait(0) == [.open(1, Filter(lists: .tools))])
    #expect(!bench.listen.isOpen)
    #expect(bench.listen.acknowledged(1).isEmpty)
    #expect(bench.listen.isOpen)
    #expect(bench.listen.nextTick == nil)
}

@Test("wishes are gathered, and the old request ends only when the new one is acknowledged")
func listenReplace() {
    var bench = Bench.open()
    bench.want(.tools, ["a"])
    bench.want([.tools, .prompts], ["a"])
    #expect(bench.wait(debounce - 1).isEmpty)
    #expect(bench.wait(1) == [.open(2, Filter(lists: [.tools, .prompts], uris: ["a"]))])
    #expect(bench.listen.isOpen)
    #expect(bench.listen.acknowledged(2) == [.close(1)])
    #expect(bench.listen.ended(1, now: bench.now, random: 0).isEmpty)
    #expect(bench.listen.nextTick == nil)
}

@Test("a wish that comes back to what is open, or ends, opens nothing")
func listenUndone() {
    var bench = Bench.open()
    bench.want(.prompts)
    #expect(bench.wait(debounce) == [.open(2, Filter(lists: .prompts))])
    bench.want(.tools)
    #expect(bench.wait(debounce) == [.close(2)])
    bench.want([])
    #expect(bench.wait(debounce) == [.close(1)])
    #expect(!bench.listen.isOpen)
    bench.want(.tools)
    #expect(bench.wait(debounce) == [.open(3, Filter(lists: .tools))])
}

@Test("a stream that broke is opened again after a pause, and then everything may have changed")
func listenGap() {
    var bench = Bench.open()
    #expect(bench.listen.ended(1, now: bench.now, random: 0).isEmpty)
    #expect(bench.wait(BridgeLimits.retryFirstMilliseconds / 2 - 1).isEmpty)
    #expect(bench.wait(1) == [.open(2, Filter(lists: .tools))])
    // Not acknowledged yet when it breaks again: the pause grows.
    #expect(bench.listen.ended(2, now: bench.now, random: 0).isEmpty)
    #expect(bench.wait(BridgeLimits.retryFirstMilliseconds - 1).isEmpty)
    #expect(bench.wait(1) == [.open(3, Filter(lists: .tools))])
    #expect(bench.listen.acknowledged(3) == [.announceAll])
    #expect(bench.listen.acknowledged(3).isEmpty)
}

@Test("a request that nobody acknowledges is given up; the one that it was to replace stays")
func listenUnacknowledged() {
    var bench = Bench.open()
    bench.want(.prompts)
    _ = bench.wait(debounce)
    #expect(bench.wait(BridgeLimits.listenAckMilliseconds) == [.close(2)])
    #expect(bench.listen.isOpen)
    #expect(bench.wait(BridgeLimits.retryFirstMilliseconds) == [.open(3, Filter(lists: .prompts))])
    #expect(bench.listen.acknowledged(3) == [.close(1)])
}

@Test("a restart is a gap as well")
func listenRestart() {
    var bench = Bench.open()
    bench.listen.stopped()
    #expect(bench.listen.nextTick == nil)
    bench.want([.tools, .resources])
    bench.listen.started(now: bench.now)
    #expect(bench.wait(0) == [.open(2, Filter(lists: [.tools, .resources]))])
    #expect(bench.listen.acknowledged(2) == [.announceAll])
}

@Test("pauses double up to the last, never below half, and start over after success")
func backoff() {
    var backoff = Backoff(firstMilliseconds: 100, lastMilliseconds: 1000)
    #expect([0, 0, 0, 0, 0, 0].map { backoff.next(random: $0) } == [50, 100, 200, 400, 500, 500])
    #expect(backoff.attempts == 6)
    for random in [1, 77, .max] as [UInt64] {
        #expect((500...1000).contains(backoff.next(random: random)))
    }
    #expect(backoff.next(random: 0, atLeast: 900) == 900)
    #expect(backoff.next(random: 0, atLeast: 9_000_000) == 1000)
    backoff.reset()
    #expect(backoff.next(random: 0) == 50)
}

@Test("a first wish after a rest is asked for at once")
func listenRested() {
    var bench = Bench.open()
    _ = bench.wait(debounce)
    bench.want([.tools, .prompts])
    #expect(bench.wait(0) == [.open(2, Filter(lists: [.tools, .prompts]))])
    bench.want(.prompts)
    #expect(bench.wait(debounce - 1).isEmpty)
    #expect(bench.wait(1) == [.close(2), .open(3, Filter(lists: .prompts))])
}
