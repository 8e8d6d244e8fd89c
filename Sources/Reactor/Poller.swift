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

    init() throws(Errno) {
        var opened: OpaquePointer?
        try Errno.check(ce_poller_open(Int32(CE_BACKEND_EPOLL), &opened), "creating a poller")
        guard let opened else { throw Errno(ENOMEM, "creating a poller") }
        raw = opened
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
