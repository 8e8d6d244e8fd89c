import CEpollShim
import Glibc
import Synchronization
import System

/// Threads that run a loop each.
public enum LoopThread {
    /// Starts a thread named `loop-<index>`, bound to `cpu` if that is given, which makes a loop, calls
    /// `body` with it and runs it until `Loop.stop()`. Returns when the loop exists. A process that cannot
    /// have its loops cannot serve, so a failure ends it, with the reason.
    /// - Returns: the way to the loop, to be given to `join` in the end.
    public static func start(
        index: Int, cpu: Int?, backend: Loop.Backend = .epoll, _ body: @escaping @Sendable (Loop) -> Void
    ) -> Mailbox {
        let boot = Boot(index: index, cpu: cpu, backend: backend, body: body)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                Unmanaged<Boot>.fromOpaque(raw).takeRetainedValue().run()
                return nil
            }, Unmanaged.passRetained(boot).toOpaque())
        guard failure == 0 else { fatalError("\(Errno(failure, "starting the thread of loop \(index)"))") }
        let mailbox = boot.waitForMailbox()
        mailbox.thread.withLock { $0 = thread }
        return mailbox
    }

    /// Waits until the loop behind `mailbox` has stopped and its thread has ended. At most once per loop does
    /// it wait; not to be called on that thread.
    public static func join(_ mailbox: Mailbox) {
        let thread = mailbox.thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        if let thread { pthread_join(thread, nil) }
    }
}

/// What the new thread needs, and where it leaves its mailbox.
private final class Boot: Sendable {
    private let index: Int
    private let cpu: Int?
    private let backend: Loop.Backend
    private let body: @Sendable (Loop) -> Void
    private let mailbox = Mutex<Mailbox?>(nil)
    /// Read end and write end: closed without a byte when the mailbox is there.
    private let signal: (wait: Int32, done: Int32)

    init(index: Int, cpu: Int?, backend: Loop.Backend, body: @escaping @Sendable (Loop) -> Void) {
        self.index = index
        self.cpu = cpu
        self.backend = backend
        self.body = body
        var ends: [Int32] = [-1, -1]
        let result = ce_pipe(&ends)
        guard result == 0 else { fatalError("\(Errno(result, "starting the thread of loop \(index)"))") }
        signal = (ends[0], ends[1])
    }

    func run() {
        ce_name_thread("loop-\(index)")
        // Without its own CPU a loop is slower, not wrong.
        if let cpu { _ = ce_pin_thread(Int32(clamping: cpu)) }
        let loop: Loop
        do {
            loop = try Loop(index: index, backend: backend)
        } catch {
            fatalError("loop \(index): \(error)")
        }
        mailbox.withLock { $0 = loop.mailbox }
        ce_close(signal.done)
        body(loop)
        loop.run()
    }

    func waitForMailbox() -> Mailbox {
        var byte: UInt8 = 0
        _ = ce_read(signal.wait, &byte, 1)
        ce_close(signal.wait)
        guard let made = mailbox.withLock({ $0 }) else { preconditionFailure("a loop without a mailbox") }
        return made
    }
}
