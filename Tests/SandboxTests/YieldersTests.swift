import System
import Testing

@testable import Sandbox

@Suite("Sandboxes that leave CPU time to others")
struct YieldersTests {
    private static let period = SandboxLimits.yieldMilliseconds
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func after(_ periods: Int) -> Instant { start.advanced(milliseconds: periods * Self.period) }

    /// Microseconds that are this share of one CPU for one period.
    private static func percent(_ percent: Int) -> UInt64 { UInt64(percent * period * 10) }

    /// Yields after these shares, each for one period.
    private func history(_ shares: [Int]) -> [Bool] {
        var yielders = Yielders()
        yielders.add("s")
        var used: UInt64 = 0
        var yields = false
        var states: [Bool] = []
        _ = yielders.look(total: 0, start)
        for (number, share) in shares.enumerated() {
            used += Self.percent(share)
            if yielders.look(total: used, after(number + 1)) == ["s"] {
                for change in yielders.judge(["s": used], after(number + 1)) { yields = change.yields }
            }
            states.append(yields)
        }
        return states
    }

    @Test("one that computes yields from the second look on, until it is calm")
    func spinner() {
        #expect(history([100, 100, 100, 10, 10]) == [false, true, true, false, false])
    }

    @Test("between the two marks nothing changes")
    func between() {
        #expect(history([30, 30, 30]) == [false, false, false])
        #expect(history([200, 200, 30, 30, 19]) == [false, true, true, true, false])
    }

    @Test("nobody is looked at while the machine has little to do")
    func calm() {
        var yielders = Yielders()
        yielders.add("s")
        #expect(yielders.look(total: 0, start) == nil)
        #expect(yielders.look(total: Self.percent(49), after(1)) == nil)
        #expect(yielders.look(total: Self.percent(49 + 50), after(2)) == ["s"])
    }

    @Test("an average over a long calm does not hide one that has just begun")
    func lateStart() {
        #expect(
            history([100, 10] + Array(repeating: 0, count: 100) + [100, 100]).suffix(3) == [
                false, false, true,
            ])
    }

    @Test("only those that are busy yield, and the gone are forgotten")
    func several() {
        var yielders = Yielders()
        for name in ["a", "b", "c"] { yielders.add(name) }
        _ = yielders.look(total: 0, start)
        _ = yielders.judge(["a": 0, "b": 0, "c": 0], start)
        let changes = yielders.judge(["a": Self.percent(100), "b": Self.percent(5)], after(1))
        #expect(changes.map(\.sandbox) == ["a"] && changes.allSatisfy(\.yields))
        #expect(yielders.yielding == 1)
        yielders.remove("a")
        #expect(yielders.yielding == 0)
        // One that was not looked at is judged by what it uses from now on.
        #expect(yielders.judge(["c": Self.percent(1_000)], after(2)).isEmpty)
    }

    @Test("counters that go backwards or leap are no reason to trap")
    func odd() {
        var yielders = Yielders()
        yielders.add("s")
        _ = yielders.look(total: 10, start)
        #expect(yielders.look(total: 5, after(1)) == nil)
        #expect(yielders.look(total: .max, after(2)) == ["s"])
        _ = yielders.judge(["s": .max], after(2))
        #expect(yielders.judge(["s": 0], after(2)).isEmpty)
        #expect(yielders.judge(["s": .max], after(3)).count == 1)
    }
}
