import CEpollShim
import Glibc
import System

/// The kernel's side of a loop: owns the C poller, whose events carry bytes and results (`ce_poll.h`).
struct Poller: ~Copyable {
    enum Kind: Int32 {
        case stream = 1
        case listener = 2
        case writer = 3
        case readiness = 4
    }

    private let raw: OpaquePointer
    /// The sends of a turn leave by one system call: `gather` and `sendGathered` instead of `send`.
    let gathers: Bool

    init(_ backend: Loop.Backend) throws(Errno) {
        raw = try Self.open(backend)
        gathers = ce_gathers(raw) == 1
    }

    /// All at once, as locked memory may suffice for one and not for all.
    static func check(_ backend: Loop.Backend, count: Int) throws(Errno) {
        var opened: [OpaquePointer] = []
        defer { for poller in opened { ce_poller_close(poller) } }
        for _ in 0..<count { opened.append(try open(backend)) }
    }

    private static func open(_ backend: Loop.Backend) throws(Errno) -> OpaquePointer {
        let action = "setting up \(backend.rawValue)"
        var opened: OpaquePointer?
        let number = backend == .epoll ? CE_BACKEND_EPOLL : CE_BACKEND_URING
        try Errno.check(ce_poller_open(Int32(number), &opened), action)
        guard let opened else { throw Errno(ENOMEM, action) }
        return opened
    }

    deinit { ce_poller_close(raw) }

    func setWakeup(_ eventfd: Int32) throws(Errno) {
        try Errno.check(ce_poller_set_wakeup(raw, eventfd), "watching the mailbox")
    }

    func add(_ handle: Handle, _ descriptor: Int32, _ kind: Kind) throws(Errno) {
        try Errno.check(ce_add(raw, handle.token, descriptor, kind.rawValue), "watching a descriptor")
    }

    func remove(_ handle: Handle) { ce_remove(raw, handle.slot) }
    func pause(_ handle: Handle) -> Int32 { ce_pause(raw, handle.slot) }
    func resume(_ handle: Handle) -> Int32 { ce_resume(raw, handle.slot) }

    func awaitConnection(_ handle: Handle) -> Int32 { ce_await_connection(raw, handle.slot) }

    /// Waits until the kernel has let go of what was removed: then descriptors may be closed.
    func settle() {
        let result = ce_settle(raw)
        precondition(result == 0, "the poller is broken: \(Errno(result, "letting go of descriptors"))")
    }

    /// Offers the front of `outbox` to the kernel. Returns the bytes that have left, or -errno, and those
    /// that were offered: when fewer left, a WRITABLE event will come.
    func send(_ handle: Handle, _ outbox: borrowing Outbox) -> (sent: Int, offered: Int) {
        var offered = 0
        let sent = outbox.withIOVecs { pieces, count in
            for i in 0..<Int(count) { offered += pieces[i].iov_len }
            return ce_send(raw, handle.slot, pieces, count)
        }
        return (Int(sent), offered)
    }

    /// Puts the front of `outbox` into the batch, where it must stay until `sendGathered`. Returns its index
    /// there, nil when the batch must leave first, and the bytes that will be offered.
    func gather(_ handle: Handle, _ outbox: borrowing Outbox) -> (index: Int32?, offered: Int) {
        var offered = 0
        let index = outbox.withIOVecs { pieces, count in
            for i in 0..<Int(count) { offered += pieces[i].iov_len }
            return Int64(ce_gather(raw, handle.slot, pieces, count))
        }
        return (index < 0 ? nil : Int32(truncatingIfNeeded: index), offered)
    }

    func sendGathered() { ce_send_gathered(raw) }

    /// What `send` would have returned.
    func outcome(_ index: Int32) -> Int { Int(ce_outcome(raw, index)) }

    func wait(milliseconds: Int32) {
        let result = ce_wait(raw, milliseconds)
        precondition(result == 0, "the poller is broken: \(Errno(result, "waiting for events"))")
    }

    func next(_ event: inout ce_event) -> Bool { ce_next(raw, &event) == 1 }

    var counters: ce_counters {
        var counters = ce_counters()
        ce_poller_counters(raw, &counters)
        return counters
    }
}
