/// How much an operator wants to be told.
public enum LogLevel: String, Sendable, CaseIterable, Comparable {
    /// Something that must work does not.
    case error
    /// Something failed that the gateway lives with.
    case warning
    /// Starts, ends and changes.
    case info
    /// What a developer of the gateway looks for.
    case debug
    /// Every step.
    case trace

    private var rank: Int {
        switch self {
        case .error: 0
        case .warning: 1
        case .info: 2
        case .debug: 3
        case .trace: 4
        }
    }

    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rank < b.rank }
}

public enum LogFormat: String, Sendable, CaseIterable {
    /// `2026-01-02T03:04:05.678Z info serving listen=127.0.0.1:8080`
    case text
    /// One JSON object a line.
    case json
}
