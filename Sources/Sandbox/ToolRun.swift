import CEpollShim
import Glibc
import System

/// One run of a tool, such as a package manager, to its end.
struct ToolRun: Sendable {
    struct Outcome: Sendable {
        var status: ChildExitStatus
        /// The end of what it wrote to both outputs.
        var output: String
        var tookTooLong = false
        /// Why it was ended before its time; nil when it was not.
        var excess: String?

        /// By a limit, whatever it would have come to else.
        var wasStopped: Bool { tookTooLong || excess != nil || status.limit != nil }
        var isGood: Bool { status.isSuccess && !tookTooLong && excess == nil }

        var lines: [String] {
            output.split(whereSeparator: \.isNewline).map { String($0) }.filter {
                !$0.allSatisfy(\.isWhitespace)
            }
        }

        /// For a failure's message: how it ended and its last words.
        var explanation: String {
            let how = excess ?? (tookTooLong ? "took too long" : status.description)
            let words = lines.suffix(SandboxLimits.quotedLines).joined(separator: "\n")
            return words.isEmpty ? how : "\(how)\n\(words)"
        }
    }

    /// For messages.
    var name: String
    var plan: StartPlan
    var seconds: Int
    /// Gets what it writes as it comes, the last line of each piece.
    var progress: (@Sendable (String) -> Void)?
    /// Looked at while it runs: why it must end, nil when it need not.
    var excess: (@Sendable () -> String?)?

    /// Starts it, waits for its end, and kills it with all it has started when the time is over.
    func perform(_ starter: Starter) throws(Errno) -> Outcome {
        let child = try starter.start(plan)
        ce_close(child.stdin)
        var tail = OutputTail(limit: SandboxLimits.outputBytes)
        let deadline = Instant.now().advanced(milliseconds: seconds * 1000)
        var outputs = [child.stdout, child.stderr]
        var tookTooLong = false
        var tooMuch: String?
        var look = Instant.now().advanced(milliseconds: SandboxLimits.packageLookMilliseconds)
        while outputs.contains(where: { $0 >= 0 }) {
            let now = Instant.now()
            if let excess, now >= look {
                tooMuch = excess()
                if tooMuch != nil { break }
                look = Instant.now().advanced(milliseconds: SandboxLimits.packageLookMilliseconds)
            }
            let left = deadline.milliseconds(since: now)
            if left <= 0 {
                tookTooLong = true
                break
            }
            let pause = excess == nil ? left : min(left, max(look.milliseconds(since: now), 1))
            let ready = ce_wait_readable(outputs[0], outputs[1], Int32(clamping: pause))
            if ready < 0 {
                tookTooLong = true
                break
            }
            for index in 0..<2 where ready & (1 << index) != 0 {
                if !tail.read(outputs[index]) { outputs[index] = -1 }
                if let progress, let line = tail.lastLine { progress(line) }
            }
        }
        if tookTooLong || tooMuch != nil { child.kill() }
        // A tool may close its outputs before it ends, or leave somebody behind: the tree is given its time too.
        let left = max(deadline.milliseconds(since: Instant.now()), 1000)
        if ce_wait_readable(child.pidfd, -1, Int32(clamping: left)) == 0 { child.kill() }
        _ = ce_wait_readable(child.pidfd, -1, Int32(SandboxLimits.deathMilliseconds))
        let status = child.reap() ?? ChildExitStatus(code: 0, signal: SIGKILL)
        for descriptor in [child.stdout, child.stderr, child.pidfd] { ce_close(descriptor) }
        return Outcome(
            status: status, output: String(decoding: tail.bytes, as: UTF8.self), tookTooLong: tookTooLong,
            excess: tooMuch ?? excess?())
    }
}

/// The last bytes of a stream.
struct OutputTail {
    private(set) var bytes: [UInt8] = []
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// The last that has ended and is not empty.
    var lastLine: String? {
        guard let end = bytes.lastIndex(of: 10) else { return nil }
        let line = bytes[..<end].split(whereSeparator: { $0 == 10 || $0 == 13 }).last
        return line.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Takes what is there. False at the end of the stream.
    mutating func read(_ descriptor: Int32) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16 * 1024)
        let got = ce_read(descriptor, &buffer, buffer.count)
        if got == Int64(-EAGAIN) { return true }
        guard got > 0 else { return false }
        bytes += buffer[..<Int(got)]
        if bytes.count > 2 * limit { bytes.removeFirst(bytes.count - limit) }
        return true
    }
}
