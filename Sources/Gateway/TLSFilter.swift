import Glibc
import Reactor
import System
import TLS

/// TLS between a client and its connection.
final class TLSFilter: StreamFilter {
    private let session: TLSSession
    private let loop: Loop
    private var hasFinished = false
    private var hasFailed = false

    init(for connection: HTTP1Connection, _ context: TLSContext, _ scratch: TLSScratch, loop: Loop)
        throws(TLSFailure)
    {
        session = try TLSSession(serving: context, scratch: scratch)
        self.loop = loop
        super.init(for: connection, loop: loop)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        // The source may become another one, or close, in the middle.
        withExtendedLifetime(self) {
            session.receive(bytes)
            while let event = session.next(into: &wire) {
                switch event {
                case .handshakeDone(let handshake):
                    if handshake.protocol == .http2 { (source as? HTTP1Connection)?.becomeHTTP2() }
                case .plaintext(let plain): source.received(plain)
                case .closed: source.ended()
                case .failed: fail()
                }
            }
            loop.flushLater(source)
        }
    }

    override func ended() { source.ended() }

    /// The alert that tells the peer still leaves.
    private func fail() {
        guard !hasFailed else { return }
        hasFailed = true
        hasFinished = true
        source.outbox.removeAll()
        loop.closeAfterFlush(source)
    }

    override func flush(_ plain: inout Outbox, now: Instant) {
        guard !hasFailed else { return plain.removeAll() }
        session.send(draining: &plain, into: &wire, now: now)
        // Before the end of the handshake nothing is taken; a connection that only wants to end has no use for it.
        if !session.isHandshakeDone, hasFinished { plain.removeAll() }
    }

    override func finish() {
        guard !hasFinished else { return }
        hasFinished = true
        session.close(into: &wire)
    }
}
