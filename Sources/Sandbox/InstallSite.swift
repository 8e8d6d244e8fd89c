import CEpollShim
import Glibc
import System

/// Where and with what one package is installed: a directory of its own, and tools that run in a jail without
/// the gateway's environment.
struct InstallSite: Sendable {
    /// The package's own directory, empty at the beginning.
    let directory: String
    let store: PackageStore
    let progress: @Sendable (String) -> Void

    /// What packages of this kind share.
    var shelf: String { HostPaths.parent(of: directory) }
    var cache: String { "\(shelf)/\(PackageStore.cacheName)" }

    enum Reach {
        /// The package's directory alone: code of the package may run.
        case package
        /// The packages of its kind and their cache, so that files are linked instead of copied: no code of any
        /// package runs.
        case shelf
    }

    /// Runs a tool to its end.
    /// - Parameters:
    ///   - isCallers: a caller of the API has written the command.
    ///   - reads: further files and directories of the host that it needs.
    func run(
        _ command: [String], reach: Reach, directory: String? = nil, environment: [(String, String)] = [],
        isCallers: Bool = false, reads: [String] = [], seconds: Int = SandboxLimits.installSeconds
    ) throws(LaunchFailure) -> ToolRun.Outcome {
        let name = command.first.map { String($0.split(separator: "/").last ?? "") } ?? ""
        var jail = store.starter.jail()
        jail.directory = directory ?? self.directory
        jail.temporaryBytes = 1 << 30
        let writable = reach == .shelf ? shelf : self.directory
        jail.shares = [HostPaths.Share(named: writable, source: writable, isWritable: true)]
        let outside = (reads + InstallEnvironment.paths).filter { path in
            Files.exists(path) && !HostPaths.systemPlaces.contains { HostPaths.contains($0, path) }
                && !HostPaths.contains("/etc", path)
        }
        for path in Set(outside).sorted() {
            guard let source = try? Files.realPath(path) else { continue }
            jail.shares.append(HostPaths.Share(named: path, source: source, isWritable: false))
        }
        var plan = StartPlan(
            command: command, environment: [], jail: jail, directory: directory ?? self.directory,
            user: store.installer, mark: "install")
        var own: [(String, String)] = []
        if reach == .package, let network = store.network {
            let way = try network.wait()
            own = way.variables
            plan.network = way.descriptor
            plan.jail.hasOwnNetwork = true
            plan.jail.hostsFile = way.hosts
        }
        plan.environment =
            [("PATH", Executable.systemPath), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]
            + (isCallers ? InstallEnvironment.withoutCredentials : InstallEnvironment.variables) + own
            + environment
        plan.limits = store.rlimits
        var run = ToolRun(name: name, plan: plan, seconds: seconds)
        if reach == .package {
            let package = self.directory
            run.excess = { PackageSize(of: package).excess }
        }
        do {
            run.plan.group = try store.groups?.make(sandbox: InstallNetwork.name, store.resources)
            return try run.perform(store.starter)
        } catch {
            run.plan.group?.remove()
            throw LaunchFailure(message: "\(name) could not be run: \(error).")
        }
    }

    func write(_ text: String, to name: String) throws(LaunchFailure) {
        do {
            try Files.writeAtomically(Array(text.utf8), to: "\(directory)/\(name)", mode: 0o644)
        } catch {
            throw LaunchFailure(message: "Writing to the state directory failed: \(error).")
        }
    }
}

/// What of the gateway's environment package managers may see: where packages come from, and how to get there.
/// Everything else, such as API keys, is not theirs.
enum InstallEnvironment {
    private static let names = [
        "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy",
        "all_proxy",
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INSECURE_HOST", "UV_NATIVE_TLS", "UV_SYSTEM_CERTS", "UV_HTTP_TIMEOUT", "UV_KEYRING_PROVIDER",
        "UV_INDEX_STRATEGY", "NPM_CONFIG_REGISTRY", "npm_config_registry", "NPM_CONFIG_CAFILE",
        "npm_config_cafile", "NPM_CONFIG_PROXY", "npm_config_proxy", "NPM_CONFIG_HTTPS_PROXY",
        "npm_config_https_proxy",
    ]
    /// uv does not read pip's variables: what an operator has set for pip is meant for it too.
    private static let fromPip = [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_FIND_LINKS", "UV_FIND_LINKS"),
        ("PIP_TRUSTED_HOST", "UV_INSECURE_HOST"), ("PIP_CERT", "SSL_CERT_FILE"),
        ("PIP_DEFAULT_TIMEOUT", "UV_HTTP_TIMEOUT"),
    ]

    /// The operator's own way out, which is kept.
    static var namesProxy: Bool {
        variables.contains { $0.0.lowercased().hasSuffix("_proxy") && $0.0.lowercased() != "no_proxy" }
    }

    /// The same with URLs that have no user and password in them.
    static var withoutCredentials: [(String, String)] {
        variables.map { name, value in
            (name, value.split(separator: " ").map { stripped(String($0)) }.joined(separator: " "))
        }
    }

    /// From `//` up to the last `@` before the path (RFC 3986 §3.2.1); proxies may be written without a scheme.
    static func stripped(_ url: String) -> String {
        var start = url.startIndex
        if let scheme = url.firstIndex(of: ":"), url[scheme...].hasPrefix("://") {
            start = url.index(scheme, offsetBy: 3)
        }
        let authority = url[start...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
        guard let at = authority.lastIndex(of: "@") else { return url }
        return String(url[..<start] + url[url.index(after: at)...])
    }

    static var variables: [(String, String)] {
        var found = names.compactMap { name in Executable.variable(name).map { (name, $0) } }
        for (pip, uv) in fromPip where !found.contains(where: { $0.0 == uv }) {
            if let value = Executable.variable(pip) { found.append((uv, value)) }
        }
        return found
    }

    /// Files and directories that the variables name.
    static var paths: [String] {
        variables.flatMap { _, value in value.split(separator: " ").map { String($0) } }.filter {
            $0.hasPrefix("/")
        }
    }
}
