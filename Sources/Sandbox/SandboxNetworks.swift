import CEpollShim
import Glibc
import Synchronization
import System

/// What the servers of a sandbox can reach.
public enum NetworkChoice: String, Sendable, CaseIterable {
    /// What the host reaches, its own loopback included.
    case host
    /// Each other, and the gateway's endpoint of their own sandbox.
    case none
}

/// A network namespace for each sandbox, shared by its servers: a loopback interface, and what the gateway serves
/// there. Held by descriptors; the kernel removes it with the last process and socket in it.
final class SandboxNetworks: Sendable {
    private let networks = Mutex<[String: Int32]>([:])

    /// Finds out whether this process may make any.
    init() throws(Errno) {
        ce_close(try Errno.check(ce_network_make(), "making a network namespace"))
    }

    /// The sandbox's namespace, made at the first call. Valid until `remove`.
    func descriptor(of sandbox: String) throws(Errno) -> Int32 {
        try networks.withLock { networks throws(Errno) in
            if let known = networks[sandbox] { return known }
            let made = try Errno.check(ce_network_make(), "making a network namespace")
            networks[sandbox] = made
            return made
        }
    }

    /// A listener at `address` inside, for the gateway to serve.
    func listen(_ sandbox: String, address: String, port: Int) throws(Errno) -> Int32 {
        let network = try descriptor(of: sandbox)
        let backlog = Int32(SandboxLimits.insideBacklog)
        return try Errno.check(
            ce_network_listen(network, address, Int32(clamping: port), backlog),
            "listening on \(address):\(port) in a sandbox")
    }

    func remove(_ sandbox: String) {
        guard let network = networks.withLock({ $0.removeValue(forKey: sandbox) }) else { return }
        ce_close(network)
    }
}
