import CEpollShim
import MCP
import Reactor
import System
import Wire

/// One connection of a sandbox to a host: from the sandbox to the gateway, and from there to the host. Bytes pass
/// unseen both ways; a side that takes them slowly stops the other one.
final class EgressRelay {
    private enum Phase {
        /// A client of the proxy has not yet said all of what it wants.
        case asking
        case resolving
        case connecting
        case open
        /// What is left is leaving.
        case closing
        case closed
    }

    private let egress: SandboxEgress
    private let loop: Loop
    private var phase = Phase.resolving
    /// Nil until it is known.
    private(set) var target: HostPort?
    /// When what it waits for takes too long.
    private(set) var deadline: Instant
    private var inside: EgressSide?
    private var outside: EgressSide?
    private var hasInsideEnded = false
    private var hasOutsideEnded = false
    private let isProxied: Bool
    private var isTunnel = false
    /// The proxy's client has sent this so far; from `connecting` on, what is sent to the host first.
    private var inbox = ByteQueue()
    private var resumeAt = 0
    /// Addresses that are left to try, and what became of the last one.
    private var addresses: ArraySlice<IPAddress> = []
    private var trouble = "it has no address"

    init(_ egress: SandboxEgress, _ target: HostPort?) {
        self.egress = egress
        self.target = target
        isProxied = target == nil
        loop = egress.state.loop
        deadline = loop.now.advanced(milliseconds: Limits.headSeconds * 1000)
    }

    /// Takes the connection from inside; false when that is not possible.
    func begin(_ descriptor: Int32) -> Bool {
        let side = EgressSide(self, loop: loop)
        do {
            try loop.attach(side, descriptor: descriptor, as: .stream)
        } catch {
            side.relay = nil
            ce_close(descriptor)
            return false
        }
        inside = side
        if let target {
            reach(target)
        } else {
            phase = .asking
        }
        return true
    }

    // MARK: On the way to the host

    private func reach(_ target: HostPort) {
        self.target = target
        if let inside { loop.pauseReading(inside) }
        guard egress.permits(target) else { return refuse(.unlisted, "no server of the sandbox needs it") }
        phase = .resolving
        deadline = loop.now.advanced(milliseconds: Limits.egressConnectSeconds * 1000)
        egress.resolve(target.host, for: self)
    }

    func resolved(_ result: Result<Outbound.Addresses, Outbound.Failure>) {
        guard phase == .resolving, let target else { return }
        switch result {
        case .failure(let failure): refuse(.unresolved, failure.reason)
        case .success(let found):
            var reason = trouble
            let fitting = found.all.filter { address in
                guard let refusal = egress.refusal(address, target, isOwn: found.own.contains(address)) else {
                    return true
                }
                reason = "it is at \(refusal)"
                return false
            }
            guard !fitting.isEmpty else { return refuse(.forbidden, reason) }
            addresses = fitting[...]
            connect()
        }
    }

    /// To the next address.
    private func connect() {
        phase = .connecting
        while let target, let address = addresses.popFirst() {
            let seconds = addresses.isEmpty ? Limits.egressConnectSeconds : Limits.remoteNextAddressSeconds
            deadline = loop.now.advanced(milliseconds: seconds * 1000)
            let side = EgressSide(self, loop: loop)
            let bytes = address.networkBytes
            let descriptor = ce_connect_begin(bytes, Int32(bytes.count), Int32(target.port))
            guard descriptor >= 0 else {
                side.relay = nil
                trouble = Errno(descriptor, "").reason
                continue
            }
            do {
                try loop.attach(side, descriptor: descriptor, as: .stream)
            } catch {
                side.relay = nil
                ce_close(descriptor)
                trouble = error.reason
                continue
            }
            outside = side
            side.wantsDrained = true
            return loop.awaitConnection(side)
        }
        refuse(.unreachable, trouble)
    }

    private func opened() {
        guard let inside, let outside, let target else { return }
        phase = .open
        deadline = Instant(nanoseconds: .max)
        outside.wantsDrained = false
        egress.note(.allowed, target, isProxied ? "by the proxy" : "it is on the list")
        if isTunnel {
            inside.outbox.append("HTTP/1.1 \(EgressVerdict.allowed.answer.status)\r\n\r\n")
            loop.flushLater(inside)
        }
        if !inbox.isEmpty {
            outside.outbox.append(inbox.bytes)
            inbox.removeAll()
            loop.flushLater(outside)
        }
        loop.resumeReading(inside)
    }

    /// An address that did not answer.
    private func dropOutside(_ reason: String) {
        trouble = reason
        if let outside {
            outside.relay = nil
            loop.close(outside)
        }
        outside = nil
        connect()
    }

    // MARK: The proxy

    private func ask(_ bytes: UnsafeRawBufferPointer) {
        inbox.append(bytes)
        switch ProxyRequest.read(&inbox, resumeAt: &resumeAt) {
        case .incomplete: return
        case .refused(let reason): refuse(.malformed, reason)
        case .tunnel(let target):
            isTunnel = true
            reach(target)
        case .forward(let target): reach(target)
        }
    }

    // MARK: Passing on

    func received(_ bytes: UnsafeRawBufferPointer, _ side: EgressSide) {
        if phase == .asking { return ask(bytes) }
        // A host that speaks first may be heard before its connection is told.
        if phase == .connecting, side === outside { opened() }
        guard phase == .open, let other = side === inside ? outside : inside else { return }
        egress.state.counters.egress.bytes &+= UInt64(bytes.count)
        if hasInsideEnded || hasOutsideEnded { awaitEnd() }
        other.outbox.append(bytes)
        loop.flushLater(other)
        guard other.isOverSoftLimit else { return }
        other.wantsDrained = true
        loop.pauseReading(side)
    }

    func drained(_ side: EgressSide) {
        if phase == .connecting { return opened() }
        guard phase == .open, let other = side === inside ? outside : inside else { return }
        side.wantsDrained = false
        loop.resumeReading(other)
    }

    // MARK: Ending

    /// One direction is over; the other may go on.
    func ended(_ side: EgressSide) {
        // As in `received`: one that was made and is over already.
        if phase == .connecting, side === outside { opened() }
        guard phase == .open, let inside, let outside else {
            if phase != .closing { abort() }
            return
        }
        if side === inside { hasInsideEnded = true } else { hasOutsideEnded = true }
        if hasInsideEnded, hasOutsideEnded {
            finish([inside, outside])
        } else {
            loop.shutdownWriting(side === inside ? outside : inside)
            awaitEnd()
        }
    }

    private func awaitEnd() {
        deadline = loop.now.advanced(milliseconds: Limits.egressHalfOpenSeconds * 1000)
    }

    private func finish(_ sides: [EgressSide]) {
        phase = .closing
        deadline = loop.now.advanced(milliseconds: Limits.stalledWriteSeconds * 1000)
        for side in sides { loop.closeAfterFlush(side) }
    }

    func failed(_ side: EgressSide, _ reason: String) {
        switch phase {
        case .connecting where side === outside: dropOutside(reason)
        // A connection of which both directions have ended is told as a hang-up; the loop closes it. What waits for
        // the other side still leaves.
        case .closing: return
        default: abort()
        }
    }

    /// The time is over for what it waits for.
    func expire() {
        switch phase {
        case .resolving: refuse(.unresolved, "its name was not resolved in time")
        case .connecting: dropOutside("it did not answer in time")
        case .asking, .open, .closing: abort()
        case .closed: return
        }
    }

    private func refuse(_ verdict: EgressVerdict, _ reason: String) {
        egress.note(verdict, target, reason)
        guard isProxied, let inside else { return abort() }
        let (status, error) = verdict.answer
        let text = "\(target?.description ?? "This request") was refused: \(reason).\n"
        inside.outbox.append(
            "HTTP/1.1 \(status)\r\nContent-Type: text/plain; charset=utf-8\r\n"
                + "Content-Length: \(text.utf8.count)\r\nProxy-Status: mcp-gateway; error=\(error)\r\n"
                + "Connection: close\r\n\r\n\(text)")
        finish([inside])
    }

    /// Both sides see a reset, as they would of a host that refuses.
    func abort() {
        guard phase != .closed else { return }
        phase = .closed
        for side in [inside, outside].compactMap({ $0 }) {
            side.relay = nil
            if side.isAttached { ce_set_reset_on_close(side.descriptor) }
            loop.close(side)
        }
        release()
    }

    /// A side is gone after the last of its bytes.
    func detached(_ side: EgressSide) {
        side.relay = nil
        if side === inside { inside = nil }
        if side === outside { outside = nil }
        guard inside == nil, outside == nil else { return }
        phase = .closed
        release()
    }

    private func release() {
        inside = nil
        outside = nil
        inbox.removeAll()
        egress.remove(self)
    }
}
