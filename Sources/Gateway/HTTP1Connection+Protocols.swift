import Reactor
import TLS
import Wire

/// What the first bytes of a connection tell: TLS, HTTP/2 with prior knowledge, or HTTP/1.1.
extension HTTP1Connection {
    /// The first bytes tell TLS from plain text, and HTTP/2 with prior knowledge from HTTP/1.1. True when they
    /// were taken, or kept until it is clear.
    func hasOtherProtocol(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .clients = role, let first = bytes.first else {
            isFresh = false
            return false
        }
        if filter == nil, inbox.isEmpty, FirstByte.isTLS(first), let context = state.shared.tlsContext {
            return startTLS(context, bytes)
        }
        let isFirst = inbox.isEmpty
        if !isFirst { inbox.append(bytes) }
        switch HTTP2Preface.sniff(isFirst ? bytes : inbox.bytes) {
        case .http1:
            isFresh = false
            if filter == nil, HTTP2Preface.isNeither(isFirst ? bytes : inbox.bytes) {
                refuseBothVersions()
                return true
            }
            guard !isFirst else { return false }
            processInbox()
        case .needMore:
            if isFirst { inbox.append(bytes) }
            if isIdle {
                phase = .head(idle: false)
                deadline = state.loop.now.advanced(milliseconds: Limits.headSeconds * 1000)
            }
        case .http2:
            if isFirst { inbox.append(bytes) }
            becomeHTTP2()
        }
        return true
    }

    private func refuseBothVersions() {
        state.counters.refused &+= 1
        keepAlive = false
        outbox.append(HTTP2Preface.farewell)
        linger()
    }

    private func startTLS(_ context: TLSContext, _ bytes: UnsafeRawBufferPointer) -> Bool {
        do throws(TLSFailure) {
            let filter = try TLSFilter(for: self, context, state.tlsScratch, loop: state.loop)
            self.filter = filter
            filter.received(bytes)
        } catch {
            close()
        }
        return true
    }

    /// Hands descriptor, filter and what has come so far to a connection of the other version.
    func becomeHTTP2() {
        guard isFresh, isAttached else { return }
        isFresh = false
        let successor = HTTP2Connection(state: state, role: role)
        phase = .closed
        state.loop.replace(self, with: successor)
        state.remove(self)
        state.connections.append(successor)
        successor.index = state.connections.count - 1
        successor.received(inbox.bytes)
        inbox.removeAll()
    }
}
