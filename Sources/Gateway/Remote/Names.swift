import CEpollShim
import Glibc
import MCP
import Synchronization
import System

/// Names of other hosts, resolved by c-ares on a thread that lives while there are questions. All names are asked for
/// at once: one whose servers keep silent makes no other wait, whoever asks.
final class Names: Sendable {
    typealias Answer = Result<[IPAddress], Outbound.Failure>

    /// One name that is wanted.
    private final class Question: Sendable {
        let host: String
        let done: @Sendable (Answer) -> Void

        init(_ host: String, _ done: @escaping @Sendable (Answer) -> Void) {
            self.host = host
            self.done = done
        }
    }

    /// A thread with a resolver, which keeps to the resolv.conf(5) that it has read.
    private struct Line {
        let wakeup: Int32
        let began: Instant
        var waiting: [Question] = []
    }

    private struct State {
        var lines: [Int: Line] = [:]
        /// The line that takes questions.
        var current: Int?
        var nextLine = 0
        var unanswered = 0
    }

    private let state = Mutex(State())
    /// `address:port`, with commas; nil: those of the system.
    private let servers: String?
    private let attemptMilliseconds: Int32

    init(servers: String? = nil, attemptMilliseconds: Int32 = Limits.nameAttemptMilliseconds) {
        self.servers = servers
        self.attemptMilliseconds = attemptMilliseconds
    }

    /// `done` runs once, on a thread of ours, or at once when too much is asked.
    func resolve(_ host: String, _ done: @escaping @Sendable (Answer) -> Void) {
        let question = Question(host, done)
        enum Outcome { case added(Int32), begun(Int, Int32), refused(String) }
        let outcome: Outcome = state.withLock { state in
            guard state.unanswered < Limits.resolutionsWaiting else {
                return .refused("too many names are being resolved; try again")
            }
            let now = Instant.now()
            if let current = state.current, let line = state.lines[current],
                now.milliseconds(since: line.began) < Limits.routeSeconds * 1000
            {
                state.unanswered += 1
                state.lines[current]?.waiting.append(question)
                return .added(line.wakeup)
            }
            let wakeup = ce_eventfd()
            guard wakeup >= 0 else { return .refused("\(Errno(wakeup, "resolving \(host)"))") }
            let number = state.nextLine
            state.nextLine += 1
            state.unanswered += 1
            state.lines[number] = Line(wakeup: wakeup, began: now, waiting: [question])
            state.current = number
            return .begun(number, wakeup)
        }
        switch outcome {
        case .added(let wakeup): ce_eventfd_signal(wakeup)
        case .begun(let number, let wakeup): startThread(number, wakeup)
        case .refused(let reason): done(.failure(Outbound.Failure(reason: reason)))
        }
    }

    // MARK: Threads

    private final class Start: Sendable {
        let names: Names, number: Int, wakeup: Int32

        init(_ names: Names, _ number: Int, _ wakeup: Int32) {
            self.names = names
            self.number = number
            self.wakeup = wakeup
        }
    }

    private func startThread(_ number: Int, _ wakeup: Int32) {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(self, number, wakeup))
        let failure = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                ce_name_thread("resolver")
                let start = Unmanaged<Start>.fromOpaque(raw).takeRetainedValue()
                start.names.run(start.number, start.wakeup)
                return nil
            }, start.toOpaque())
        guard failure != 0 else {
            pthread_detach(thread)
            return
        }
        start.release()
        fail(number, "\(Errno(failure, "starting the thread that resolves names"))")
        ce_close(wakeup)
    }

    /// Until every question of this line has its answer.
    private func run(_ number: Int, _ wakeup: Int32) {
        defer { ce_close(wakeup) }
        var opened: OpaquePointer?
        let result = ce_resolver_open(
            servers, attemptMilliseconds, Limits.nameAttempts, Self.answered, &opened)
        guard let resolver = opened else {
            return fail(number, String(cString: ce_resolver_reason(0 &- result)))
        }
        defer { ce_resolver_close(resolver) }
        while let questions = take(number, isIdle: ce_resolver_waiting(resolver) == 0) {
            for question in questions {
                // Balanced in `answered`. What counts the answer is kept alive by this thread.
                let asked = Unmanaged.passRetained(Asked(self, question))
                ce_resolver_ask(resolver, question.host, asked.toOpaque())
            }
            guard ce_resolver_waiting(resolver) > 0 else { continue }
            if ce_resolver_turn(resolver, wakeup, Limits.nameTurnMilliseconds) == 1 {
                ce_eventfd_clear(wakeup)
            }
        }
    }

    /// What is new; nil when the line has come to its end.
    private func take(_ number: Int, isIdle: Bool) -> [Question]? {
        state.withLock { state in
            guard let line = state.lines[number] else { return nil }
            if line.waiting.isEmpty, isIdle {
                state.lines[number] = nil
                if state.current == number { state.current = nil }
                return nil
            }
            state.lines[number]?.waiting = []
            return line.waiting
        }
    }

    /// The line cannot be: whoever waits for it is told.
    private func fail(_ number: Int, _ reason: String) {
        let lost = state.withLock { state in
            let lost = state.lines.removeValue(forKey: number)?.waiting ?? []
            if state.current == number { state.current = nil }
            state.unanswered -= lost.count
            return lost
        }
        for question in lost {
            question.done(
                .failure(Outbound.Failure(reason: "its name \(question.host) cannot be resolved: \(reason)")))
        }
    }

    // MARK: Answers

    private final class Asked: Sendable {
        let names: Names, question: Question

        init(_ names: Names, _ question: Question) {
            self.names = names
            self.question = question
        }
    }

    private static let answered: ce_resolved = { raw, status, addresses, count in
        guard let raw else { return }
        let asked = Unmanaged<Asked>.fromOpaque(raw).takeRetainedValue()
        asked.names.state.withLock { $0.unanswered -= 1 }
        let found = UnsafeBufferPointer(start: addresses, count: Int(max(count, 0))).compactMap { raw in
            withUnsafeBytes(of: raw.bytes) {
                IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: $0.prefix(Int(max(raw.count, 0)))))
            }
        }
        let host = asked.question.host
        guard found.isEmpty else { return asked.question.done(.success(found)) }
        let reason =
            status == 0
            ? "its name \(host) has no address"
            : "its name \(host) cannot be resolved: \(String(cString: ce_resolver_reason(status)))"
        asked.question.done(.failure(Outbound.Failure(reason: reason)))
    }
}
