import Testing

@testable import Sandbox

@Suite("StopSequence")
struct StopSequenceTests {
    @Test("input closes, then TERM, then KILL until it is gone")
    func order() {
        var sequence = StopSequence(graceMilliseconds: 10)
        #expect(sequence.timeout() == .none)
        #expect(sequence.begin() == .closeInput)
        #expect(sequence.begin() == .none)
        #expect(sequence.timeout() == .terminate)
        #expect(sequence.timeout() == .kill)
        #expect(sequence.timeout() == .kill)
    }
}
