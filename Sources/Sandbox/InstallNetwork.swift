import CEpollShim
import System

/// The network of code that runs while a package is installed: build scripts, and the install commands that callers
/// bring with a repository. With sandboxes that may not reach all that the host reaches, that code may not either: it
/// has a network namespace in which the gateway serves an HTTP proxy.
final class InstallNetwork: Sendable {
    struct Way: Sendable {
        /// The namespace.
        var descriptor: Int32
        /// Its `/etc/hosts`.
        var hosts: String
        /// In place of what the gateway's environment says of proxies.
        var variables: [(String, String)]
    }

    static let name = "install"

    private let way = Answer<Result<Way, LaunchFailure>>()

    func open(_ result: Result<Way, LaunchFailure>) { way.give(result) }

    /// Waits for the gateway, which opens it when it starts.
    func wait() throws(LaunchFailure) -> Way { try way.wait().get() }
}

extension Workshop {
    /// Whether `openForInstalls` must be called before packages can be installed whose code runs.
    public var guardsInstalls: Bool { packages.network != nil }

    /// What package managers are told by the gateway's environment, such as where packages come from.
    public static var installVariables: [(name: String, value: String)] {
        let mirror = RepositoryRecipe.baseVariable
        let all = InstallEnvironment.variables + [(mirror, Executable.variable(mirror) ?? "")]
        return all.map { (name: $0, value: $1) }
    }

    /// Opens listeners in the network of installations. `done` gets the descriptors, which are its own then, on a
    /// thread of the workshop; those who install wait until it has been called.
    /// - Parameter proxy: variables that lead to the proxy inside, unless the environment has another one.
    public func openForInstalls(
        _ addresses: [InsideAddress], hosts: [(address: String, name: String)], proxy: [(String, String)],
        done: @escaping @Sendable (Result<[Result<Int32, Errno>], LaunchFailure>) -> Void
    ) {
        launches.submit {
            guard let networks = self.networks, let network = self.packages.network else { return }
            do throws(Errno) {
                let lines = hosts.map { "\($0.address) \($0.name)\n" }.joined()
                let file = self.state.installHosts
                try Files.writeAtomically(
                    Array((StateDirectory.hosts + lines).utf8), to: file, mode: 0o644, lasts: false)
                let listeners = try networks.listen(InstallNetwork.name, addresses)
                let descriptor = try networks.descriptor(of: InstallNetwork.name)
                done(.success(listeners))
                network.open(
                    .success(
                        InstallNetwork.Way(
                            descriptor: descriptor, hosts: file,
                            variables: InstallEnvironment.namesProxy ? [] : proxy)))
            } catch {
                let failure = LaunchFailure(
                    message: "There is no network for code that runs while a package is installed: \(error).")
                done(.failure(failure))
                network.open(.failure(failure))
            }
        }
    }
}
