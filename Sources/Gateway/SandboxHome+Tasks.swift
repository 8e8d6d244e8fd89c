import MCP
import Reactor
import System
import Wire

/// Tasks that clients follow themselves: those of 2025-11-25 in sessions at servers of the older era, and the extension
/// of 2026-07-28 at servers of that era. Between the eras a task is a call like any, which the gateway looks after.
extension SandboxHome {
    /// What clients of an era can run as tasks at the servers of this sandbox.
    func taskOffer(_ era: Era) -> TaskOffer {
        var isCancellable: Bool?
        for backend in backends {
            guard case .running(let can) = backend.taskOffer(era) else { continue }
            isCancellable = can || isCancellable ?? false
        }
        return isCancellable.map { .running(isCancellable: $0) } ?? .none
    }

    /// To whom a task of this request belongs.
    func taskOwner(_ session: Session?) -> TaskID.Owner {
        guard let session, let key = session.id.withUnsafeBytes({ SessionKey($0) }) else { return .anyClient }
        return TaskID.Owner(high: key.a, low: key.b)
    }

    // MARK: Questions

    /// `tasks/get`, `tasks/result`, `tasks/update` or `tasks/cancel`.
    func aboutTask(_ request: NorthRequest, _ question: TaskDriver.Question, _ session: Session?) {
        let isModern = session == nil
        guard taskOffer(isModern ? .modern : .legacy) != .none else {
            return unknownMethod(request, isModern: isModern)
        }
        let declared = request.envelope.metaClientCapabilities.of(request.body)
        guard !isModern || ClientCapabilities.followsTasks(object: declared) else {
            return fail(request, .tasksUndeclared)
        }
        let exposed = request.envelope.taskID.of(request.body)
        guard let task = TaskID(opening: exposed, taskSeal), task.owner == taskOwner(session),
            let backend = backends.first(where: { $0.index == task.place.server })
        else { return fail(request, .unknownTask(isModern: isModern)) }
        guard let link = backend.link(task.place.process), link.era == (isModern ? .modern : .legacy) else {
            return fail(request, .lostTask(server: backend.plan.name))
        }
        guard link.isServing else { return fail(request, backend.unavailable(backend.notReady).rpc) }
        if let busy = backend.busy(link) { return fail(request, busy.rpc) }
        send(request, call(question, request, session, link, TaskCall(task.place, as: exposed)), link, task)
    }

    private func call(
        _ question: TaskDriver.Question, _ request: NorthRequest, _ session: Session?, _ link: ServerLink,
        _ task: TaskCall
    ) -> Call {
        let now = state.loop.now
        var hasExchange = false
        if case .exchange = request.target { hasExchange = true }
        // The result comes when the task is done.
        let milliseconds =
            question == .result
            ? BridgeLimits.taskMilliseconds : state.settings.limits.callSeconds * 1000
        let call = Call(
            kind: .ofTask(question), isModern: session == nil,
            mayStream: request.accepts.eventStream && hasExchange,
            mustStream: !request.accepts.json && hasExchange, target: request.target, backend: link.backend,
            incarnation: link.incarnation, session: session, logLevel: nil, id: ClientBytes(request.rawID),
            token: ClientBytes(request.envelope.metaProgressToken.of(request.body)),
            deadline: now.advanced(milliseconds: milliseconds), lastSent: now, held: nil)
        call.task = task
        return call
    }

    private func send(_ request: NorthRequest, _ call: Call, _ link: ServerLink, _ task: TaskID) {
        guard let id = state.calls.insert(call) else {
            return fail(request, link.backend.unavailable("Too many calls in flight.").rpc)
        }
        state.note(request.inbound.exchange, call: id, cancelsOnLeave: call.isModern)
        Hearing.quoted(task.place.id).withUnsafeBytes {
            link.send(id, call, request.body, request.borrowed, target: .renamed($0))
        }
    }

    // MARK: Lists

    /// `tasks/list`: those of the session, each as its server tells it now. There is no server whose own list could be
    /// passed on: it has the tasks of all sessions.
    func listTasks(_ request: NorthRequest, _ session: Session?) {
        guard let session, taskOffer(.legacy) != .none else {
            return unknownMethod(request, isModern: session == nil)
        }
        taskListingNames += 1
        let name = taskListingNames
        let entries = relayedTasks.of(session: session.audience.name)
        let listing = TaskListing(Reply(request), entries)
        taskListings[name] = listing
        for (position, entry) in entries.enumerated() {
            let look = TaskLook(listing: name, position: position)
            let link = backends.first { $0.index == entry.place.server }?.link(entry.place.process)
            if link?.look(look, at: entry.place) != true { lookFailed(look) }
        }
        finish(name)
    }

    func looked(_ look: TaskLook, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let listing = taskListings[look.listing], look.position < listing.entries.count else { return }
        let entry = listing.entries[look.position]
        if envelope.kind == .response {
            let task = TaskRewriter.exchange(entry.place.id, for: entry.exposed, envelope, line)
            task.withUnsafeBytes { bytes in
                guard let exchanged = try? Envelope.scan(bytes) else { return }
                listing.tasks[look.position] = Array(exchanged.result.of(bytes))
            }
            relayedTasks.told(entry.place, envelope.result.of(line))
        } else if envelope.errorCode == RPCCode.invalidParams {
            relayedTasks.forget(entry.place)
        }
        listing.open -= 1
        finish(look.listing)
    }

    /// A task of which nothing can be told now is left out.
    func lookFailed(_ look: TaskLook) {
        guard let listing = taskListings[look.listing] else { return }
        listing.open -= 1
        finish(look.listing)
    }

    private func finish(_ name: UInt64) {
        guard let listing = taskListings[name], listing.open == 0 else { return }
        taskListings[name] = nil
        var result = Array("{\"tasks\":[".utf8)
        for (index, task) in listing.tasks.compactMap({ $0 }).enumerated() {
            if index > 0 { result.append(UInt8(ascii: ",")) }
            result += task
        }
        result += Array("]}".utf8)
        respond(listing.reply, .ok) { out in
            listing.reply.id.withUnsafeBytes { Answers.result(id: $0, result, into: &out) }
        }
    }

    // MARK: What is told unasked

    /// `notifications/progress` of a call that has been answered with a task: its token is good for as long as the task
    /// (2025-11-25, Tasks §Progress). It goes where the result is waited for, or on the session's own stream.
    func taskProgress(_ id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let entry = relayedTasks.of(call: id.value), !entry.token.isEmpty, !entry.isOver else { return }
        let message = TaskRewriter.exchange(entry.place.id, for: entry.exposed, envelope, line)
        message.withUnsafeBytes { message in
            guard let exchanged = try? Envelope.scan(message) else { return }
            entry.token.withUnsafeBytes { token in
                guard let splice = NotificationRewriter.progress(message, exchanged, token: token) else {
                    return
                }
                let waiting = state.calls.ids {
                    $0.kind == .ofTask(.result) && $0.task?.place == entry.place
                }
                if let first = waiting.first {
                    state.say(first) { splice.write(into: &$0) }
                } else {
                    tell(entry) { splice.write(into: &$0) }
                }
            }
        }
    }

    /// A task of which a client of 2026-07-28 wants to hear on its listen stream; nil when there is none of that id.
    func watchedTask(_ exposed: String) -> WatchedPlace? {
        let task = Hearing.quoted(exposed).withUnsafeBytes { TaskID(opening: $0, taskSeal) }
        guard let task, task.owner == .anyClient,
            let backend = backends.first(where: { $0.index == task.place.server }),
            let link = backend.link(task.place.process), link.isServing, link.era == .modern
        else { return nil }
        return WatchedPlace(
            backend, task: TaskKey(process: task.place.process, id: task.place.id), as: exposed)
    }

    /// `notifications/tasks` of a server of 2026-07-28.
    func taskTold(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, by link: ServerLink) {
        guard link.era == .modern, !watches.isEmpty, let id = TaskRewriter.id(envelope, line) else { return }
        let key = TaskKey(process: link.incarnation, id: id).text
        for hearer in watches.hearers(server: link.backend.index, uri: key) {
            guard let stream = audiences[hearer.client]?.stream, stream.hasBegun, stream.session == nil else {
                continue
            }
            stream.send(state, self) { out in
                stream.subscription.withUnsafeBytes {
                    TaskRewriter.writeTold(
                        envelope.params.of(line), as: Hearing.quoted(hearer.uri), subscription: $0, into: &out
                    )
                }
            }
        }
    }

    /// On the stream of the session that has the task, if it has one open.
    func tell(_ entry: RelayedTasks.Entry, _ write: (inout Outbox) -> Void) {
        guard let stream = audiences[entry.session]?.stream else { return }
        stream.send(state, self, write)
    }
}

/// One task of a list that is being made.
struct TaskLook: Equatable {
    let listing: UInt64
    let position: Int
}

/// A client that waits for a list of its tasks.
final class TaskListing {
    let reply: Reply
    let entries: [RelayedTasks.Entry]
    /// Raw objects; nil while, or because, nothing is known.
    var tasks: [[UInt8]?]
    var open: Int

    init(_ reply: Reply, _ entries: [RelayedTasks.Entry]) {
        self.reply = reply
        self.entries = entries
        tasks = Array(repeating: nil, count: entries.count)
        open = entries.count
    }
}
