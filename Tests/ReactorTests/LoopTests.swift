import CEpollShim
import Glibc
import Testing

@testable import Reactor
@testable import System

@Suite("Loop")
struct LoopTests {
    @Test(
        "an event for a source that was closed in the same batch is dropped and counted",
        arguments: Loop.Backend.available)
    func staleInBatch(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pairs = try (0..<2).map { _ in try Pair.sockets() }
        let sources = pairs.map { _ in Recorder(loop: loop) }
        for (source, pair) in zip(sources, pairs) {
            try loop.attach(source, descriptor: pair.ours, as: .stream)
            pair.send("x")
        }
        // Whichever comes first closes the other.
        for (i, source) in sources.enumerated() {
            source.then = { _, event in if event == .received(1) { loop.close(sources[1 - i]) } }
        }
        #expect(loop.turn { sources.contains { !$0.events.isEmpty } })
        #expect(sources.map { $0.events.count }.sorted() == [1, 1])
        #expect(sources.flatMap(\.events).contains(.detached))
        #expect(loop.counters.stale_events == 1)
        for source in sources { source.then = nil }
        for pair in pairs { ce_close(pair.peer) }
        loop.end()
    }

    @Test(
        "a slot used again in the same batch does not get the events of its predecessor",
        arguments: Loop.Backend.available)
    func reusedSlotInBatch(_ backend: Loop.Backend) throws {
        let poller = try Poller(backend)
        let (first, second) = (try Pair.sockets(), try Pair.sockets())
        let old = Handle(slot: 3, generation: 1)
        let new = Handle(slot: 3, generation: 2)
        try poller.add(old, first.ours, .stream)
        first.send("for the old one")
        poller.wait(milliseconds: 0)
        poller.remove(old)
        ce_close(first.ours)
        // The kernel hands out the lowest free number: the new descriptor is most likely the old number.
        let copy = dup(second.ours)
        try poller.add(new, copy, .stream)
        second.send("for the new one")
        var event = ce_event()
        let hasOld = poller.next(&event)
        let stale = poller.counters.stale_events
        #expect(!hasOld)
        #expect(stale == 1)
        poller.wait(milliseconds: 0)
        let hasNew = poller.next(&event)
        #expect(hasNew)
        #expect(event.token == new.token)
        #expect(event.result == 15)
        for descriptor in [first.peer, copy, second.ours, second.peer] { ce_close(descriptor) }
    }

    @Test(
        "a handle finds its source until it is closed, and never a successor",
        arguments: Loop.Backend.available)
    func handles(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (first, second) = (try Pair.sockets(), try Pair.sockets())
        let old = Recorder(loop: loop)
        try loop.attach(old, descriptor: first.ours, as: .stream)
        let handle = old.handle
        #expect(loop.source(handle) === old)
        loop.close(old)
        #expect(loop.source(handle) == nil)
        #expect(old.events.isEmpty)
        loop.turn(waitingAtMost: 0)
        #expect(old.events == [.detached])
        #expect(old.handle == .none)
        let new = Recorder(loop: loop)
        try loop.attach(new, descriptor: second.ours, as: .stream)
        #expect(new.handle.slot == handle.slot)
        #expect(loop.source(handle) == nil)
        #expect(loop.source(.none) == nil)
        ce_close(first.peer)
        ce_close(second.peer)
        loop.end()
    }

    @Test(
        "the descriptor is open until the end of the turn, and closed then", arguments: Loop.Backend.available
    )
    func deferredClose(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: pair.ours, as: .stream)
        loop.close(source)
        loop.close(source)
        ce_set_nonblocking(pair.peer, 1)
        var byte: UInt8 = 0
        #expect(ce_read(pair.peer, &byte, 1) == Int64(-EAGAIN))
        loop.turn(waitingAtMost: 0)
        #expect(ce_read(pair.peer, &byte, 1) == 0)
        #expect(source.events == [.detached])
        #expect(loop.sourceCount == 0)
        ce_close(pair.peer)
    }

    @Test("a source may be attached again after it was detached", arguments: Loop.Backend.available)
    func attachAgain(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (first, second) = (try Pair.sockets(), try Pair.sockets())
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: first.ours, as: .stream)
        loop.close(source)
        loop.turn(waitingAtMost: 0)
        source.outbox.append("hello again")
        try loop.attach(source, descriptor: second.ours, as: .stream)
        loop.turn(waitingAtMost: 0)
        #expect(second.take() == Array("hello again".utf8))
        ce_close(first.peer)
        ce_close(second.peer)
        loop.end()
    }

    @Test("a descriptor that cannot be watched stays the caller's", arguments: Loop.Backend.available)
    func attachFailure(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let file = Descriptor(owning: ce_open("/proc/self/status", O_RDONLY, 0))
        let source = Recorder(loop: loop)
        #expect(throws: Errno.self) { try loop.attach(source, descriptor: file.raw, as: .stream) }
        #expect(throws: Errno(EBADF, "watching a descriptor")) {
            try loop.attach(source, descriptor: -1, as: .stream)
        }
        let flags = fcntl(file.raw, F_GETFD)
        #expect(flags >= 0)
        #expect(loop.sourceCount == 0)
        #expect(source.handle == .none)
    }

    @Test(
        "a source that takes another's place gets what comes, also what came before in the same turn",
        arguments: Loop.Backend.available)
    func replace(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let (first, second) = (Recorder(loop: loop), Recorder(loop: loop))
        try loop.attach(first, descriptor: pair.ours, as: .stream)
        let handle = first.handle
        // More than one read brings.
        let bytes = Random.bytes(100_000)
        first.then = { source, _ in
            guard source.isAttached else { return }
            source.outbox.append("kept")
            loop.flushLater(source)
            second.outbox.append("first words")
            loop.replace(source, with: second)
        }
        _ = ce_write_all(pair.peer, bytes, bytes.count)
        #expect(loop.turn { first.bytes.count + second.bytes.count == bytes.count })
        #expect(first.events.count == 1 && first.bytes + second.bytes == bytes)
        #expect(loop.source(handle) === second)
        #expect(first.handle == .none && first.descriptor == -1 && !first.isDirty)
        #expect(second.handle == handle && second.descriptor == pair.ours)
        #expect(pair.take() == Array("first words".utf8))
        first.then = nil
        ce_close(pair.peer)
        #expect(loop.turn { second.events.contains(.ended) })
        loop.end()
        #expect(first.events.count == 1 && second.events.last == .detached)
    }

    @Test("a place taken keeps a pause and a send that came short", arguments: Loop.Backend.available)
    func replaceBlocked(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        ce_set_send_buffer(pair.ours, 4096)
        let (first, second) = (Recorder(loop: loop), Recorder(loop: loop))
        try loop.attach(first, descriptor: pair.ours, as: .stream)
        first.outbox.append([UInt8](repeating: 1, count: 1 << 20))
        loop.flushLater(first)
        loop.pauseReading(first)
        pair.send("waits")
        loop.turns(3)
        #expect(first.isBlocked)
        loop.replace(first, with: second)
        second.outbox.append("after")
        loop.turns(3)
        #expect(second.isBlocked && second.isReadingPaused && second.events.isEmpty)
        loop.resumeReading(second)
        #expect(loop.turn { second.bytes == Array("waits".utf8) })
        var arrived: [UInt8] = []
        while !arrived.reversed().starts(with: "after".utf8.reversed()) {
            arrived += pair.take()
            loop.turn(waitingAtMost: 0)
        }
        #expect(arrived.count == (1 << 20) - first.outbox.count + 5)
        #expect(first.events.isEmpty)
        ce_close(pair.peer)
        loop.end()
    }

    @Test(
        "a pidfd tells once that its process has ended, and reaping tells how",
        arguments: Loop.Backend.available)
    func pidfd(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        var pid: pid_t = 0
        let arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup("exit 7"), nil]
        defer { for argument in arguments { free(argument) } }
        #expect(posix_spawn(&pid, "/bin/sh", nil, nil, arguments, environ) == 0)
        let descriptor = try Errno.check(ce_pidfd_open(pid), "opening a pidfd")
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: .readiness)
        #expect(loop.turn { !source.events.isEmpty })
        var exit = ce_exit()
        #expect(ce_pidfd_reap(descriptor, &exit) == 1)
        #expect(exit.code == 7)
        #expect(exit.signal == 0)
        #expect(ce_pidfd_reap(descriptor, &exit) == -ECHILD)
        loop.turns(3)
        #expect(source.events == [.ready])
        loop.end()
    }

    @Test("an eventfd is ready once per signal", arguments: Loop.Backend.available)
    func eventfd(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let descriptor = try Errno.check(ce_eventfd(), "creating an eventfd")
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: descriptor, as: .readiness)
        loop.turns(2)
        #expect(source.events.isEmpty)
        ce_eventfd_signal(descriptor)
        loop.turns(3)
        #expect(source.events == [.ready])
        #expect(ce_eventfd_clear(descriptor) == 1)
        #expect(ce_eventfd_clear(descriptor) == 0)
        loop.end()
    }

    @Test(
        "what is closed or marked in callbacks of the turn's end is done in the same turn",
        arguments: Loop.Backend.available)
    func endOfTurn(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let (first, second) = (try Pair.sockets(), try Pair.sockets())
        let (one, two) = (Recorder(loop: loop), Recorder(loop: loop))
        try loop.attach(one, descriptor: first.ours, as: .stream)
        try loop.attach(two, descriptor: second.ours, as: .stream)
        one.then = { _, event in
            guard event == .detached else { return }
            two.outbox.append("neighbour gone")
            loop.closeAfterFlush(two)
        }
        loop.close(one)
        loop.turn(waitingAtMost: 0)
        #expect(two.events == [.detached])
        #expect(second.take() == Array("neighbour gone".utf8))
        one.then = nil
        ce_close(first.peer)
        ce_close(second.peer)
        loop.end()
    }

    @Test("an object kept for the turn lives to its end", arguments: Loop.Backend.available)
    func keep(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        weak var watched: OwnedBytes?
        do {
            let object = OwnedBytes([1])
            watched = object
            loop.atEndOfTurn(object)
        }
        #expect(watched != nil)
        loop.turn(waitingAtMost: 0)
        #expect(watched == nil)
    }

    @Test("stopping closes every source, with what was posted before", arguments: Loop.Backend.available)
    func stop(_ backend: Loop.Backend) throws {
        let loop = try Loop(index: 0, backend: backend)
        let pair = try Pair.sockets()
        let source = Recorder(loop: loop)
        try loop.attach(source, descriptor: pair.ours, as: .stream)
        source.outbox.append("farewell")
        loop.flushLater(source)
        let mailbox = loop.mailbox
        let isPosted = mailbox.post { loop in
            loop.stop()
            loop.mailbox.post { $0.context = OwnedBytes([1]) }
        }
        #expect(isPosted)
        loop.run()
        #expect(source.events == [.detached])
        #expect(pair.take() == Array("farewell".utf8))
        #expect(loop.context != nil)
        #expect(!mailbox.post { _ in })
        ce_close(pair.peer)
    }
}
