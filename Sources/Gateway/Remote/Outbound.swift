import CEpollShim
import Glibc
import MCP
import Synchronization
import System
import TLS

/// What connections to remote servers need from outside the loops, on threads of its own: names are resolved by
/// getaddrinfo(3), which blocks as long as the system's resolver does, and the authorities of TLS are read from
/// disk once.
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

    private struct Work {
        var waiting: [@Sendable () -> Void] = []
        var threads = 0
    }

    private let work = Mutex(Work())
    private let client = Mutex<TLSContext?>(nil)

    /// `done` runs on a thread of ours, or at once when there is too much to do.
    func route(to url: RemoteURL, _ done: @escaping @Sendable (Result<Route, Failure>) -> Void) {
        submit({ () throws(Failure) in try self.find(url) }, done)
    }

    /// The same for a host's addresses alone.
    func addresses(of host: String, _ done: @escaping @Sendable (Result<Addresses, Failure>) -> Void) {
        submit({ () throws(Failure) in try self.lookUp(host) }, done)
    }

    private func submit<Answer: Sendable>(
        _ find: @escaping @Sendable () throws(Failure) -> Answer,
        _ done: @escaping @Sendable (Result<Answer, Failure>) -> Void
    ) {
        let job: @Sendable () -> Void = { done(Result { () throws(Failure) in try find() }) }
        let isTaken = work.withLock { work in
            guard work.waiting.count < Limits.resolutionsWaiting else { return false }
            work.waiting.append(job)
            return true
        }
        guard isTaken else {
            return done(.failure(Failure(reason: "too many names are being resolved; try again")))
        }
        startThread()
    }

    private func find(_ url: RemoteURL) throws(Failure) -> Route {
        let addresses = if let literal = IPAddress(url.host) { [literal] } else { try resolve(url.host) }
        return Route(addresses: addresses, tls: url.isSecure ? try context() : nil)
    }

    private func lookUp(_ host: String) throws(Failure) -> Addresses {
        let all = if let literal = IPAddress(host) { [literal] } else { try resolve(host) }
        let own = all.filter { address in
            let bytes = address.networkBytes
            // Where the interfaces cannot be read, every address could be one of theirs.
            return ce_is_own_address(bytes, Int32(bytes.count)) != 0
        }
        return Addresses(all: all, own: Set(own))
    }

    private func resolve(_ host: String) throws(Failure) -> [IPAddress] {
        var found = [ce_address](repeating: ce_address(), count: Limits.addressesPerName)
        let count = ce_resolve(host, &found, Int32(found.count))
        guard count >= 0 else {
            throw Failure(
                reason: "its name \(host) cannot be resolved: \(String(cString: ce_resolve_reason(count)))")
        }
        let addresses = found.prefix(Int(count)).compactMap { raw in
            withUnsafeBytes(of: raw.bytes) {
                IPAddress(networkBytes: UnsafeRawBufferPointer(rebasing: $0.prefix(Int(raw.count))))
            }
        }
        guard !addresses.isEmpty else { throw Failure(reason: "its name \(host) has no address") }
        return addresses
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

    // MARK: Threads

    /// One more, unless enough work already; each ends when nothing waits any more.
    private func startThread() {
        let isWanted = work.withLock { work in
            guard work.threads < Limits.resolverThreads else { return false }
            work.threads += 1
            return true
        }
        guard isWanted else { return }
        var thread = pthread_t()
        let owner = Unmanaged.passRetained(self)
        let failure = pthread_create(
            &thread, nil,
            { raw in
                guard let raw else { return nil }
                ce_name_thread("resolver")
                Unmanaged<Outbound>.fromOpaque(raw).takeRetainedValue().drain()
                return nil
            }, owner.toOpaque())
        if failure == 0 {
            pthread_detach(thread)
        } else {
            // Out of threads: slower for all is better than a request that nobody works on.
            owner.release()
            drain()
        }
    }

    private func drain() {
        while true {
            let job: (@Sendable () -> Void)? = work.withLock { work in
                guard work.waiting.isEmpty else { return work.waiting.removeFirst() }
                work.threads -= 1
                return nil
            }
            guard let job else { return }
            job()
        }
    }
}
