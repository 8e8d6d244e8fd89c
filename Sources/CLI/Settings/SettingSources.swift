import Catalog
import Gateway
import Sandbox
import System
import Telemetry

/// Where the settings of one start come from; read again whole for a reload.
struct SettingSources: Sendable {
    /// What the flags say; they were checked when they were parsed.
    var flags: Settings
    var configurationFile: String?
    var environment: Environment

    /// Flags over environment over file.
    func settings() throws -> Settings {
        let file = try (configurationFile ?? environment["MCP_GATEWAY_CONFIG"]).map(Self.file)
        return flags.over(try Self.read(environment)).over(file ?? Settings())
    }

    static func file(_ path: String) throws -> Settings {
        try SettingsFile.parse(try contents(path, limit: SettingsFile.bytesMax), file: path)
    }

    private static func read(_ environment: Environment) throws(CommandFailure) -> Settings {
        var settings = Settings()
        for setting in Setting.all {
            guard let value = environment[setting.environmentName] else { continue }
            let items =
                setting.isList ? value.split { $0 == "," || $0.isWhitespace }.map(String.init) : [value]
            for item in items {
                do throws(SettingMistake) {
                    try setting.read(item, nil, &settings)
                } catch {
                    throw CommandFailure("\(setting.environmentName): \(error.message)")
                }
            }
        }
        return settings
    }

    // MARK: What they come to

    /// The configuration of the gateway and the catalog; makes the API key of the first start.
    func load() throws -> (GatewayConfiguration, ServerCatalog) {
        let settings = try settings()
        let catalog = try Self.catalog(settings.catalogs ?? [])
        var configuration = try Self.configuration(settings, environment)
        configuration.keepWarm = try Self.keys(settings.keepWarm ?? [], in: catalog)
        let files = [configurationFile ?? environment["MCP_GATEWAY_CONFIG"], settings.apiKeyFile]
        configuration.hiddenPaths += files.compactMap { $0 }
        return (configuration, catalog)
    }

    private static func configuration(
        _ settings: Settings, _ environment: Environment
    ) throws -> GatewayConfiguration {
        var configuration = GatewayConfiguration()
        if let listen = settings.listen { configuration.listen = listen }
        switch settings.adminListen {
        case nil: break
        case .off: configuration.adminListen = nil
        case .at(let address): configuration.adminListen = address
        }
        configuration.publicURL = settings.publicURL
        configuration.domain = settings.domain ?? configuration.domain
        configuration.workers = settings.workers ?? configuration.workers
        configuration.poller = settings.poller ?? configuration.poller
        configuration.stateDirectory = settings.stateDirectory ?? StateDirectory.standard(environment)
        configuration.isolation = settings.isolation ?? configuration.isolation
        configuration.network = settings.network ?? configuration.network
        configuration.egressHosts = settings.egressHosts ?? []
        configuration.allowedPrivateHosts = settings.allowedPrivateHosts ?? configuration.allowedPrivateHosts
        configuration.certificates = try certificates(settings)
        configuration.hiddenPaths = configuration.certificates.map(\.keyFile)
        configuration.allowedOrigins = settings.allowedOrigins ?? []
        configuration.allowedHosts = settings.allowedHosts ?? []
        configuration.allowedPrivateRemotes = settings.allowedPrivateRemotes ?? []
        configuration.allowsCustomServers = settings.allowsCustomServers
        configuration.limits = settings.limits ?? configuration.limits
        configuration.resources = ResourcePolicy(settings.resources)
        configuration.idle = settings.idle ?? configuration.idle
        if let file = settings.apiKeyFile {
            configuration.apiKeys = try OperatorKeys.read(file: file)
        } else {
            configuration.apiKeys = [try OperatorKeys.generated(in: configuration.stateDirectory)]
        }
        return configuration
    }

    /// The pair of the flags first, which makes it the default certificate, then those of the file.
    static func certificates(_ settings: Settings) throws -> [GatewayConfiguration.Certificate] {
        var pairs = settings.certificates ?? []
        switch (settings.tlsCertificate, settings.tlsKey) {
        case (nil, nil): break
        case (let certificate?, let key?):
            pairs.insert(.init(certificateFile: certificate, keyFile: key), at: 0)
        default: throw CommandFailure("--tls-cert and --tls-key come together; one of them is missing")
        }
        for file in pairs.flatMap({ [$0.certificateFile, $0.keyFile] }) where !Files.isFile(file) {
            throw CommandFailure("\(file): no such file; it was given as a TLS certificate or key")
        }
        return pairs
    }

    /// The keys of servers that `keep-warm` names.
    static func keys(_ names: [String], in catalog: ServerCatalog) throws(CommandFailure) -> Set<String> {
        var keys: Set<String> = []
        for name in names {
            guard let server = catalog.find(name) else {
                let near = Nearest.question(catalog.nearest(name, limit: 1))
                throw CommandFailure("keep-warm: \(name) is not in the catalog\(near)")
            }
            keys.insert(server.key)
        }
        return keys
    }

    /// The catalog in the program, with the operator's files over it in their order.
    static func catalog(_ files: [String]) throws -> ServerCatalog {
        try files.reduce(try parsed(ServerCatalog.builtIn)) { $0.adding(try catalogFile($1)) }
    }

    /// Bytes of a catalog file; the built-in one has half a megabyte.
    static let catalogBytesMax = 32 << 20

    static func catalogFile(_ file: String) throws -> ServerCatalog {
        let bytes = try contents(file, limit: catalogBytesMax)
        return try parsed { () throws(CatalogError) in try ServerCatalog(parsing: bytes, file: file) }
    }

    private static func parsed(_ parse: () throws(CatalogError) -> ServerCatalog) throws -> ServerCatalog {
        do throws(CatalogError) {
            return try parse()
        } catch {
            throw CommandFailure(error.mistakes.joined(separator: "\n"))
        }
    }

    /// A file that the operator named.
    static func contents(_ file: String, limit: Int) throws(CommandFailure) -> [UInt8] {
        do throws(Errno) {
            return try Files.read(file, limit: limit)
        } catch {
            throw CommandFailure("\(file): \(error.reason)")
        }
    }
}
