import MCP
import Reactor
import Sandbox
import Synchronization
import System
import TLS

/// What all threads share: fixed after start, or behind an atomic or a mutex.
final class Shared: Sendable {
    let workshop: Workshop
    let loopCount: Int
    private let mailboxes: [Mailbox]
    private let cpus: [Int?]
    private let controlBox = Mutex<Control?>(nil)
    private let published: Mutex<[LoopNumbers]>
    private let eras = Mutex(EraLedger())
    private let asking = Mutex(Set<String>())
    private let tried = Mutex([String: Set<Int>]())
    let startedAt = Instant.now()
    let answers = Answers(.gateway)
    let outbound = Outbound()

    struct LoopNumbers: Sendable {
        var counters = Counters()
        var connections = 0
        var calls = 0
        var sandboxes = 0
    }

    /// Nil where no certificate is configured: TLS is then no protocol of ours.
    let certificates: ServerCertificates?

    /// For the next connection that begins with TLS.
    var tlsContext: TLSContext? { certificates?.context }

    init(workshop: Workshop, certificates: ServerCertificates?, mailboxes: [Mailbox], cpus: [Int?]) {
        self.workshop = workshop
        self.certificates = certificates
        self.mailboxes = mailboxes
        self.cpus = cpus
        loopCount = mailboxes.count
        published = Mutex(Array(repeating: LoopNumbers(), count: mailboxes.count))
    }

    /// Set once, before the first listener opens.
    func adopt(_ control: Control) { controlBox.withLock { $0 = control } }

    var control: Control? { controlBox.withLock { $0 } }

    /// False when the control thread's queue is full.
    func submit(_ request: ControlRequest) -> Bool {
        controlBox.withLock { $0 }?.submit(request) ?? false
    }

    /// Runs `job` on a loop's thread with that loop's state.
    func post(_ loop: Int, _ job: @escaping @Sendable (LoopState) -> Void) {
        guard loop < mailboxes.count else { return }
        mailboxes[loop].post { loop in
            guard let state = loop.context else { return }
            job(unsafeDowncast(state, to: LoopState.self))
        }
    }

    func cpu(of loop: Int) -> Int? { loop < cpus.count ? cpus[loop] : nil }

    // What servers have shown of their eras, by launch identity.

    func verdict(_ server: String) -> EraVerdict? {
        eras.withLock { $0.verdict(server, nowUnixSeconds: WallClock.unixSeconds()) }
    }

    func learn(_ verdict: EraVerdict, _ server: String) {
        eras.withLock { $0.learn(verdict, for: server, nowUnixSeconds: WallClock.unixSeconds()) }
    }

    func forget(_ server: String) { eras.withLock { $0.forget(server) } }

    /// Whether a server has wanted to ask its client and could not.
    func hasAsked(_ server: String) -> Bool { asking.withLock { $0.contains(server) } }

    func noteAsking(_ server: String) {
        asking.withLock { asking in
            if asking.count >= BridgeLimits.verdictsMax { asking.removeAll() }
            asking.insert(server)
        }
    }

    /// What of a server has been called and did not ask, by `Call.subject`.
    func tried(_ server: String) -> Set<Int> { tried.withLock { $0[server] ?? [] } }

    func noteTried(_ server: String, _ subject: Int) {
        tried.withLock { tried in
            if tried.count >= BridgeLimits.verdictsMax { tried.removeAll() }
            if tried[server, default: []].count < BridgeLimits.triedMax { tried[server]?.insert(subject) }
        }
    }

    func forgetTried(_ server: String, _ subject: Int) { tried.withLock { _ = $0[server]?.remove(subject) } }

    func publish(_ numbers: LoopNumbers, loop: Int) {
        published.withLock { $0[loop] = numbers }
    }

    var numbers: [LoopNumbers] { published.withLock { $0 } }
}
