/// What went wrong, in words for the person at the shell; ends the command with exit code 1.
struct CommandFailure: Error, CustomStringConvertible {
    var message: String

    init(_ message: String) { self.message = message }

    var description: String { message }
}
