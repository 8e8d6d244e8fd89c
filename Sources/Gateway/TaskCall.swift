import MCP
import Reactor
import System
import Wire

/// A call that its server may answer with a task, and the task once it has.
final class TaskCall: TimerTarget {
    enum Stage {
        /// Asked for as a task, since its server (2025-11-25) takes it in no other way.
        case asked
        /// Its server (2026-07-28) has not been told that it may answer with one.
        case unaware
        /// It has been told, having refused without.
        case declared
        /// The client follows the task itself, should there be one.
        case offered
        /// Not a call: a question of a client about the task at `place`.
        case about
    }

    var stage: Stage
    /// Of a server of 2026-07-28: to be made again.
    let request: HeldRequest?
    /// Non-nil from the time on that there is a task.
    var driver: TaskDriver?
    /// What the task waits for, by raw keys; nil until it is answered.
    var input: [[UInt8]: [UInt8]?] = [:]
    /// Of a question: the task, and its id as the client knows it, a raw JSON string.
    private(set) var place: RelayedTasks.Place?
    private(set) var exposed: [UInt8] = []
    var progress = TaskProgress()
    private var id = CallID.none
    /// Of the link; not a weak reference, which would slow every retain of a link on the call path.
    private var incarnation: UInt32 = 0
    private var backend: Backend?

    init(_ stage: Stage, _ request: HeldRequest?) {
        self.stage = stage
        self.request = request
    }

    /// A question about `place`.
    init(_ place: RelayedTasks.Place, as exposed: UnsafeRawBufferPointer) {
        stage = .about
        request = nil
        self.place = place
        self.exposed = Array(exposed)
    }

    /// Its server (2026-07-28) is told that the client follows tasks.
    var isDeclared: Bool { stage == .declared || stage == .offered || stage == .about }

    /// The gateway looks after the task, should there be one.
    var isDriven: Bool { stage != .offered && stage != .about }

    var isAsking: Bool { !input.isEmpty }

    func begin(_ driver: TaskDriver, _ id: CallID, _ link: ServerLink) {
        self.driver = driver
        self.id = id
        incarnation = link.incarnation
        backend = link.backend
        schedule(driver.pollAt)
    }

    /// At each time the driver has set anew; one that is over finds nothing to do.
    func schedule(_ due: Instant?) {
        guard let due, let loop = backend?.state.loop else { return }
        _ = loop.schedule(afterMilliseconds: max(0, due.milliseconds(since: loop.now)) + 1, self, tag: 0)
    }

    func timerFired(_ tag: UInt64) {
        guard let link = backend?.link(incarnation), link.state.calls[id]?.task === self else { return }
        link.drive(self, id) { $0.tick(now: link.state.loop.now) }
    }
}
