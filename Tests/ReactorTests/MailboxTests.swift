import CEpollShim
import Glibc
import Synchronization
import Testing

@testable import Reactor
@testable import System

/// What the posted jobs count, on the loop's thread alone.
private final class Tally {
    var next: [Int]
    var total = 0
    init(posters: Int) { next = Array(repeating: 0, count: posters) }
}

@Suite("Mailbox and threads")
struct MailboxTests {
    @Test(
        "100,000 messages from four threads all arrive, each thread's in order",
        arguments: Loop.Backend.available)
    func flood(_ backend: Loop.Backend) {
        let (posters, each) = (4, 25_000)
        let mailbox = LoopThread.start(index: 0, cpu: nil, backend: backend) {
            $0.context = Tally(posters: posters)
        }
        let box = Counters()
        let threads = (0..<posters).map { poster in
            Thread {
                for n in 0..<each {
                    mailbox.post { loop in
                        guard let tally = loop.context as? Tally else { return }
                        if tally.next[poster] != n { box.disorder.add(1, ordering: .relaxed) }
                        tally.next[poster] = n + 1
                        tally.total += 1
                        box.sum.add(1, ordering: .relaxed)
                        if tally.total == posters * each { loop.stop() }
                    }
                }
            }
        }
        for thread in threads { thread.wait() }
        LoopThread.join(mailbox)
        #expect(box.sum.load(ordering: .relaxed) == posters * each)
        #expect(box.disorder.load(ordering: .relaxed) == 0)
    }

    private final class Counters: Sendable {
        let sum = Atomic<Int>(0)
        let disorder = Atomic<Int>(0)
    }

    @Test("a message wakes a loop that sleeps, every time", arguments: Loop.Backend.available)
    func pingPong(_ backend: Loop.Backend) {
        let (left, right) = (
            LoopThread.start(index: 0, cpu: nil, backend: backend) { _ in },
            LoopThread.start(index: 1, cpu: nil, backend: backend) { _ in }
        )
        let counters = Counters()
        @Sendable func bounce(_ n: Int, _ here: Mailbox, _ there: Mailbox) {
            there.post { loop in
                counters.sum.add(1, ordering: .relaxed)
                guard n > 0 else {
                    here.post { $0.stop() }
                    return loop.stop()
                }
                bounce(n - 1, there, here)
            }
        }
        bounce(9_999, left, right)
        LoopThread.join(left)
        LoopThread.join(right)
        #expect(counters.sum.load(ordering: .relaxed) == 10_000)
    }

    @Test("a flood of messages does not keep timers waiting", arguments: Loop.Backend.available)
    func bounded(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let counters = Counters()
        for _ in 0..<(ReactorLimits.jobsPerTurn + 10) {
            loop.mailbox.post { _ in counters.sum.add(1, ordering: .relaxed) }
        }
        loop.turn(waitingAtMost: -1)
        #expect(counters.sum.load(ordering: .relaxed) == ReactorLimits.jobsPerTurn)
        loop.turn(waitingAtMost: -1)
        #expect(counters.sum.load(ordering: .relaxed) == ReactorLimits.jobsPerTurn + 10)
    }

    @Test("what a job holds is let go of once it has run", arguments: Loop.Backend.available)
    func release(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        weak var watched: OwnedBytes?
        do {
            let owned = OwnedBytes([1])
            watched = owned
            loop.mailbox.post { _ in _ = owned.count }
        }
        #expect(watched != nil)
        loop.turn(waitingAtMost: -1)
        #expect(watched == nil)
    }

    @Test(
        "wake-ups are coalesced: a loop that is awake costs the poster no system call",
        arguments: Loop.Backend.available)
    func coalesced(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        for _ in 0..<100 { loop.mailbox.post { _ in } }
        var value: UInt64 = 0
        // The counter of an eventfd that was never signalled: nothing to read.
        #expect(ce_read(loop.mailbox.eventfd, &value, 8) == Int64(-EAGAIN))
        #expect(!loop.mailbox.mayWait())
        loop.mailbox.hasWoken()
        loop.turn(waitingAtMost: -1)
        #expect(loop.mailbox.mayWait())
        for _ in 0..<100 { loop.mailbox.post { _ in } }
        #expect(ce_read(loop.mailbox.eventfd, &value, 8) == 8)
        #expect(value == 1)
        loop.mailbox.hasWoken()
    }

    @Test("a loop's thread has its name and its CPU", arguments: Loop.Backend.available)
    func nameAndCPU(_ backend: Loop.Backend) throws {
        let cpu = try #require(CPUSet.allowed.last)
        let box = FoundBox()
        let mailbox = LoopThread.start(index: 7, cpu: cpu, backend: backend) { loop in
            let name = (try? Files.read("/proc/thread-self/comm", limit: 64)) ?? []
            box.found.withLock { $0 = (String(decoding: name.dropLast(), as: UTF8.self), CPUSet.allowed) }
            loop.stop()
        }
        LoopThread.join(mailbox)
        LoopThread.join(mailbox)
        #expect(box.found.withLock { $0.name } == "loop-7")
        #expect(box.found.withLock { $0.cpus } == [cpu])
    }

    private final class FoundBox: Sendable {
        let found = Mutex<(name: String, cpus: [Int])>(("", []))
    }
}
