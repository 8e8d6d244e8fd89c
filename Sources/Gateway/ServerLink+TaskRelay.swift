import MCP
import System
import Wire

/// Tasks that clients follow themselves: their ids are exchanged in all that the server says of them.
extension ServerLink {
    /// Whether the answer to a call, which has left the table, names a task; the client has been answered then.
    func relays(
        _ task: TaskCall, _ id: CallID, _ call: Call, _ envelope: UnsafePointer<Envelope>,
        _ line: UnsafeRawBufferPointer
    ) -> Bool {
        let known: (id: String, exposed: [UInt8])
        var isNew = false
        if let place = task.place {
            guard envelope.pointee.kind == .response else { return false }
            if case .ofTask(let question) = call.kind, question != .result {
                backend.home.relayedTasks.told(place, envelope.pointee.result.of(line))
            }
            known = (place.id, task.exposed)
        } else {
            guard let begun = TaskRewriter.begun(envelope.pointee, line, by: era) else { return false }
            guard begun.utf8.count <= BridgeLimits.taskIDBytesMax else {
                state.reply(call, .serverFailed("the id of the server's task is too long"))
                isFree(of: id)
                return true
            }
            known = (begun, expose(begun, id, call))
            isNew = true
        }
        let message = TaskRewriter.exchange(known.id, for: known.exposed, envelope.pointee, line)
        message.withUnsafeBytes { message in
            guard var exchanged = try? Envelope.scan(message) else { return }
            deliver(id, call, &exchanged, message)
        }
        if isNew { tellEarly(of: known.id) }
        isFree(of: id)
        return true
    }

    /// The id that the client gets for a task that has begun.
    private func expose(_ task: String, _ id: CallID, _ call: Call) -> [UInt8] {
        let home = backend.home
        let place = RelayedTasks.Place(server: backend.index, process: incarnation, id: task)
        let exposed = TaskID(place: place, owner: home.taskOwner(call.session)).sealed(home.taskSeal)
        if let session = call.session {
            home.relayedTasks.add(
                RelayedTasks.Entry(
                    place: place, exposed: exposed, session: session.audience.name, call: id.value,
                    token: call.token.withBytes { Array($0) }))
        }
        return exposed
    }

    /// Asks how a task goes that is to be listed; false when it cannot.
    func look(_ look: TaskLook, at place: RelayedTasks.Place) -> Bool {
        guard isServing, let id = register(.taskLook(look)) else { return false }
        let quoted = Hearing.quoted(place.id)
        sendOwn(id, .tasksGet, isRepeatable: true) {
            TaskDriver.Question.status.write(
                id: $0, params: Array("\"taskId\":".utf8) + quoted, envelope: nil, into: &$1)
        }
        return true
    }

    /// `notifications/tasks/status`.
    func tellOfTask(_ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard era == .legacy, runsTasks, let id = TaskRewriter.id(envelope, line) else { return }
        let place = RelayedTasks.Place(server: backend.index, process: incarnation, id: id)
        guard let entry = backend.home.relayedTasks[place] else { return keepEarly(id, line) }
        backend.home.relayedTasks.told(place, envelope.params.of(line))
        let message = TaskRewriter.exchange(id, for: entry.exposed, envelope, line)
        backend.home.tell(entry) { $0.append(message) }
    }

    private func keepEarly(_ task: String, _ line: UnsafeRawBufferPointer) {
        guard line.count <= BridgeLimits.earlyStatusBytes else { return }
        if earlyStatuses.count >= BridgeLimits.earlyStatusesMax { earlyStatuses.removeFirst() }
        earlyStatuses.append((task, OwnedBytes(copying: line)))
    }

    /// The client knows the task now.
    private func tellEarly(of task: String) {
        let told = earlyStatuses.filter { $0.task == task }
        earlyStatuses.removeAll { $0.task == task }
        for status in told {
            status.line.withBytes { line in
                if let envelope = try? Envelope.scan(line) { tellOfTask(envelope, line) }
            }
        }
    }
}

extension Call.Kind {
    var isOfTask: Bool { if case .ofTask = self { true } else { false } }
}
