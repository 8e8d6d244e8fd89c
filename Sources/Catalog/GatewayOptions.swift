import System
import Wire

/// Whose tools get the server's name in front of their own.
public enum PrefixChoice: String, Sendable, CaseIterable {
    case always
    case onCollision = "on-collision"
    case none
}

/// What a caller decides about a sandbox as a whole, in the reserved member `$gateway` of `mcp`.
public struct GatewayOptions: Sendable, Equatable {
    static let member = "$gateway"

    public var prefix: PrefixChoice = .always
    /// Globs over exposed tool names; nil shows all.
    public var include: [String]?
    /// Globs of tools that are not shown, whatever `include` says.
    public var exclude: [String] = []
    /// By the servers' names in `mcp`.
    public var servers: [String: ServerOptions] = [:]
    /// What the sandbox and its servers may use.
    public var resources = ResourceLimits()

    /// Hosts that the sandbox's servers may reach besides those that their settings name, as `host:port`; `*.` in
    /// front means every name below.
    public var hosts: [String] = []
    /// What its servers reach; nil: what the operator gives. Fixed when the sandbox is made.
    public var network: NetworkChoice?
    /// Of servers that say nothing of their own.
    public var idle = IdleChoice()
    /// By the servers' names in `mcp`.
    var idleOfServers: [String: IdleChoice] = [:]

    public init() {}

    private static let members =
        ["prefix", "tools", "servers", "limits", "hosts", "network"] + IdleChoice.members

    /// Reads `{"prefix": …, "tools": {"include": […], "exclude": […]}, "servers": {name: {…}}, "limits": {…},
    /// "hosts": […], "network": …, "idleSeconds": …, "keepWarm": …}`; what is wrong in it goes to `mistakes`.
    init(reading value: JSONValue, _ policy: PlanPolicy, _ mistakes: inout [ConfigurationError]) {
        resources = policy.resources.standard
        guard let object = value.objectValue else {
            mistakes.append(.init(Self.member, reason: "must be an object, not \(value.kindName)"))
            return
        }
        for member in object {
            switch member.name {
            case "prefix": readPrefix(member.value, &mistakes)
            case "tools": readTools(member.value, &mistakes)
            case "servers": readServers(member.value, policy, &mistakes)
            case "limits":
                let reader = ResourceReader(policy: policy.resources, property: "limits")
                resources = resources.with(reader.read(member.value, &mistakes))
            case "hosts": readHosts(member.value, &mistakes)
            case "network": readNetwork(member.value, policy, &mistakes)
            case "idleSeconds", "keepWarm": idle.read(member, member.name, policy.idle, &mistakes)
            default:
                let near = Nearest.of(member.name, in: Self.members, limit: 1)
                mistakes.append(
                    .init(Self.member, member.name, reason: "unknown option" + Nearest.question(near)))
            }
        }
    }

    private mutating func readPrefix(_ value: JSONValue, _ mistakes: inout [ConfigurationError]) {
        guard let choice = value.stringValue.flatMap(PrefixChoice.init(rawValue:)) else {
            let all = PrefixChoice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            mistakes.append(.init(Self.member, "prefix", reason: "must be one of \(all)"))
            return
        }
        prefix = choice
    }

    private mutating func readTools(_ value: JSONValue, _ mistakes: inout [ConfigurationError]) {
        guard let object = value.objectValue else {
            mistakes.append(
                .init(Self.member, "tools", reason: "must be an object, not \(value.kindName)"))
            return
        }
        for member in object {
            let property = "tools.\(member.name)"
            switch member.name {
            case "include":
                include = patterns(member.value, property, &mistakes)
                // Everything or nothing? Neither guess is safe.
                if include?.isEmpty == true {
                    mistakes.append(
                        .init(Self.member, property, reason: "is empty; leave it out to show every tool"))
                }
            case "exclude": exclude = patterns(member.value, property, &mistakes) ?? []
            default:
                let near = Nearest.of(member.name, in: ["include", "exclude"], limit: 1)
                mistakes.append(
                    .init(Self.member, property, reason: "unknown option" + Nearest.question(near)))
            }
        }
    }

    private mutating func readServers(
        _ value: JSONValue, _ policy: PlanPolicy, _ mistakes: inout [ConfigurationError]
    ) {
        guard let object = value.objectValue else {
            mistakes.append(
                .init(Self.member, "servers", reason: "must be an object, not \(value.kindName)"))
            return
        }
        for member in object.members.prefix(CatalogLimits.serversMax) {
            var own = IdleChoice()
            servers[member.name] = ServerOptions(
                reading: member.value, of: member.name, policy, idle: &own, &mistakes)
            idleOfServers[member.name] = own
        }
    }

    private mutating func readNetwork(
        _ value: JSONValue, _ policy: PlanPolicy, _ mistakes: inout [ConfigurationError]
    ) {
        func mistake(_ reason: String) {
            mistakes.append(.init(Self.member, "network", reason: reason))
        }
        guard let choice = value.stringValue.flatMap(NetworkChoice.init(rawValue:)) else {
            let all = NetworkChoice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            return mistake("must be one of \(all)")
        }
        let most = policy.network.maximum
        guard choice <= most else {
            return mistake(
                "\"\(choice.rawValue)\" is more than this gateway's operator allows, which is "
                    + "\"\(most.rawValue)\"")
        }
        if choice != .host, let obstacle = policy.networkObstacle {
            return mistake("\"\(choice.rawValue)\" cannot be had here: \(obstacle)")
        }
        network = choice
    }

    private mutating func readHosts(_ value: JSONValue, _ mistakes: inout [ConfigurationError]) {
        let most = CatalogLimits.hostsMax
        guard let elements = value.arrayValue, elements.count <= most else {
            mistakes.append(
                .init(Self.member, "hosts", reason: "must be an array of at most \(most) hosts"))
            return
        }
        for (index, element) in elements.enumerated() {
            guard let text = element.stringValue, Names.isHostPattern(text) else {
                mistakes.append(
                    .init(
                        Self.member, "hosts[\(index)]",
                        reason: "must be HOST:PORT such as api.example.com:443, or *.example.com:443"))
                continue
            }
            hosts.append(text.lowercased())
        }
    }

    private func patterns(
        _ value: JSONValue, _ property: String, _ mistakes: inout [ConfigurationError]
    ) -> [String]? {
        let most = CatalogLimits.patternsMax
        guard let elements = value.arrayValue, elements.count <= most else {
            mistakes.append(
                .init(Self.member, property, reason: "must be an array of at most \(most) tool name patterns")
            )
            return nil
        }
        let texts = elements.compactMap(\.stringValue)
        let areSound = texts.allSatisfy {
            !$0.isEmpty && $0.utf8.count <= CatalogLimits.patternBytesMax && !$0.utf8.contains(0)
        }
        guard texts.count == elements.count, areSound else {
            mistakes.append(
                .init(
                    Self.member, property,
                    reason: "each pattern must be a string of 1 to \(CatalogLimits.patternBytesMax) bytes"))
            return nil
        }
        return texts
    }
}
