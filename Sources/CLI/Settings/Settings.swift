import Gateway
import Sandbox
import System
import Telemetry

/// What one source (flags, environment, file) says; nil where it says nothing.
struct Settings: Sendable, Equatable {
    enum AdminListen: Sendable, Equatable {
        /// No admin listener.
        case off
        case at(GatewayConfiguration.Address)
    }

    var listen: [GatewayConfiguration.Address]?
    var adminListen: AdminListen?
    var publicURL: String?
    var domain: String?
    var workers: Int?
    var poller: PollerChoice?
    var stateDirectory: String?
    var isolation: IsolationChoice?
    var network: NetworkPolicy?
    var egressHosts: [HostPattern]?
    var allowedPrivateHosts: PrivateHosts?
    var apiKeyFile: String?
    var tlsCertificate: String?
    var tlsKey: String?
    var certificates: [GatewayConfiguration.Certificate]?
    var logLevel: LogLevel?
    var logFormat: LogFormat?
    var catalogs: [String]?
    var allowedOrigins: [String]?
    var allowedHosts: [String]?
    var allowedPrivateRemotes: [String]?
    var allowsCustomServers: Bool?
    var limits: GatewayConfiguration.AdjustableLimits?
    var resources: [ResourceLimit: ResourceSetting] = [:]
    var idle: IdlePolicy?
    var keepWarm: [String]?

    /// These settings, and for what they do not say, those of `base`.
    func over(_ base: Settings) -> Settings {
        var merged = Settings()
        merged.listen = listen ?? base.listen
        merged.adminListen = adminListen ?? base.adminListen
        merged.publicURL = publicURL ?? base.publicURL
        merged.domain = domain ?? base.domain
        merged.workers = workers ?? base.workers
        merged.poller = poller ?? base.poller
        merged.stateDirectory = stateDirectory ?? base.stateDirectory
        merged.isolation = isolation ?? base.isolation
        merged.network = network ?? base.network
        merged.egressHosts = egressHosts ?? base.egressHosts
        merged.allowedPrivateHosts = allowedPrivateHosts ?? base.allowedPrivateHosts
        merged.apiKeyFile = apiKeyFile ?? base.apiKeyFile
        merged.tlsCertificate = tlsCertificate ?? base.tlsCertificate
        merged.tlsKey = tlsKey ?? base.tlsKey
        merged.certificates = certificates ?? base.certificates
        merged.logLevel = logLevel ?? base.logLevel
        merged.logFormat = logFormat ?? base.logFormat
        merged.catalogs = catalogs ?? base.catalogs
        merged.allowedOrigins = allowedOrigins ?? base.allowedOrigins
        merged.allowedHosts = allowedHosts ?? base.allowedHosts
        merged.allowedPrivateRemotes = allowedPrivateRemotes ?? base.allowedPrivateRemotes
        merged.allowsCustomServers = allowsCustomServers ?? base.allowsCustomServers
        merged.limits = limits ?? base.limits
        merged.idle = idle ?? base.idle
        merged.keepWarm = keepWarm ?? base.keepWarm
        merged.resources = base.resources.merging(resources) { $1 }
        return merged
    }
}
