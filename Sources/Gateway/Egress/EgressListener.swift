import Reactor
import System

/// A listener in a sandbox's network that leads to one host, or the HTTP proxy.
final class EgressListener: Source {
    private let egress: SandboxEgress
    private let target: HostPort?

    init(_ egress: SandboxEgress, _ target: HostPort?) {
        self.egress = egress
        self.target = target
        super.init(loop: egress.state.loop)
    }

    override func accepted(_ fd: Int32) { egress.accept(fd, target) }
}

/// One side of a relay.
final class EgressSide: Source {
    /// Nil once the relay has let go of it.
    var relay: EgressRelay?

    init(_ relay: EgressRelay, loop: Loop) {
        self.relay = relay
        super.init(loop: loop)
        outboxSoftBytes = Limits.egressBufferBytes
    }

    override func received(_ bytes: UnsafeRawBufferPointer) { relay?.received(bytes, self) }

    override func ended() { relay?.ended(self) }

    override func failed(_ error: Errno) { relay?.failed(self, error.reason) }

    override func drained() { relay?.drained(self) }

    override func overflowed() { relay?.abort() }

    override func detached() { relay?.detached(self) }
}
