import Testing

@testable import Reactor
@testable import System

/// Collects the tags that fire.
private final class Target: TimerTarget {
    var fired: [UInt64] = []
    func timerFired(_ tag: UInt64) { fired.append(tag) }
}

/// A wheel and the clock that the test steps.
private struct Bench {
    var wheel = TimerWheel()
    var now = Instant(nanoseconds: 1_000_000_000_000)
    let target = Target()

    mutating func schedule(_ milliseconds: Int, tag: UInt64) -> TimerID {
        wheel.schedule(at: now.advanced(milliseconds: milliseconds), target, tag: tag)
    }

    mutating func step(_ milliseconds: Int) {
        now = now.advanced(milliseconds: milliseconds)
        wheel.collect(now: now)
        while let (target, tag) = wheel.next() { target.timerFired(tag) }
    }
}

@Suite("TimerWheel")
struct TimerWheelTests {
    @Test("timers fire in the order of their deadlines, however far the clock jumps")
    func order() {
        var bench = Bench()
        for delay in [500, 20, 60_000, 20, 0, 4_400, 100] { _ = bench.schedule(delay, tag: UInt64(delay)) }
        bench.step(120_000)
        #expect(bench.target.fired == [0, 20, 20, 100, 500, 4_400, 60_000])
        #expect(bench.wheel.count == 0)
    }

    @Test("a timer never fires early, and at most a tick late")
    func punctual() {
        var bench = Bench()
        for delay in 0..<200 { _ = bench.schedule(delay, tag: UInt64(delay)) }
        for elapsed in 1...210 {
            bench.step(1)
            #expect(bench.target.fired.allSatisfy { $0 <= elapsed })
            #expect(bench.target.fired.count >= min(max(elapsed - 5, 0), 200))
        }
        #expect(bench.target.fired.count == 200)
    }

    @Test("a timer beyond one turn of the wheel waits for its own tick")
    func farTimers() {
        var bench = Bench()
        // One turn is 1024 * 2^22 ns, about 4295 ms: these share a bucket.
        let turn = 4_294_967_296
        let deadline = bench.now.nanoseconds + 50_000_000
        for round in 0..<4 {
            _ = bench.wheel.schedule(
                at: Instant(nanoseconds: deadline + UInt64(round * turn)), bench.target, tag: UInt64(round))
        }
        for round in 0..<4 {
            bench.step(round == 0 ? 60 : 4295)
            #expect(bench.target.fired == (0...UInt64(round)).map { $0 })
        }
    }

    @Test("a cancelled timer does not fire, and cancelling again is harmless")
    func cancel() {
        var bench = Bench()
        let ids = (0..<10).map { bench.schedule(10, tag: $0) }
        for id in [ids[0], ids[4], ids[9], ids[4]] { _ = bench.wheel.cancel(id) }
        #expect(bench.wheel.count == 7)
        bench.step(20)
        #expect(bench.target.fired == [1, 2, 3, 5, 6, 7, 8])
        for id in ids { #expect(bench.wheel.cancel(id) == nil) }
        #expect(bench.wheel.cancel(.none) == nil)
        #expect(bench.wheel.count == 0)
    }

    @Test("an old id does not cancel the timer that took its place")
    func staleID() {
        var bench = Bench()
        let old = bench.schedule(10, tag: 1)
        _ = bench.wheel.cancel(old)
        let new = bench.schedule(10, tag: 2)
        _ = bench.wheel.cancel(old)
        #expect(bench.wheel.isPending(new))
        bench.step(20)
        #expect(bench.target.fired == [2])
        #expect(!bench.wheel.isPending(new))
    }

    @Test("a timer may cancel another that is due at the same moment")
    func cancelWhileFiring() {
        var bench = Bench()
        let ids = (0..<3).map { bench.schedule(10, tag: $0) }
        bench.now = bench.now.advanced(milliseconds: 20)
        bench.wheel.collect(now: bench.now)
        let first = bench.wheel.next()
        #expect(first?.tag == 0)
        _ = bench.wheel.cancel(ids[1])
        let third = bench.wheel.next()
        #expect(third?.tag == 2)
        #expect(bench.wheel.next() == nil)
        #expect(bench.wheel.count == 0)
    }

    @Test("a timer that is set while others fire waits for the next round")
    func scheduleWhileFiring() {
        var bench = Bench()
        _ = bench.schedule(10, tag: 1)
        bench.now = bench.now.advanced(milliseconds: 20)
        bench.wheel.collect(now: bench.now)
        #expect(bench.wheel.next()?.tag == 1)
        _ = bench.schedule(0, tag: 2)
        #expect(bench.wheel.next() == nil)
        bench.step(5)
        #expect(bench.target.fired == [2])
    }

    @Test("the next deadline is known without waking early")
    func nextDeadline() throws {
        var bench = Bench()
        #expect(bench.wheel.millisecondsToNext(now: bench.now) == nil)
        _ = bench.schedule(60_000, tag: 1)
        let near = bench.schedule(100, tag: 2)
        #expect((100...106).contains(try #require(bench.wheel.millisecondsToNext(now: bench.now))))
        _ = bench.wheel.cancel(near)
        // One early look after a cancellation is allowed; it sets the record straight.
        bench.step(110)
        #expect((59_890...59_896).contains(try #require(bench.wheel.millisecondsToNext(now: bench.now))))
        bench.step(59_880)
        #expect(bench.target.fired.isEmpty)
        let rest = try #require(bench.wheel.millisecondsToNext(now: bench.now))
        bench.step(rest)
        #expect(bench.target.fired == [1])
        #expect(bench.wheel.millisecondsToNext(now: bench.now) == nil)
    }

    @Test("any mix of setting, cancelling and stepping agrees with a sorted list")
    func model() {
        struct Expected {
            var id: TimerID
            var deadline: Instant
            var tag: UInt64
        }
        let seed = UInt64.random(in: 0 ... .max)
        var generator = SeededGenerator(state: seed)
        var bench = Bench()
        var pending: [Expected] = []
        for step in 0..<20_000 {
            switch generator.next() % 4 {
            case 0, 1:
                let delay = Int(generator.next() % (step % 7 == 0 ? 20_000 : 300))
                let id = bench.schedule(delay, tag: UInt64(step))
                pending.append(
                    Expected(id: id, deadline: bench.now.advanced(milliseconds: delay), tag: UInt64(step)))
            case 2 where !pending.isEmpty:
                let victim = pending.remove(at: Int(generator.next() % UInt64(pending.count)))
                #expect(bench.wheel.cancel(victim.id) != nil, "seed \(seed), step \(step)")
            default:
                bench.target.fired.removeAll()
                bench.step(Int(generator.next() % 40))
                let tick = (bench.now.nanoseconds >> 22) << 22
                let due = pending.filter { $0.deadline.nanoseconds <= tick }
                    .sorted { ($0.deadline, $0.tag) < ($1.deadline, $1.tag) }
                pending.removeAll { $0.deadline.nanoseconds <= tick }
                #expect(bench.target.fired == due.map(\.tag), "seed \(seed), step \(step)")
            }
            #expect(bench.wheel.count == pending.count, "seed \(seed), step \(step)")
        }
    }

    @Test(
        "a loop fires its timers, and letting go of a target in cancel may cancel more",
        arguments: Loop.Backend.available)
    func inLoop(_ backend: Loop.Backend) throws {
        /// Cancels its second timer when it is let go of.
        final class Chained: TimerTarget {
            let loop: Loop
            var other = TimerID.none
            init(loop: Loop) { self.loop = loop }
            func timerFired(_ tag: UInt64) {}
            deinit { loop.cancel(other) }
        }
        let loop = try Loop(index: 0, backend: backend)
        let target = Target()
        loop.schedule(afterMilliseconds: 10, target, tag: 5)
        let start = Instant.now()
        #expect(loop.turn { !target.fired.isEmpty })
        #expect(Instant.now().milliseconds(since: start) >= 9)
        let other = loop.schedule(afterMilliseconds: 0, target, tag: 6)
        var id = TimerID.none
        do {
            let chained = Chained(loop: loop)
            chained.other = other
            id = loop.schedule(afterMilliseconds: 1000, chained, tag: 0)
        }
        loop.cancel(id)
        loop.turn(waitingAtMost: 10)
        #expect(target.fired == [5])
        loop.end()
    }
}

/// SplitMix64: a run is repeated from its seed.
private struct SeededGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
