import MCP
import System
import Testing

@Suite struct TrialsTests {
    private let start = Instant(nanoseconds: 1_000_000_000)
    private let alone = BridgeLimits.trialAloneMilliseconds
    private let patience = BridgeLimits.trialPatienceMilliseconds
    private let limit = BridgeLimits.trialMilliseconds

    private func after(_ milliseconds: Int) -> Instant { start.advanced(milliseconds: milliseconds) }

    @Test func theFirstCallIsTheTrialAndOthersWait() {
        var trials = Trials()
        #expect(trials.admit(7, now: start) == .first)
        #expect(trials.admit(7, now: start) == .wait)
        // Another tool could ask at the same time.
        #expect(trials.admit(8, now: start) == .wait)
        #expect(trials.subjects == [7])
    }

    @Test func whatHasBeenTriedIsTakenAtOnce() {
        var trials = Trials(tried: [9])
        #expect(trials.admit(9, now: start) == .known)
        #expect(trials.admit(7, now: start) == .first)
        #expect(trials.ended(7, now: start).isEmpty)
        #expect(trials.hasTried(7) && !trials.hasTried(8))
        #expect(trials.admit(7, now: start) == .known)
        #expect(trials.admit(8, now: start) == .first)
        #expect(trials.admit(7, now: start) == .known)
    }

    @Test func itsEndFreesItsOwnAndOneMore() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        for (call, subject) in [(1, 7), (2, 8), (3, 8), (4, 9), (5, 7)] {
            trials.wait(UInt64(call), for: subject, now: start)
        }
        #expect(trials.ended(7, now: start) == [.init(1), .init(2, trial: 8), .init(5)])
        #expect(trials.subjects == [8])
        #expect(trials.ended(8, now: start) == [.init(3), .init(4, trial: 9)])
        #expect(trials.count == 0)
    }

    @Test func aTrialThatIsCalledOffTeachesNothing() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.wait(2, for: 7, now: start)
        #expect(trials.abandoned(7, now: start) == [.init(1, trial: 7)])
        #expect(trials.count == 1)
        #expect(!trials.hasTried(7))
    }

    @Test func callsOfASlowToolWaitForItsFirst() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        #expect(trials.expire(now: after(limit)).isEmpty)
        #expect(trials.expire(now: after(limit + 1)) == [.init(1)])
        #expect(trials.admit(7, now: after(limit)) == .known)
    }

    @Test func otherToolsWaitForASlowOneNotForLong() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        for (call, subject) in [(1, 8), (2, 8), (3, 9)] {
            trials.wait(UInt64(call), for: subject, now: start)
        }
        #expect(trials.expire(now: after(alone)).isEmpty)
        #expect(trials.expire(now: after(alone + 1)) == [.init(1, trial: 8)])
        // Who comes now waits for the youngest.
        #expect(trials.admit(10, now: after(alone + 2)) == .wait)
        #expect(trials.ended(8, now: after(alone + 2)) == [.init(2), .init(3, trial: 9)])
        #expect(Set(trials.subjects) == [7, 9])
    }

    @Test func nobodyWaitsLongForOthersOneAfterTheOther() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        for subject in 8...10 { trials.wait(UInt64(subject), for: subject, now: start) }
        #expect(trials.ended(7, now: after(patience)) == [.init(8, trial: 8)])
        #expect(
            trials.expire(now: after(patience + 1)) == [.init(9, trial: 9), .init(10, trial: 10)])
        #expect(Set(trials.subjects) == [8, 9, 10])
    }

    @Test func nobodyWaitsThroughTrialAfterTrial() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        for call in 1...3 { trials.wait(UInt64(call), for: 7, now: start) }
        #expect(trials.abandoned(7, now: after(limit - 1)) == [.init(1, trial: 7)])
        #expect(trials.expire(now: after(limit + 1)) == [.init(2), .init(3)])
        // The last one is at it still.
        #expect(trials.subjects == [7])
    }

    @Test func whoLeavesWaitsNoMore() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.left(1)
        #expect(trials.ended(7, now: start).isEmpty)
    }

    @Test func whatIsKnownToAskKeepsOthersWaiting() {
        var trials = Trials(tried: [7])
        trials.begin(7, now: start)
        #expect(trials.admit(8, now: start) == .wait)
        trials.wait(1, for: 8, now: start)
        // As long as there is one.
        trials.begin(7, now: start)
        #expect(trials.ended(7, now: start).isEmpty)
        #expect(trials.abandoned(7, now: start) == [.init(1, trial: 8)])
    }

    @Test func nothingIsTriedWhileSomethingElseMayAsk() {
        var trials = Trials(tried: [9])
        #expect(trials.hold(true, now: start).isEmpty)
        #expect(trials.admit(9, now: start) == .known)
        #expect(trials.admit(7, now: start) == .wait)
        for call in 1...2 { trials.wait(UInt64(call), for: 7, now: start) }
        #expect(trials.expire(now: after(alone + 1)).isEmpty)
        #expect(trials.hold(false, now: after(alone + 1)) == [.init(1, trial: 7)])
        // Not for ever.
        #expect(trials.hold(true, now: after(alone + 1)).isEmpty)
        #expect(trials.expire(now: after(limit + 1)) == [.init(2)])
    }

    @Test func allAreFreedAtOnce() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.wait(2, for: 8, now: start)
        #expect(trials.removeAll() == [.init(1), .init(2)])
        #expect(trials.removeAll().isEmpty)
        #expect(trials.admit(7, now: start) == .first)
    }

    @Test func nothingIsTriedBeyondTheLimit() {
        var trials = Trials()
        for subject in 1...BridgeLimits.triedMax { _ = trials.ended(subject, now: start) }
        #expect(trials.admit(5_000, now: start) == .known)
    }
}
