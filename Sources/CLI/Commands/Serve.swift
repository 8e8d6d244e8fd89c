import ArgumentParser
import Gateway
import Glibc
import Telemetry

/// `serve`: the gateway itself, until SIGTERM or SIGINT.
struct Serve: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the gateway until SIGTERM or Ctrl-C.",
        discussion: """
            Every flag can also be given as MCP_GATEWAY_<FLAG> in the environment (MCP_GATEWAY_LISTEN=…) and by its \
            name in a YAML file; a flag wins over the environment, that over the file. SIGHUP reads configuration, \
            catalogs and certificates again.

              mcp-gateway serve
              mcp-gateway serve --listen 0.0.0.0:8080 --public-url https://mcp.example.com --api-key-file /etc/keys
              MCP_GATEWAY_WORKERS=4 mcp-gateway serve --config /etc/mcp-gateway/config.yaml

            Without --api-key-file the first start makes a key in the state directory and prints its path.
            """)

    @OptionGroup var flags: ServeFlags

    func run() throws {
        let sources = try flags.sources()
        let settings = try sources.settings()
        Self.blockSignals()
        Log.configure(level: settings.logLevel ?? .info, format: settings.logFormat ?? .text)
        defer { Log.flush() }
        let (configuration, catalog) = try sources.load()
        let code = try GatewayServer.run(configuration, catalog: catalog) { try sources.load() }
        if code != 0 { throw ExitCode(code) }
    }

    /// The gateway waits for them on its main thread; threads that start before it must not take them.
    private static func blockSignals() {
        var set = sigset_t()
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }
}

/// The flags of `serve`, as text: one table reads flags, environment and file.
struct ServeFlags: ParsableArguments {
    @Option(help: .init("YAML file with settings; see check-config.", valueName: "file"))
    var config: String?

    @Option(
        parsing: .singleValue,
        help: .init("Address for clients; repeatable. (default: 127.0.0.1:8080)", valueName: "host:port"))
    var listen: [String] = []

    @Option(
        help: .init(
            "Address for metrics and health checks, or none. (default: 127.0.0.1:9090)",
            valueName: "host:port"))
    var adminListen: String?

    @Option(help: .init("How clients reach the gateway. (default: the first --listen)", valueName: "url"))
    var publicURL: String?

    @Option(help: .init("Sandboxes answer at 50005-<id>.<domain> too.", valueName: "domain"))
    var domain: String?

    @Option(help: .init("Event loops; 0 is one per core. (default: 0)", valueName: "n"))
    var workers: String?

    @Option(
        help: .init(
            "Kernel interface of the event loops; auto is io_uring where the host has it. (default: auto)",
            valueName: "auto|epoll|io_uring"))
    var poller: String?

    @Option(help: .init("Key, packages and sandboxes. (default: \(StateDirectory.shown))", valueName: "dir"))
    var stateDir: String?

    @Option(
        help: .init(
            "How servers are kept apart; auto is bubblewrap or an error. (default: auto)",
            valueName: "auto|bubblewrap|none"))
    var isolation: String?

    @Option(
        help: .init(
            "What servers reach: their sandbox's endpoint alone, listed hosts too, the web too, or all that this "
                + "host does; listed..proxy is a default and what a sandbox may ask for. (default: proxy as root, else host)",
            valueName: "none|listed|proxy|host"))
    var network: String?

    @Option(
        parsing: .singleValue,
        help: .init("What servers of every sandbox may reach; repeatable.", valueName: "host:port"))
    var egressHosts: [String] = []

    @Option(
        parsing: .singleValue,
        help: .init(
            "A private host or range that servers may reach whose configuration names it; repeatable.",
            valueName: "host[:port]|range"))
    var allowPrivateEgress: [String] = []

    @Option(help: .init("A line NAME KEY for each API key; NAME owns what KEY creates.", valueName: "file"))
    var apiKeyFile: String?

    @Option(help: .init("Certificate chain for TLS, PEM; with --tls-key.", valueName: "file"))
    var tlsCert: String?

    @Option(help: .init("Private key for TLS, PEM; with --tls-cert.", valueName: "file"))
    var tlsKey: String?

    @Option(help: .init("How much is logged. (default: info)", valueName: "error|warning|info|debug"))
    var logLevel: String?

    @Option(help: .init("Form of log lines on stderr. (default: text)", valueName: "text|json"))
    var logFormat: String?

    @Option(
        help: .init(
            "Seconds without use after which a server is stopped until its next call, or never; 600..3600 is a "
                + "default and what a sandbox may ask for. (default: 1800..never)",
            valueName: "s"))
    var serverIdle: String?

    @Option(
        parsing: .singleValue,
        help: .init("A catalog server that is not stopped when idle; repeatable.", valueName: "key"))
    var keepWarm: [String] = []

    @OptionGroup var resources: ResourceFlags

    func validate() throws {
        _ = try settings()
        if (tlsCert == nil) != (tlsKey == nil) {
            throw ValidationError("--tls-cert and --tls-key come together.")
        }
    }

    func sources() throws -> SettingSources {
        SettingSources(flags: try settings(), configurationFile: config, environment: .current)
    }

    private func settings() throws -> Settings {
        var settings = Settings()
        var given: [(String, [String?])] = [
            ("listen", listen), ("admin-listen", [adminListen]), ("public-url", [publicURL]),
            ("domain", [domain]), ("workers", [workers]), ("poller", [poller]), ("state-dir", [stateDir]),
            ("isolation", [isolation]), ("network", [network]), ("egress-hosts", egressHosts),
            ("server-idle", [serverIdle]), ("keep-warm", keepWarm),
            ("allow-private-egress", allowPrivateEgress), ("api-key-file", [apiKeyFile]),
            ("tls-cert", [tlsCert]),
            ("tls-key", [tlsKey]), ("log-level", [logLevel]), ("log-format", [logFormat]),
        ]
        given += resources.given.map { ($0.rawValue, [$1]) }
        for (name, values) in given {
            for value in values.compactMap({ $0 }) {
                do throws(SettingMistake) {
                    try Setting.named(name)?.read(value, nil, &settings)
                } catch {
                    throw ValidationError("--\(name): \(error.message)")
                }
            }
        }
        return settings
    }
}
