/// How a server is asked to leave (MCP stdio, Shutdown): its input is closed, then TERM, then KILL of all that
/// is left of it, each after the same grace.
public struct StopSequence: Sendable {
    public enum Action: Sendable, Equatable {
        case closeInput
        case terminate
        case kill
        case none
    }

    private enum Step: Sendable {
        case idle
        case inputClosed
        case terminated
        case killed
    }

    /// Milliseconds between two actions.
    public let graceMilliseconds: Int
    private var step = Step.idle

    public init(graceMilliseconds: Int) { self.graceMilliseconds = graceMilliseconds }

    /// The first action; `.none` when the sequence has begun already.
    public mutating func begin() -> Action {
        guard step == .idle else { return .none }
        step = .inputClosed
        return .closeInput
    }

    /// The grace of the last action is over and the process still there.
    public mutating func timeout() -> Action {
        switch step {
        case .idle: return .none
        case .inputClosed:
            step = .terminated
            return .terminate
        case .terminated:
            step = .killed
            return .kill
        case .killed: return .kill
        }
    }
}
