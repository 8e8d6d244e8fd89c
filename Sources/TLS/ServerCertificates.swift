import Synchronization
import System

/// The certificates of a running server, which change without an interruption: connections that are open keep
/// the context they began with.
public final class ServerCertificates: Sendable {
    private struct State {
        var files: [CertificateFiles]
        var context: TLSContext
    }

    private let protocols: [ApplicationProtocol]
    private let tickets: TicketKeys
    private let state: Mutex<State>

    /// Reads all files. The first certificate is for clients that name no host, or an unknown one.
    public init(
        _ files: [CertificateFiles], protocols: [ApplicationProtocol] = [.http2, .http11],
        tickets: TicketKeys = TicketKeys()
    ) throws(CertificateFailure) {
        self.protocols = protocols
        self.tickets = tickets
        let context = try Self.context(files, protocols, tickets)
        state = Mutex(State(files: files, context: context))
    }

    /// For the next connection.
    public var context: TLSContext { state.withLock { $0.context } }

    /// Reads the files again, or others. When one of them cannot be used the old certificates stay. Tickets
    /// stay good. Blocking: not for a loop.
    public func reload(_ files: [CertificateFiles]? = nil) throws(CertificateFailure) {
        let files = files ?? state.withLock { $0.files }
        let fresh = try Self.context(files, protocols, tickets)
        let old = state.withLock { state in
            let old = state.context
            state = State(files: files, context: fresh)
            return old
        }
        // Freed outside the lock.
        withExtendedLifetime(old) {}
    }

    /// What an operator should hear of: certificates that have expired or soon will, chains out of order.
    public func warnings(unixSeconds: Int = WallClock.unixSeconds()) -> [String] {
        context.identities.flatMap { $0.warnings(unixSeconds: unixSeconds) }
    }

    private static func context(
        _ files: [CertificateFiles], _ protocols: [ApplicationProtocol], _ tickets: TicketKeys
    ) throws(CertificateFailure) -> TLSContext {
        var identities: [Identity] = []
        for pair in files { identities.append(try Identity(pair)) }
        return try TLSContext(serving: identities, protocols: protocols, tickets: tickets)
    }
}
