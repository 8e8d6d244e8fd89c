import MCP

/// What of the configuration the loops look at while they serve: each holds its own copy, which a reload
/// replaces between two turns.
struct Settings: Sendable {
    let access: Access
    let limits: GatewayConfiguration.AdjustableLimits
    /// Hosts (`host` or `host:port`) that a remote server may be at although its address is not a public one.
    let allowedPrivateRemotes: Set<String>
    /// What every sandbox with `listed` or `proxy` may reach, and which private hosts one may that names them.
    let egressHosts: [HostPattern]
    let privateHosts: PrivateHosts
    /// SHA-256 of each API key, and the name that owns what the key creates.
    let apiKeys: [(digest: [UInt8], name: String)]

    init(_ configuration: GatewayConfiguration) {
        access = Access(configuration: configuration)
        limits = configuration.limits
        allowedPrivateRemotes = Set(configuration.allowedPrivateRemotes.map { $0.lowercased() })
        egressHosts = configuration.egressHosts
        privateHosts = configuration.allowedPrivateHosts
        apiKeys = configuration.apiKeys.map { key in
            (key.key.withRawUTF8 { Digest.sha256($0) }, key.name)
        }
    }
}
