import MCP
import Reactor
import System
import Wire

/// The conversation with a server over one way to it: a process of its own, or an endpoint that somebody else
/// hosts. What both have in common: who asked what over it, and what answers mean. Lives on its sandbox's home loop.
class ServerLink {
    enum Role: Equatable {
        /// Its lists are the server's, and it serves whoever needs no other.
        case main
        /// Serves clients of the older era beside a modern main.
        case mirror
        /// Works on one call at a time and may ask its client, for which it has been told of these.
        case interactive(slot: Int, ClientCapabilities)
        /// At a remote server, for calls whose clients can be asked exactly this.
        case session(ClientCapabilities)
    }

    final let backend: Backend
    final let state: LoopState
    final let role: Role
    /// Neither a mirror nor one that works on a single call.
    final let isMain: Bool
    /// Names the process or connection, among all that the server ever had: what an earlier one still says is not
    /// taken.
    final var incarnation: UInt32 = 0
    /// The era of the server; true once it serves.
    final var era = Era.legacy
    /// What the server said of itself.
    final var profile: ChildProfile? {
        didSet { runsTasks = profile?.offers.contains(.tasks) ?? false }
    }
    /// It may answer a call with a task, or take it as one alone.
    final private(set) var runsTasks = false
    final var isServing = false
    /// Requests that it has not answered, the gateway's own among them.
    final var inFlight = 0
    /// A call has been sent, or the server has told something, since the last look. A mark and no time: that is all
    /// that a call may cost.
    final var wasUsed = false
    /// Requests of the server of which it is not known yet whose they are.
    final var doubts = Doubts()
    /// Calls that were called off and have no answer: the server may still be at them.
    final var ghosts: [UInt64: Ghost] = [:]
    /// Calls that share this process with others and have asked their clients; some may have ended.
    final var asking: Set<UInt64> = []
    /// What it asks for a task, it asks in the task's name, as 2025-11-25 demands: all else is asked for a call.
    final var namesTasks = false
    /// What it has said of tasks that no client knows yet, the oldest first: over HTTP a status may overtake the answer
    /// that names its task.
    final var earlyStatuses: [(task: String, line: OwnedBytes)] = []
    /// It has asked a client.
    final var hasAsked = false
    /// What of its log is wanted (older era).
    final var logs = LogDemand()
    /// Calls whose log messages come without saying for which they are (2026-07-28 on stdio).
    final var loggedCalls: [CallID] = []
    /// What it tells unasked.
    final let hearing: Hearing

    init(_ role: Role, of backend: Backend) {
        self.role = role
        self.backend = backend
        state = backend.state
        isMain = role == .main
        hearing = Hearing(backend)
    }

    // MARK: What each kind does in its own way

    /// Bytes that wait for a server which does not read.
    var waitingBytes: Int { 0 }

    /// The process, when it is one of this machine.
    var pid: Int32? { nil }

    /// How often that process has met its limits.
    var limitHits: LimitHits { LimitHits() }

    /// Sends a client's request under the gateway's own id.
    func send(
        _ id: CallID, _ call: Call, _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        target: SouthTarget
    ) {}

    /// The same for a call that its server has ended with `input_required`, with the answers to it.
    func sendAgain(_ id: CallID, _ call: Call, _ request: HeldRequest, _ round: ModernRewriter.Round) {}

    /// Sends one of the gateway's own requests, which is in the table already. `write` writes it as of the era of
    /// the link, on one line without its end; `name` is what it is about, where that goes into a header.
    func sendOwn(
        _ id: CallID, _ method: MethodName, name: [UInt8]?, isRepeatable: Bool,
        _ write: (Int, inout ByteCollector) -> Void
    ) {}

    final func sendOwn(
        _ id: CallID, _ method: MethodName, isRepeatable: Bool, _ write: (Int, inout ByteCollector) -> Void
    ) {
        sendOwn(id, method, name: nil, isRepeatable: isRepeatable, write)
    }

    /// Tells a server of the older era which log messages are wanted; what is sent after that comes after it.
    func sendLevel(_ level: LogLevel) {
        guard let id = register(.level) else { return }
        sendOwn(id, .setLevel, isRepeatable: true) { id, out in
            SouthLine.setLevel(level, id: id, into: &out)
            out.bytes.removeLast()
        }
    }

    /// Sends a message that is no request.
    func tell(_ write: (inout ByteCollector) -> Void) {}

    /// `reason` is a raw JSON string.
    func sendCancelled(_ id: CallID, reason: StaticString) {}

    /// Sends a `subscriptions/listen`, which `write` writes without a line end. It is not in the table: nobody waits
    /// for its end.
    func openListen(_ id: Int, _ write: (inout ByteCollector) -> Void) {}

    /// Ends it.
    func closeListen(_ id: Int) {}

    /// Ends it; the backend is told by `linkStopped`.
    func stop() {}
}

extension ServerLink {
    /// The envelope of the gateway's own requests, and of clients that can be asked nothing.
    static let own = ModernEnvelope(client: .gateway, capabilities: [])
    static let ownWithTasks = ModernEnvelope(client: .gateway, capabilities: [], tasks: true)

    // MARK: The gateway's own requests

    /// Puts one of them into the table; nil when too many calls are in flight.
    final func register(_ kind: Call.Kind, seconds: Int = Limits.initializeSeconds) -> CallID? {
        let now = state.loop.now
        let call = Call(
            kind: kind, isModern: false, mayStream: false, mustStream: false, target: .none, backend: backend,
            incarnation: incarnation, session: nil, logLevel: nil, id: ClientBytes(), token: ClientBytes(),
            deadline: now.advanced(milliseconds: seconds * 1000), lastSent: now, held: nil)
        guard let id = state.calls.insert(call) else { return nil }
        inFlight += 1
        return id
    }

    /// One page of a list.
    final func askList(_ kind: ListKind, cursor: UnsafeRawBufferPointer?) {
        guard let id = register(.list(kind)) else { return }
        sendOwn(id, kind.method, isRepeatable: true) { id, out in
            switch era {
            case .legacy:
                SouthLine.list(kind, id: id, cursor: cursor, into: &out)
                out.bytes.removeLast()
            case .modern: ModernLine.list(kind, id: id, cursor: cursor, envelope: Self.own, into: &out)
            }
        }
    }

    // MARK: What comes up

    /// The answer to `call`, which has left the table.
    @inline(__always) final func answered(
        _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer
    ) {
        inFlight -= 1
        if call.isOwn { return ownAnswered(id, call, envelope.pointee, line) }
        if let task = call.task, follows(task, id, call, envelope, line) { return }
        if call.isParked || era == .modern || hasAsked || backend.mayMiss(call) {
            deliver(id, call, envelope, line)
        } else {
            state.reply(call, envelope, line, server: .legacy)
        }
        if call.isOnTrial { backend.trialAnswered(call, envelope.pointee, line) }
        if !doubts.isEmpty, backend.isError(envelope.pointee, line) { gaveUp(id, call.subject) }
        isFree(of: id)
    }

    /// A client's call is over.
    @inline(__always) func isFree(of id: CallID) {
        if !isMain || !doubts.isEmpty {
            backend.releaseLease(id)
            resolveDoubts(answered: id)
        }
    }

    private func ownAnswered(
        _ id: CallID, _ call: Call, _ envelope: Envelope, _ line: UnsafeRawBufferPointer
    ) {
        if case .watch = call.kind { return hearing.answered(id, envelope, line) }
        backend.answered(self, call.kind, envelope, line)
    }

    /// The answer to a call for which the server may have asked its client.
    func deliver(
        _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer
    ) {
        if call.isParked { return backend.home.parkedAnswered(id, call, envelope, line) }
        if era == .modern, !call.isModern, Rounds.asks(envelope.pointee, line) {
            return backend.home.askedByEnding(call, envelope, line)
        }
        if let session = call.session, era == .modern || session.isOld,
            let plain = OlderContent.rewrite(line, envelope.pointee, call.kind.method, for: session.revision)
        {
            return plain.withUnsafeBytes { plain in
                guard var envelope = try? Envelope.scan(plain) else { return }
                conclude(id, call, &envelope, plain)
            }
        }
        conclude(id, call, envelope, line)
    }

    private func conclude(
        _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>, _ line: UnsafeRawBufferPointer
    ) {
        // What the server still asks for this call is of no use any more.
        if let session = call.session {
            for pushed in session.pushes.withdraw(call: id.value) {
                state.say(call) { Pushes.writeCancelled(pushed, into: &$0) }
            }
        }
        switch backend.watchForMissedClient(call, envelope.pointee, line, of: era) {
        case .nothing: break
        case .madeAgain: return
        case .refused(let failure): return state.reply(call, failure)
        }
        state.reply(call, envelope, line, server: era, mayBeTask: call.task?.stage == .offered)
    }

    /// `call` is the one in whose own response the notification came, where there is such a thing.
    final func notice(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, during own: UInt64? = nil) {
        wasUsed = true
        let call = own.map(subject)
        switch MethodName(envelope, in: line) {
        case .progress:
            guard let id = CallID(decimal: envelope.paramsProgressToken.of(line)),
                call == nil || call == id.value
            else { return }
            state.progress(id, backend, envelope, line)
        case .message: logged(envelope, line, during: call)
        case .cancelled: cancelled(envelope.requestID.of(line))
        case .toolsChanged: backend.listChanged(.tools)
        case .promptsChanged: backend.listChanged(.prompts)
        case .resourcesChanged: backend.listChanged(.resources)
        case .resourceUpdated: backend.resourceUpdated(envelope.uri.of(line))
        case .taskStatus: tellOfTask(envelope, line)
        case .taskTold: backend.home.taskTold(envelope, line, by: self)
        default: listenAcknowledged(envelope, line, during: call)
        }
    }

    /// A server of the older era takes a request of its own back; one of 2026-07-28 ends a listen stream.
    private func cancelled(_ request: UnsafeRawBufferPointer) {
        guard era == .modern else { return withdrew(request) }
        if let id = CallID(decimal: request), Hearing.owns(id.value) { hearing.ended(id.value) }
    }

    private func listenAcknowledged(
        _ envelope: Envelope, _ line: UnsafeRawBufferPointer, during call: UInt64?
    ) {
        let name: StaticString = "notifications/subscriptions/acknowledged"
        guard era == .modern, envelope.method.of(line).equals(name),
            let id = call ?? CallID(decimal: envelope.metaSubscriptionID.of(line))?.value, Hearing.owns(id)
        else { return }
        hearing.acknowledged(id, envelope.notifications.of(line))
    }
}
