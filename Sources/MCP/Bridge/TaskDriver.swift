import System
import Wire

/// A call that its server answers with a task, for a client that knows none: the gateway looks after the task and
/// answers the call when it is done. Of both dialects: the experiment of 2025-11-25 and the extension of 2026-07-28.
public struct TaskDriver: Sendable {
    public enum Action: Sendable, Equatable {
        /// Send a request about the task; its params are an object without braces, its answer goes to `answered`.
        case ask(Question, params: [UInt8])
        /// Tell the client, if it wants to know, that the call goes on.
        case progress(message: String)
        /// The server asks in the middle of the task (2026-07-28): as for `input_required`, with this raw object.
        case needInput(requests: [UInt8])
        /// The call's result: a raw object.
        case deliver(result: [UInt8])
        /// The call's error: a raw object.
        case fail(error: [UInt8])
        /// The call ends with an error of the gateway's.
        case refuse(RPCFailure)
    }

    public enum Question: Sendable, Equatable {
        /// `tasks/get`.
        case status
        /// `tasks/result` (2025-11-25), which answers when the task is done and asks on its stream.
        case result
        /// `tasks/update` (2026-07-28).
        case update
        /// `tasks/cancel`.
        case cancel
    }

    public enum Status: String, Sendable { case working, input_required, completed, failed, cancelled }

    private let era: Era
    /// Raw JSON string.
    private var taskID: [UInt8]
    private var pollMilliseconds = BridgeLimits.pollMillisecondsDefault
    public private(set) var pollAt: Instant?
    private var lastMessage = ""
    private var isAwaitingInput = false
    private var isOver = false
    private var failures = 0
    private let deadline: Instant

    /// The raw JSON string of the task's id.
    public var id: [UInt8] { taskID }

    /// Nil when the response is no task.
    public init?(_ envelope: Envelope, _ line: UnsafeRawBufferPointer, from era: Era, now: Instant) {
        guard envelope.kind == .response else { return nil }
        let result = envelope.result.of(line)
        let task: UnsafeRawBufferPointer
        switch era {
        case .modern:
            guard envelope.resultType.of(line).equals("\"task\"") else { return nil }
            task = result
        case .legacy:
            guard let inner = JSONMembers.value("task", in: result), JSONKind(inner) == .object else {
                return nil
            }
            task = inner
        }
        guard let id = JSONMembers.value("taskId", in: task), JSONKind(id) == .string,
            id.count <= MCPLimits.cursorBytesMax
        else { return nil }
        self.era = era
        taskID = Array(id)
        deadline = now.advanced(milliseconds: BridgeLimits.taskMilliseconds)
        readPause(task)
        pollAt = now.advanced(milliseconds: pollMilliseconds)
    }

    /// A member of `params` that makes a legacy server answer `tools/call` with a task, for tools that demand it;
    /// its milliseconds are `BridgeLimits.taskMilliseconds`.
    public static let request: StaticString = "\"task\":{\"ttl\":600000}"

    /// Whether a server of 2026-07-28 has refused a call because its client knows no tasks.
    public static func isDemanded(by envelope: Envelope, _ line: UnsafeRawBufferPointer) -> Bool {
        guard envelope.errorCode == RPCCode.missingCapability,
            let lacking = JSONMembers.value("requiredCapabilities", in: envelope.errorData.of(line)),
            let extensions = JSONMembers.value("extensions", in: lacking)
        else { return false }
        return JSONMembers.has("io.modelcontextprotocol/tasks", in: extensions)
    }

    public mutating func tick(now: Instant) -> [Action] {
        guard !isOver, let due = pollAt, now >= due else { return [] }
        pollAt = nil
        guard now < deadline else {
            return [.ask(.cancel, params: idParams)]
                + end(.refuse(.serverFailed("the server's task took too long")))
        }
        return [.ask(.status, params: idParams)]
    }

    /// An answer to one of the questions. A failed question ends the call: the task cannot be followed.
    public mutating func answered(
        _ question: Question, _ envelope: Envelope, _ line: UnsafeRawBufferPointer, now: Instant
    ) -> [Action] {
        guard !isOver else { return [] }
        switch question {
        case .cancel: return []
        case .update:
            isAwaitingInput = false
            pollAt = now.advanced(milliseconds: pollMilliseconds)
            return envelope.kind == .response ? [] : end(.fail(error: Array(envelope.error.of(line))))
        case .result:
            guard envelope.kind == .response else { return end(.fail(error: Array(envelope.error.of(line)))) }
            return end(.deliver(result: Array(envelope.result.of(line))))
        case .status:
            guard envelope.kind == .response else { return end(.fail(error: Array(envelope.error.of(line)))) }
            return status(envelope.result.of(line), now)
        }
    }

    private mutating func status(_ task: UnsafeRawBufferPointer, _ now: Instant) -> [Action] {
        failures = 0
        guard let text = JSONMembers.value("status", in: task)?.insideQuotes,
            let status = Status(rawValue: String(decoding: text, as: UTF8.self))
        else { return end(.refuse(.serverFailed("the server's task has no status"))) }
        readPause(task)
        switch status {
        case .working:
            pollAt = now.advanced(milliseconds: pollMilliseconds)
            return news(task)
        case .input_required: return input(task, now)
        case .completed, .failed: return finished(status, task)
        case .cancelled: return end(.refuse(.serverFailed("the server cancelled its task")))
        }
    }

    private mutating func news(_ task: UnsafeRawBufferPointer) -> [Action] {
        guard let text = JSONMembers.value("statusMessage", in: task)?.insideQuotes else { return [] }
        let message = JSONText.string(text)
        guard message != lastMessage, !message.isEmpty else { return [] }
        lastMessage = message
        return [.progress(message: message)]
    }

    private mutating func input(_ task: UnsafeRawBufferPointer, _ now: Instant) -> [Action] {
        // 2025-11-25 asks on the stream of `tasks/result`.
        if era == .legacy { return [.ask(.result, params: idParams)] }
        guard let requests = JSONMembers.value("inputRequests", in: task), JSONKind(requests) == .object
        else {
            return end(.refuse(.serverFailed("the server's task wants input and names none")))
        }
        pollAt = nil
        if isAwaitingInput { return [] }
        isAwaitingInput = true
        return [.needInput(requests: Array(requests))]
    }

    private mutating func finished(_ status: Status, _ task: UnsafeRawBufferPointer) -> [Action] {
        if era == .legacy { return [.ask(.result, params: idParams)] }
        if status == .completed, let result = JSONMembers.value("result", in: task),
            JSONKind(result) == .object
        {
            return end(.deliver(result: Array(result)))
        }
        if status == .failed, let error = JSONMembers.value("error", in: task), JSONKind(error) == .object {
            return end(.fail(error: Array(error)))
        }
        return end(.refuse(.serverFailed("the server's task ended without a result")))
    }

    /// A question had no answer. Asking about a task again does no harm.
    public mutating func failed(_ question: Question, now: Instant) -> [Action] {
        guard !isOver, question != .cancel else { return [] }
        failures += 1
        guard failures < BridgeLimits.taskFailuresMax else {
            return end(.refuse(.serverFailed("the server does not tell how its task goes")))
        }
        isAwaitingInput = false
        pollAt = now.advanced(milliseconds: pollMilliseconds)
        return []
    }

    /// The client has given what was asked; `responses` is the raw object.
    public mutating func input(given responses: [UInt8]) -> [Action] {
        guard isAwaitingInput, !isOver else { return [] }
        return [.ask(.update, params: idParams + Array(",\"inputResponses\":".utf8) + responses)]
    }

    /// The client does not want the call any more.
    public mutating func cancelled() -> [Action] {
        guard !isOver else { return [] }
        return end(.ask(.cancel, params: idParams))
    }

    private mutating func end(_ action: Action) -> [Action] {
        isOver = true
        pollAt = nil
        return [action]
    }

    private var idParams: [UInt8] { Array("\"taskId\":".utf8) + taskID }

    /// `pollInterval` in one dialect, `pollIntervalMs` in the other.
    private mutating func readPause(_ task: UnsafeRawBufferPointer) {
        let member: StaticString = era == .modern ? "pollIntervalMs" : "pollInterval"
        guard let raw = JSONMembers.value(member, in: task),
            let value = Int(String(decoding: raw, as: UTF8.self))
        else { return }
        pollMilliseconds = min(max(value, BridgeLimits.pollMillisecondsMin), BridgeLimits.pollMillisecondsMax)
    }
}

extension TaskDriver.Question {
    public var method: MethodName {
        switch self {
        case .status: .tasksGet
        case .result: .tasksResult
        case .update: .tasksUpdate
        case .cancel: .tasksCancel
        }
    }

    /// The request, on one line without its end. `envelope` is of a server of 2026-07-28.
    public func write<Sink: ByteSink & ~Copyable>(
        id: Int, params: [UInt8], envelope: ModernEnvelope?, into sink: inout Sink
    ) {
        SouthLine.open(id, method.text, into: &sink)
        sink.append(",\"params\":{")
        params.withUnsafeBytes { sink.append(onOneLine: $0) }
        if let envelope {
            sink.append(",\"_meta\":{")
            sink.append(array: envelope.members)
            sink.append("}")
        }
        sink.append("}}")
    }
}
