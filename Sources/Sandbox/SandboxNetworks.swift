import CEpollShim
import Glibc
import Synchronization
import System

/// An address in a sandbox's network at which the gateway listens.
public struct InsideAddress: Sendable, Hashable {
    /// Numeric.
    public var address: String
    public var port: Int
    /// None that the loopback interface has anyway.
    public var isForeign: Bool

    public init(address: String, port: Int, isForeign: Bool = false) {
        self.address = address
        self.port = port
        self.isForeign = isForeign
    }
}

/// A network namespace for each sandbox, shared by its servers: a loopback interface, and what the gateway serves
/// there. Held by descriptors; the kernel removes it with the last process and socket in it.
final class SandboxNetworks: Sendable {
    private let networks = Mutex<[String: Int32]>([:])

    /// Finds out whether this process may make any.
    init() throws(Errno) {
        ce_close(try Errno.check(ce_network_make(), "making a network namespace"))
    }

    /// Makes one, listens in it at the addresses of each kind, and lets go of it; returns what works, in words.
    static func tryOut() throws(Errno) -> String {
        let networks = try SandboxNetworks()
        defer { networks.remove("trial") }
        let kinds = [
            InsideAddress(address: "127.0.1.1", port: 1),
            InsideAddress(address: "192.0.2.1", port: 1, isForeign: true),
            InsideAddress(address: "2001:db8::1", port: 1, isForeign: true),
        ]
        let made = try networks.listen("trial", kinds)
        for case .success(let listener) in made { ce_close(listener) }
        for listener in made.prefix(2) { _ = try listener.get() }
        guard case .success = made[2] else {
            return "network: none, listed and proxy work; IPv6 addresses cannot be shown inside"
        }
        return "network: none, listed and proxy work"
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

    /// Listeners inside, for the gateway to serve: one for each address, or why there is none.
    func listen(_ sandbox: String, _ addresses: [InsideAddress]) throws(Errno) -> [Result<Int32, Errno>] {
        let network = try descriptor(of: sandbox)
        let texts = addresses.map { strdup($0.address) }
        defer { for text in texts { free(text) } }
        var wanted = zip(addresses, texts).map { address, text in
            ce_inside(
                address: text, port: Int32(clamping: address.port), adds_address: address.isForeign ? 1 : 0,
                result: -EINVAL)
        }
        try Errno.check(
            ce_network_listen(
                network, &wanted, Int32(clamping: wanted.count), Int32(SandboxLimits.insideBacklog)),
            "entering the network of a sandbox")
        return zip(addresses, wanted).map { address, made in
            made.result >= 0
                ? .success(made.result)
                : .failure(Errno(made.result, "listening at \(address.address):\(address.port) in a sandbox"))
        }
    }

    func remove(_ sandbox: String) {
        guard let network = networks.withLock({ $0.removeValue(forKey: sandbox) }) else { return }
        ce_close(network)
    }
}
