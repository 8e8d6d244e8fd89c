import Synchronization
import Testing

@testable import Sandbox

/// Starts in the order in which they went, and the places that they hold.
private final class Starts: Sendable {
    private let state = Mutex<(names: [Int], slots: [Int: StartSlot])>(([], [:]))

    var names: [Int] { state.withLock { $0.names } }

    func enter(_ gate: StartGate, _ name: Int, _ token: LaunchToken = LaunchToken()) {
        gate.enter(token) { slot in
            self.state.withLock { state in
                state.names.append(name)
                state.slots[name] = slot
            }
        }
    }

    func release(_ name: Int) { state.withLock { $0.slots[name] }?.release() }

    /// Lets go of a place without a word.
    func drop(_ name: Int) {
        let slot = state.withLock { $0.slots.removeValue(forKey: name) }
        // Its end makes room for the next one, which is noted in here.
        withExtendedLifetime(slot) {}
    }
}

@Suite("Starts at a time")
struct StartGateTests {
    @Test("no more than the limit go ahead; the others follow in their order, one for each that is over")
    func bounded() {
        let (gate, starts) = (StartGate(limit: 2), Starts())
        for name in 0..<5 { starts.enter(gate, name) }
        #expect(starts.names == [0, 1])
        starts.release(1)
        #expect(starts.names == [0, 1, 2])
        starts.release(0)
        starts.release(2)
        #expect(starts.names == [0, 1, 2, 3, 4])
        for name in 0..<5 { starts.release(name) }
        for name in 5..<9 { starts.enter(gate, name) }
        #expect(starts.names == [0, 1, 2, 3, 4, 5, 6])
    }

    @Test("a place is given back once, however often that is said, and when nobody holds it any more")
    func givenBackOnce() {
        let (gate, starts) = (StartGate(limit: 1), Starts())
        for name in 0..<4 { starts.enter(gate, name) }
        starts.release(0)
        starts.release(0)
        starts.drop(0)
        #expect(starts.names == [0, 1])
        starts.drop(1)
        #expect(starts.names == [0, 1, 2])
    }

    @Test("one that is not wanted any more is passed over")
    func cancelled() {
        let (gate, starts) = (StartGate(limit: 1), Starts())
        let token = LaunchToken()
        starts.enter(gate, 0)
        starts.enter(gate, 1, token)
        starts.enter(gate, 2)
        #expect(token.cancel())
        starts.release(0)
        #expect(starts.names == [0, 2])
    }

    @Test("there is always room for one")
    func least() {
        let (gate, starts) = (StartGate(limit: 0), Starts())
        starts.enter(gate, 0)
        starts.enter(gate, 1)
        #expect(starts.names == [0])
    }
}
