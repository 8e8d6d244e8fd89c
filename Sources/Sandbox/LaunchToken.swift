import Synchronization

/// Decides between a launch and its cancellation: exactly one of them wins.
public final class LaunchToken: Sendable {
    private enum State {
        case open
        case committed
        case cancelled
    }

    private let state = Mutex(State.open)

    public init() {}

    /// True when `done` will not be called any more, as nothing was started. False: it comes, or has come, and
    /// must be awaited.
    public func cancel() -> Bool {
        state.withLock { state in
            if state == .open { state = .cancelled }
            return state == .cancelled
        }
    }

    /// True when the launch goes on to call `done`; false when it was cancelled.
    func commit() -> Bool {
        state.withLock { state in
            if state == .open { state = .committed }
            return state == .committed
        }
    }

    var isCancelled: Bool { state.withLock { $0 == .cancelled } }
}
