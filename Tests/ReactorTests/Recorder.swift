import CEpollShim
import Glibc
@testable import Reactor
import System

/// A source that writes down what happens to it, and does what a test wants it to.
final class Recorder: Source {
    enum Event: Equatable {
        case received(Int), ended, failed(Int32), ready, drained, overflowed, detached
    }

    var events: [Event] = []
    var bytes: [UInt8] = []
    var acceptedDescriptors: [Int32] = []
    /// Called after the event is written down.
    var then: ((Recorder, Event) -> Void)?
    var closesOnOverflow = true

    private func note(_ event: Event) {
        events.append(event)
        then?(self, event)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        self.bytes += bytes
        note(.received(bytes.count))
    }

    override func ended() { note(.ended) }
    override func failed(_ error: Errno) { note(.failed(error.code)) }
    override func ready() { note(.ready) }
    override func drained() { note(.drained) }

    override func overflowed() {
        note(.overflowed)
        if closesOnOverflow { super.overflowed() }
    }

    override func accepted(_ fd: Int32) { acceptedDescriptors.append(fd) }
    override func detached() { note(.detached) }
}

/// Two connected descriptors; what the loop does not own, the test closes.
struct Pair {
    let ours: Int32
    let peer: Int32

    /// Unix stream sockets.
    static func sockets() throws -> Pair {
        var ends: [Int32] = [-1, -1]
        try Errno.check(ce_socketpair(&ends), "making a socket pair")
        return Pair(ours: ends[0], peer: ends[1])
    }

    /// A TCP connection over loopback.
    static func tcp() throws -> Pair {
        let listener = try listen(host: "127.0.0.1", port: 0, backlog: 8, reusePort: false)
        defer { ce_close(listener) }
        let port = try localPort(of: listener)
        let peer = try Errno.check(ce_connect_tcp("127.0.0.1", Int32(port)), "connecting")
        // The connection is in the queue when connect(2) has returned.
        let ours = accept(listener, nil, nil)
        guard ours >= 0 else { throw Errno(errno, "accepting") }
        return Pair(ours: ours, peer: peer)
    }

    /// `ours` reads, `peer` writes.
    static func pipe() throws -> Pair {
        var ends: [Int32] = [-1, -1]
        try Errno.check(ce_pipe(&ends), "making a pipe")
        return Pair(ours: ends[0], peer: ends[1])
    }

    func send(_ text: String) {
        var text = text
        text.withUTF8 { _ = ce_write_all(peer, $0.baseAddress, $0.count) }
    }

    /// What waits at the peer now, at most `limit` bytes.
    func take(_ limit: Int = 1 << 20) -> [UInt8] {
        ce_set_nonblocking(peer, 1)
        return [UInt8](unsafeUninitializedCapacity: limit) { room, count in
            count = max(Int(ce_read(peer, room.baseAddress, limit)), 0)
        }
    }

    /// RST instead of FIN.
    func resetPeer() {
        ce_set_reset_on_close(peer)
        ce_close(peer)
    }
}

extension Loop.Backend {
    /// Those that this host has: io_uring may be forbidden or too old.
    static let available = allCases.filter { backend in
        backend == .epoll || (try? Loop(index: 0, backend: backend)) != nil
    }
}

extension Loop {
    /// Turns until `condition` holds, which a single turn cannot promise: a signal may end its wait. Where a
    /// test counts what one turn brought, the condition is that it brought something. Each turn waits for the
    /// kernel; gives up after 5 s of silence.
    func turn(until condition: () -> Bool) -> Bool {
        let deadline = Instant.now().advanced(milliseconds: 5000)
        while !condition() {
            if Instant.now() > deadline { return false }
            turn(waitingAtMost: 5000)
        }
        return true
    }

    /// Closes what is left, as at the end of a loop's thread.
    func end() {
        stop()
        run()
    }

    /// True when nothing keeps the loop awake for 20 ms. Some wake-ups are no spinning, which makes thousands:
    /// each ring that an earlier test had on this thread causes one when the kernel takes it down.
    func staysAsleep() -> Bool {
        let waits = counters.waits
        let start = Instant.now()
        while Instant.now().milliseconds(since: start) < 20 { turn(waitingAtMost: 20) }
        return counters.waits - waits <= 100
    }

    /// Turns that wait for nothing: an idle loop gets no event in them.
    func turns(_ n: Int) {
        for _ in 0..<n { turn(waitingAtMost: 0) }
    }
}
