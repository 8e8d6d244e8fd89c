import Wire

/// Progress of a call that its server works on as a task: what the server tells itself, and between that what it says
/// of the task. To the client it is one row of numbers, which must grow (Progress, 2025-11-25).
public struct TaskProgress: Sendable {
    private var told: Double?
    /// The server has told of progress itself since its last word on the task.
    private var hasSpoken = false

    public init() {}

    /// The server's own notification, the whole line: whether it is news to the client.
    public mutating func isNews(_ line: UnsafeRawBufferPointer) -> Bool {
        guard let number = (try? JSONValue.parse(line))?["params"]?["progress"]?.doubleValue else {
            return false
        }
        hasSpoken = true
        if let told, number <= told { return false }
        told = number
        return true
    }

    /// The server has said something new of the task; the number to tell it with, nil when it has told it already.
    public mutating func step() -> Int? {
        defer { hasSpoken = false }
        guard !hasSpoken else { return nil }
        let next = (told ?? 0).rounded(.down) + 1
        guard next < 9e15, next > -9e15 else { return nil }
        told = next
        return Int(next)
    }
}
