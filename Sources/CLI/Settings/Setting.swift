import Gateway
import Sandbox
import System
import Telemetry

/// A value that a setting cannot take; `message` continues "NAME: ".
struct SettingMistake: Error, Equatable {
    var message: String
}

/// One setting: its name as a flag, in the environment (`MCP_GATEWAY_<NAME>`) and in the file, and how its text
/// is read. A value that is a list is read item by item.
struct Setting: Sendable {
    typealias Read =
        @Sendable (_ text: String, _ folder: String?, _ into: inout Settings) throws(SettingMistake) -> Void

    let name: String
    let isList: Bool
    /// `folder`: what relative paths start from; nil leaves them to the working directory.
    let read: Read

    var environmentName: String { "MCP_GATEWAY_" + name.uppercased().replacing("-", with: "_") }

    private static func one(_ name: String, _ read: @escaping Read) -> Setting {
        Setting(name: name, isList: false, read: read)
    }

    private static func list(_ name: String, _ read: @escaping Read) -> Setting {
        Setting(name: name, isList: true, read: read)
    }

    static func named(_ name: String) -> Setting? { all.first { $0.name == name } }

    /// Everything but what has a form of its own in the file: `tls` and `limits`.
    static let all: [Setting] = general + ResourceLimit.allCases.map(resource)

    private static func resource(_ limit: ResourceLimit) -> Setting {
        one(limit.rawValue) { (text, _, settings) throws(SettingMistake) in
            settings.resources[limit] = try ResourceSetting.read(text, limit)
        }
    }

    private static let general: [Setting] = [
        list("listen") { (text, _, settings) throws(SettingMistake) in
            let address = try SettingValue.address(text)
            guard settings.listen?.contains(address) != true else {
                throw SettingMistake(message: "\(address) is there twice")
            }
            settings.listen = (settings.listen ?? []) + [address]
        },
        one("admin-listen") { (text, _, settings) throws(SettingMistake) in
            settings.adminListen = text == "none" ? .off : .at(try SettingValue.address(text))
        },
        one("public-url") { (text, _, settings) throws(SettingMistake) in
            settings.publicURL = try SettingValue.origin(text)
        },
        one("domain") { (text, _, settings) throws(SettingMistake) in
            settings.domain = try SettingValue.domain(text)
        },
        one("workers") { (text, _, settings) throws(SettingMistake) in
            settings.workers = try SettingValue.number(text, in: 0...SettingValue.workersMax)
        },
        one("poller") { (text, _, settings) throws(SettingMistake) in
            settings.poller = try SettingValue.choice(text)
        },
        one("state-dir") { (text, folder, settings) throws(SettingMistake) in
            settings.stateDirectory = try SettingValue.path(text, from: folder)
        },
        one("isolation") { (text, _, settings) throws(SettingMistake) in
            settings.isolation = try SettingValue.choice(text)
        },
        one("network") { (text, _, settings) throws(SettingMistake) in
            settings.network = try SettingValue.network(text)
        },
        list("egress-hosts") { (text, _, settings) throws(SettingMistake) in
            settings.egressHosts = (settings.egressHosts ?? []) + [try SettingValue.egressHost(text)]
        },
        list("allow-private-egress") { (text, _, settings) throws(SettingMistake) in
            var hosts = settings.allowedPrivateHosts ?? PrivateHosts()
            try SettingValue.addPrivateHost(text, to: &hosts)
            settings.allowedPrivateHosts = hosts
        },
        one("api-key-file") { (text, folder, settings) throws(SettingMistake) in
            settings.apiKeyFile = try SettingValue.path(text, from: folder)
        },
        one("tls-cert") { (text, folder, settings) throws(SettingMistake) in
            settings.tlsCertificate = try SettingValue.path(text, from: folder)
        },
        one("tls-key") { (text, folder, settings) throws(SettingMistake) in
            settings.tlsKey = try SettingValue.path(text, from: folder)
        },
        one("log-level") { (text, _, settings) throws(SettingMistake) in
            settings.logLevel = try SettingValue.choice(text)
        },
        one("log-format") { (text, _, settings) throws(SettingMistake) in
            settings.logFormat = try SettingValue.choice(text)
        },
        one("server-idle") { (text, _, settings) throws(SettingMistake) in
            settings.idle = try SettingValue.idle(text)
        },
        list("keep-warm") { (text, _, settings) throws(SettingMistake) in
            settings.keepWarm = (settings.keepWarm ?? []) + [text]
        },
        list("catalogs") { (text, folder, settings) throws(SettingMistake) in
            settings.catalogs = (settings.catalogs ?? []) + [try SettingValue.path(text, from: folder)]
        },
        list("allowed-origins") { (text, _, settings) throws(SettingMistake) in
            let origin = text == "*" ? text : try SettingValue.origin(text)
            settings.allowedOrigins = (settings.allowedOrigins ?? []) + [origin]
        },
        list("allowed-hosts") { (text, _, settings) throws(SettingMistake) in
            settings.allowedHosts = (settings.allowedHosts ?? []) + [try SettingValue.hostName(text)]
        },
        list("allow-private-remotes") { (text, _, settings) throws(SettingMistake) in
            let host = try SettingValue.remoteHost(text)
            settings.allowedPrivateRemotes = (settings.allowedPrivateRemotes ?? []) + [host]
        },
        one("allow-custom-servers") { (text, _, settings) throws(SettingMistake) in
            settings.allowsCustomServers = try SettingValue.truth(text)
        },
    ]
}
