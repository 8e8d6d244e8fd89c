import Wire

/// One entry of a catalog: how a server is called, what it may be told, and how it is run or reached.
public struct CatalogServer: Sendable {
    public enum Status: String, Sendable, CaseIterable {
        case active
        /// No longer maintained by its makers.
        case archived
        /// Its image or endpoint comes from an older source and may be gone.
        case unverified
    }

    public struct OAuth: Sendable, Equatable {
        public var provider: String
        /// The property that holds a token that the user brings.
        public var tokenProperty: String
    }

    public var key: String
    public var aliases: [String]
    public var title: String
    public var category: String
    public var tags: [String]
    public var summary: String
    public var status: Status
    public var homepage: String?
    public var documentation: String?
    public var properties: [ConfigProperty]
    /// At least one of these sets of properties must be given whole; empty when there is no such rule.
    public var requireAnyOf: [[String]]
    public var oauth: OAuth?
    var ways: Ways
    /// The entry's own JSON text.
    var text: [UInt8]

    /// The entry as its file has it, unknown fields and all.
    public var json: JSONValue { (try? JSONValue.parse(text)) ?? .null }

    /// How it can be run or reached, in no order of preference.
    public var runtimes: [Runtime] { Runtime.allCases.filter(ways.offers) }

    /// Each tool call of it runs one container; there is no server to start.
    public var hasContainerTools: Bool { ways.hasContainerTools }

    /// By name or alias, exactly.
    public func property(_ nameOrAlias: String) -> ConfigProperty? {
        properties.first { $0.name == nameOrAlias } ?? properties.first { $0.aliases.contains(nameOrAlias) }
    }
}

/// An argument of a program, before settings are filled in.
enum Argument: Sendable, Equatable {
    case one(Template)
    /// Left out or repeated as a whole.
    case group([Template])
    /// Only when the boolean property is true.
    case when(String, [Template])

    func filled(_ settings: Settings) -> [String] {
        switch self {
        case .one(let template): template.repeated(settings)
        case .group(let templates): Template.repeated(templates, settings).flatMap(\.self)
        case .when(let flag, let templates):
            settings[flag] == .flag(true) ? templates.flatMap { $0.repeated(settings) } : []
        }
    }

    var references: [String] {
        switch self {
        case .one(let template): template.references
        case .group(let templates): templates.flatMap(\.references)
        case .when(let flag, let templates): [flag] + templates.flatMap(\.references)
        }
    }
}

/// An environment variable or a header, before settings are filled in.
struct NamedTemplate: Sendable, Equatable {
    var name: String
    var template: Template
}

/// Everything an entry says about running or reaching its server.
struct Ways: Sendable {
    /// A program and what it is told.
    struct Launch: Sendable {
        var arguments: [Argument] = []
        var environment: [NamedTemplate] = []

        var references: [String] {
            arguments.flatMap(\.references) + environment.flatMap(\.template.references)
        }
    }

    struct Package: Sendable {
        var name: String
        /// Empty: the newest.
        var version = ""
        var command: String?
        var launch = Launch()
        var requiresPython: String?
        var constraints: [String] = []
        var overrides: [String] = []
        /// The same program as the image's, so that what is known of its network holds.
        var isSameProgram = true
    }

    struct Volume: Sendable {
        var kind: ContainerImage.Volume.Kind
        var source: Template
        var target: Template
        var readOnly: Bool
    }

    enum Network: Sendable, Equatable {
        /// No restriction known.
        case any
        case none
        case hosts([String])
    }

    struct Image: Sendable {
        var reference: String
        var launch = Launch()
        var volumes: [Volume] = []
        var user: Template?
        var network = Network.any
    }

    struct Remote: Sendable {
        var transport: RemoteEndpoint.Transport
        var url: Template
        var headers: [NamedTemplate] = []
    }

    var pypi: Package?
    var npm: Package?
    var oci: Image?
    var remote: Remote?
    var hasContainerTools = false

    func offers(_ runtime: Runtime) -> Bool {
        switch runtime {
        case .pypi: pypi != nil
        case .npm: npm != nil
        case .oci: oci != nil
        case .remote: remote != nil
        }
    }

    /// Names of the properties that one way refers to.
    func references(_ runtime: Runtime) -> [String] {
        switch runtime {
        case .pypi: return pypi?.launch.references ?? []
        case .npm: return npm?.launch.references ?? []
        case .oci:
            guard let oci else { return [] }
            let volumes = oci.volumes.flatMap { $0.source.references + $0.target.references }
            return oci.launch.references + volumes + (oci.user?.references ?? [])
        case .remote:
            return (remote?.url.references ?? []) + (remote?.headers.flatMap(\.template.references) ?? [])
        }
    }
}
