import CEpollShim
import Glibc
import MCP
import Synchronization
import System
import TLS

/// What connections to remote servers need from outside the loops: names are resolved on a thread of their own, where
/// the authorities of TLS are read from disk once, too.
final class Outbound: Sendable {
    /// Where a server is to be reached.
    struct Route: Sendable {
        /// In the order in which to try them; at least one. Not yet looked at by `AddressGuard`.
        var addresses: [IPAddress]
        /// Non-nil for https.
        var tls: TLSContext?
    }

    /// What a name leads to.
    struct Addresses: Sendable {
        /// In the order in which to try them; at least one.
        var all: [IPAddress]
        /// Those that are this machine's.
        var own: Set<IPAddress>
    }

    struct Failure: Error, Sendable {
        var reason: String
    }

    private let names: Names
    private let client = Mutex<TLSContext?>(nil)

    init(names: Names = Names()) { self.names = names }

    /// `done` runs on a thread of ours, or at once.
    func route(to url: RemoteURL, _ done: @escaping @Sendable (Result<Route, Failure>) -> Void) {
        // To read the authorities takes a while, which is the resolver's: a literal goes through it for them.
        find(url.host, onThread: url.isSecure) { found in
            done(
                found.flatMap { addresses in
                    Result { () throws(Failure) in
                        Route(addresses: addresses, tls: url.isSecure ? try self.context() : nil)
                    }
                })
        }
    }

    /// The same for a host's addresses alone.
    func addresses(of host: String, _ done: @escaping @Sendable (Result<Addresses, Failure>) -> Void) {
        find(host, onThread: false) { found in done(found.map(Self.marked)) }
    }

    private func find(_ host: String, onThread: Bool, _ done: @escaping @Sendable (Names.Answer) -> Void) {
        if !onThread, let literal = IPAddress(host) { return done(.success([literal])) }
        names.resolve(host, done)
    }

    private static func marked(_ all: [IPAddress]) -> Addresses {
        let own = all.filter { address in
            let bytes = address.networkBytes
            // Where the interfaces cannot be read, every address could be one of theirs.
            return ce_is_own_address(bytes, Int32(bytes.count)) != 0
        }
        return Addresses(all: all, own: Set(own))
    }

    private func context() throws(Failure) -> TLSContext {
        let result: Result<TLSContext, Failure> = client.withLock { client in
            if let client { return .success(client) }
            do throws(CertificateFailure) {
                let made = try TLSContext(trusting: .system, protocols: [.http11])
                client = made
                return .success(made)
            } catch {
                return .failure(Failure(reason: "TLS cannot be used here: \(error)"))
            }
        }
        return try result.get()
    }
}
