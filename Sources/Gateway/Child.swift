import CEpollShim
import Glibc
import MCP
import Reactor
import Sandbox
import System
import Wire

/// The running process of a server: three pipes and a pidfd, watched by the loop.
final class Child {
    let pid: Int32
    let input: ChildInput
    private let output: ChildOutput
    private let errors: ChildErrors
    private let exit: ChildExit
    private let process: SpawnedChild
    private let loop: Loop

    /// Takes the descriptors of `spawned`. On failure they are the caller's still.
    init(_ spawned: SpawnedChild, link: ChildLink, state: LoopState) throws(Errno) {
        pid = spawned.pid
        process = spawned
        loop = state.loop
        input = ChildInput(loop: loop)
        let voice = ChildVoice(now: loop.now)
        output = ChildOutput(link: link, state: state, voice)
        errors = ChildErrors(backend: link.backend, loop: loop, voice)
        exit = ChildExit(link: link, process: spawned, loop: loop)
        try loop.attach(input, descriptor: spawned.stdin, as: .writer)
        try loop.attach(output, descriptor: spawned.stdout, as: .stream)
        try loop.attach(errors, descriptor: spawned.stderr, as: .stream)
        try loop.attach(exit, descriptor: spawned.pidfd, as: .readiness)
    }

    var limitHits: LimitHits { process.hits }

    /// The process has been reaped: what is left in its pipes was read by then.
    func close() {
        for source in [input, output, errors, exit] as [Source] { loop.close(source) }
    }

    /// End of file on its standard input: the polite way to ask it to leave (MCP stdio, §Shutdown).
    func closeInput() { loop.closeAfterFlush(input) }
    func terminate() { process.signal(SIGTERM) }
    func kill() { process.kill() }

    /// Ends a process that nobody waits for any more.
    static func discard(_ spawned: SpawnedChild) { spawned.killAndReap() }
}

/// The child's standard input. A child that stops reading fills the outbox, and further calls are refused.
final class ChildInput: Source {
    override func failed(_ error: Errno) {
        // The exit that follows tells the story.
        outbox.removeAll()
    }

    /// The limit is checked before a call is taken.
    override func overflowed() {}
}

/// What both outputs of a child have together.
final class ChildVoice {
    var clamour: Clamour

    init(now: Instant) { clamour = Clamour(now: now) }
}

/// One of a child's outputs: not read for a while when the child says too much unasked.
class ChildSource: Source, TimerTarget {
    private let voice: ChildVoice
    fileprivate let loop: Loop
    private var pause = TimerID.none

    init(loop: Loop, _ voice: ChildVoice) {
        self.voice = voice
        self.loop = loop
        super.init(loop: loop)
    }

    final func charge(messages: Int, bytes: Int) {
        let milliseconds = voice.clamour.spend(messages: messages, bytes: bytes, now: loop.now)
        guard milliseconds > 0, pause == .none else { return }
        loop.pauseReading(self)
        pause = loop.schedule(afterMilliseconds: milliseconds, self, tag: 0)
    }

    final func timerFired(_ tag: UInt64) {
        pause = .none
        loop.resumeReading(self)
    }

    override func detached() { loop.cancel(pause) }
}

/// Cuts the child's standard output into lines (MCP stdio: one message a line).
final class ChildOutput: ChildSource {
    private let link: ChildLink
    private var partial = ByteQueue()
    /// True while the rest of a line that was too long is skipped.
    private var isSkipping = false

    init(link: ChildLink, state: LoopState, _ voice: ChildVoice) {
        self.link = link
        super.init(loop: state.loop, voice)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        if isSkipping { link.unasked.bytes += bytes.count }
        cut(bytes)
        let unasked = link.unasked
        guard unasked.messages > 0 || unasked.bytes > 0 else { return }
        link.unasked = (0, 0)
        charge(messages: unasked.messages, bytes: unasked.bytes)
    }

    private func cut(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes
        while let end = rest.position(of: 10) {
            let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
            rest = UnsafeRawBufferPointer(rebasing: rest[(end + 1)...])
            if isSkipping {
                isSkipping = false
            } else if partial.isEmpty {
                take(line)
            } else {
                partial.append(line)
                takePartial()
            }
        }
        guard !rest.isEmpty, !isSkipping else { return }
        partial.append(rest)
        if partial.count > Limits.childLineBytes { skip() }
    }

    /// The call that the long line answers fails; every other one goes on.
    private func skip() {
        isSkipping = true
        let start = UnsafeRawBufferPointer(rebasing: partial.bytes.prefix(256))
        link.lineTooLong(start)
        partial.removeAll()
    }

    private func take(_ line: UnsafeRawBufferPointer) {
        link.received(line)
    }

    /// A long line leaves from where it was put together.
    private func takePartial() {
        guard partial.count >= Limits.lentLineBytes else {
            take(partial.bytes)
            return partial.removeAll()
        }
        loop.pool.lending(partial.take(tally: link.backend.home.outgoing)) { take($0) }
    }
}

/// The child's standard error, kept as its last lines.
final class ChildErrors: ChildSource {
    private let backend: Backend

    init(backend: Backend, loop: Loop, _ voice: ChildVoice) {
        self.backend = backend
        super.init(loop: loop, voice)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        backend.wroteToStderr(bytes)
        charge(messages: 0, bytes: bytes.count)
    }
}

/// The process itself: readable when it has ended.
final class ChildExit: Source {
    private let link: ChildLink
    private let process: SpawnedChild

    init(link: ChildLink, process: SpawnedChild, loop: Loop) {
        self.link = link
        self.process = process
        super.init(loop: loop)
    }

    override func ready() {
        guard let status = process.reap() else { return }
        link.childExited(status)
    }
}

extension UnsafeRawBufferPointer {
    /// Index of the first `byte`; glibc's memchr reads 32 bytes a step.
    func position(of byte: UInt8) -> Int? {
        guard let base = baseAddress, count > 0, let found = memchr(base, Int32(byte), count) else {
            return nil
        }
        return UnsafeRawPointer(found) - base
    }
}

/// The last lines of a stream, each cut at `lineBytes`.
struct LineRing {
    private(set) var lines: [String] = []
    private var partial: [UInt8] = []
    private let limit: Int
    private let lineBytes: Int

    init(lines: Int, lineBytes: Int) {
        limit = lines
        self.lineBytes = lineBytes
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        for byte in bytes {
            if byte == 10 {
                push()
            } else if partial.count < lineBytes {
                partial.append(byte)
            }
        }
    }

    private mutating func push() {
        while partial.last == 13 { partial.removeLast() }
        defer { partial.removeAll(keepingCapacity: true) }
        guard !partial.isEmpty else { return }
        if lines.count == limit { lines.removeFirst() }
        lines.append(String(decoding: partial, as: UTF8.self))
    }
}
