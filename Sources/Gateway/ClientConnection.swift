import Reactor
import System

/// A client's connection of either version of HTTP, as those see it who answer requests. A `stream` names one
/// exchange on it; what is said to an exchange that has ended is dropped.
class ClientConnection: Source {
    final let state: LoopState
    final let role: Listener.Role
    /// Position in the loop's list of connections.
    final var index = 0

    init(state: LoopState, role: Listener.Role) {
        self.state = state
        self.role = role
        super.init(loop: state.loop)
    }

    final func exchange(_ stream: UInt32) -> ExchangeID {
        ExchangeID(
            loop: UInt16(truncatingIfNeeded: state.loop.index), slot: handle.slot,
            generation: handle.generation, stream: stream)
    }

    /// The whole answer: its body is exactly `length` bytes that `write` appends.
    func answer(_ stream: UInt32, _ head: AnswerHead, length: Int, _ write: (inout Outbox) -> Void) {}

    /// An event stream begins as the answer.
    func openStream(_ stream: UInt32, _ head: AnswerHead) {}

    /// One event; false when the stream is gone. An empty id is none.
    func sendEvent(_ stream: UInt32, _ data: OwnedBytes, id: [UInt8]) -> Bool { false }

    /// An event without content, after which the stream can be taken up again.
    func primeStream(_ stream: UInt32, id: [UInt8], retryMilliseconds: Int) {}

    /// Whether an event stream is open.
    func hasStream(_ stream: UInt32) -> Bool { false }

    /// Bytes of it that wait for its reader.
    func waitingBytes(_ stream: UInt32) -> Int { 0 }

    /// A comment, so that nobody in between takes the silence for death.
    func sendComment(_ stream: UInt32) {}

    func endStream(_ stream: UInt32) {}

    /// The first event of a stream of the transport of 2024-11-05: where to post.
    func sendEndpoint(_ stream: UInt32, _ url: [UInt8]) {}

    /// What to do when the client leaves: `call` is the loop's own, if the exchange waits for one.
    func note(_ stream: UInt32, call: CallID, cancelsOnLeave: Bool) {}

    /// Another loop works on the exchange.
    func isServed(_ stream: UInt32, by loop: Int) {}

    /// No exchange is open and no byte of one has come.
    var isIdle: Bool { false }

    /// No further request is taken; open exchanges end.
    func drain() {}

    func close() {}

    /// Once a second: deadlines.
    func tick(_ now: Instant) {}

    override func detached() { state.remove(self) }

    // MARK: Peers that do not read

    /// Bytes that waited at the last tick at which some had left.
    private var waitingBytes = 0
    private var stalledSince = Instant(nanoseconds: 0)

    /// True when nothing of what waits has left for `Limits.stalledWriteSeconds`. Asked once a second.
    final func isStalled(_ now: Instant) -> Bool {
        let waiting = outbox.count + (filter?.wire.count ?? 0)
        if waiting == 0 || waitingBytes == 0 || waiting < waitingBytes {
            waitingBytes = waiting
            stalledSince = now
            return false
        }
        waitingBytes = waiting
        return now.milliseconds(since: stalledSince) > Limits.stalledWriteSeconds * 1000
    }
}
