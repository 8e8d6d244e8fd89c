import MCP
import System
import Testing

@Suite struct TrialsTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    @Test func theFirstCallIsTheTrialAndOthersWait() {
        var trials = Trials()
        #expect(trials.admit(7, now: start) == .first)
        #expect(trials.admit(7, now: start) == .wait)
        // Another tool could ask at the same time.
        #expect(trials.admit(8, now: start) == .wait)
        #expect(trials.subject == 7)
    }

    @Test func whatHasBeenTriedIsTakenAtOnce() {
        var trials = Trials()
        #expect(trials.admit(7, now: start) == .first)
        #expect(trials.ended(7).isEmpty)
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
        #expect(trials.ended(7) == [1, 2, 5])
        #expect(trials.admit(8, now: start) == .first)
        #expect(trials.ended(8) == [3, 4])
        #expect(trials.count == 0)
    }

    @Test func aTrialThatIsCalledOffTeachesNothing() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.wait(2, for: 7, now: start)
        #expect(trials.abandoned(8).isEmpty)
        #expect(trials.abandoned(7) == [1])
        #expect(trials.admit(7, now: start) == .first)
        #expect(trials.count == 1)
    }

    @Test func nobodyWaitsForASlowTool() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.wait(2, for: 8, now: start.advanced(milliseconds: 1_000))
        let end = start.advanced(milliseconds: BridgeLimits.trialMilliseconds)
        #expect(trials.expire(now: end).isEmpty)
        // The other one is the next trial.
        #expect(trials.expire(now: end.advanced(milliseconds: 1)) == [1, 2])
        #expect(trials.admit(7, now: end) == .known)
        #expect(trials.admit(8, now: end) == .first)
    }

    @Test func nobodyWaitsThroughTrialAfterTrial() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 8, now: start)
        trials.wait(2, for: 9, now: start)
        #expect(trials.ended(7) == [1])
        let later = start.advanced(milliseconds: BridgeLimits.trialMilliseconds)
        #expect(trials.admit(8, now: later) == .first)
        #expect(trials.expire(now: later.advanced(milliseconds: 1)) == [2])
        #expect(trials.admit(9, now: later) == .known)
        #expect(trials.subject == 8)
    }

    @Test func whoLeavesWaitsNoMore() {
        var trials = Trials()
        _ = trials.admit(7, now: start)
        trials.wait(1, for: 7, now: start)
        trials.left(1)
        #expect(trials.ended(7).isEmpty)
    }

    @Test func nothingIsTriedBeyondTheLimit() {
        var trials = Trials()
        for subject in 1...BridgeLimits.triedMax { _ = trials.ended(subject) }
        #expect(trials.admit(5_000, now: start) == .known)
    }
}
