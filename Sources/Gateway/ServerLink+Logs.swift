import MCP
import System
import Wire

/// Log messages of servers: each client gets those that it asked for, of its own calls where that can be told.
extension ServerLink {
    /// `notifications/message`. `call` is the one in whose own response it came, where there is such a thing.
    func logged(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, during call: UInt64?) {
        guard let level = LogLevel(json: envelope.level.of(line)) else { return }
        let message = NotificationRewriter.unchanged(line, envelope)
        if let call { return log(message, level, of: CallID(value: call)) }
        guard era == .legacy else { return logModern(message, level) }
        // Servers tell much that nobody has asked for.
        guard logs.told != nil else { return }
        if let task = relayedTask(envelope.params.of(line)) {
            guard let session = backend.home.audiences[task.session]?.stream?.session,
                LogDemand.delivers(level, to: session.logLevel)
            else { return }
            let exchanged = TaskRewriter.exchange(task.place.id, for: task.exposed, envelope, line)
            return backend.home.tell(task) { $0.append(exchanged) }
        }
        let calls = clientCalls
        if calls.count == 1, ghosts.isEmpty || state.calls[CallID(value: calls[0])]?.session != nil {
            return log(message, level, of: CallID(value: calls[0]))
        }
        for session in sessions(working: calls) where LogDemand.delivers(level, to: session.logLevel) {
            session.stream?.send(state, backend.home) { message.write(into: &$0) }
        }
    }

    /// Whose call a message is of cannot be told. A session may hear what its server says outside of its calls, a
    /// request may not: those that have calls in flight; all, if the server speaks unasked.
    private func sessions(working calls: [UInt64]) -> [Session] {
        guard !calls.isEmpty else { return backend.home.allSessions }
        var found: [Session] = []
        for call in calls {
            guard let session = state.calls[CallID(value: call)]?.session,
                !found.contains(where: { $0 === session })
            else { continue }
            found.append(session)
        }
        return found
    }

    /// On stdio a message of 2026-07-28 is of a call that asked for such: of several only if they are of one session.
    private func logModern(_ message: Splice, _ level: LogLevel) {
        loggedCalls.removeAll { !state.calls.contains($0) }
        guard let only = loggedCalls.first else { return }
        if loggedCalls.count > 1, let session = state.calls[only]?.session, let stream = session.stream {
            guard LogDemand.delivers(level, to: session.logLevel) else { return }
            stream.send(state, backend.home) { message.write(into: &$0) }
        } else {
            log(message, level, of: only)
        }
    }

    private func log(_ message: Splice, _ level: LogLevel, of id: CallID) {
        guard let call = state.calls[id], LogDemand.delivers(level, to: call.wishesLogs), !call.isParked
        else {
            return
        }
        state.say(id) { message.write(into: &$0) }
    }

    // MARK: What is wanted

    /// A client wants messages from `level` on.
    func wantLogs(_ level: LogLevel) {
        guard era == .legacy, isServing, let told = logs.want(level, now: state.loop.now) else { return }
        tellLevel(told)
    }

    /// Those that know no levels send what they like.
    private func tellLevel(_ level: LogLevel) {
        if profile?.offers.contains(.logging) == true { sendLevel(level) }
    }

    /// The process or session is a new one.
    func demandLogs() {
        loggedCalls = []
        let lowest = era == .legacy ? lowestOfSessions : nil
        if let level = logs.restarted(lowest, now: state.loop.now) { tellLevel(level) }
    }

    /// Once a second.
    func settleLogs(_ now: Instant) {
        guard isServing, logs.isDue(now: now) else { return }
        let ofCalls = clientCalls.compactMap { state.calls[CallID(value: $0)]?.logLevel }.min()
        let lowest = [ofCalls, lowestOfSessions].compactMap { $0 }.min()
        if let level = logs.settle(lowest, now: now) { tellLevel(level) }
    }

    private var lowestOfSessions: LogLevel? { backend.home.allSessions.compactMap(\.logLevel).min() }

    /// Whether a call that goes to a server of 2026-07-28 on stdio may ask for log messages: while those of
    /// another client come they could not be told apart.
    func admitsLogs(_ id: CallID, _ call: Call) -> Bool {
        loggedCalls.removeAll { !state.calls.contains($0) }
        if let other = loggedCalls.first.flatMap({ state.calls[$0] }) {
            guard let session = call.session, other.session === session else { return false }
        }
        loggedCalls.append(id)
        return true
    }
}

extension SandboxHome {
    /// Of both transports.
    var allSessions: [Session] { sessions.all + oldSessions.values.compactMap(\.session) }
}
