import System
import Wire

/// In which revisions of MCP a server is spoken to.
public enum ProtocolEra: String, Sendable, CaseIterable {
    /// The server is asked; 2026-07-28 when it speaks that.
    case auto
    case modern
    case legacy
    /// A process for the clients of each: for servers whose tools ask their client in one of them only.
    case mirror
}

/// Whether a server of the older revisions is given processes that may ask their client.
public enum Interactivity: String, Sendable, CaseIterable {
    /// When it has shown that it wants to and could not.
    case auto
    case always
    case never
}

/// What a caller decides about one server, whatever kind it is: a member of `$gateway`'s `servers`.
public struct ServerOptions: Sendable, Equatable {
    public var era = ProtocolEra.auto
    public var interactive = Interactivity.auto
    /// What it may use, where that is not what its sandbox's other servers may.
    public var limits: [ResourceLimit: UInt64] = [:]
    /// It reaches nothing at all, whatever the sandbox's other servers reach.
    public var isOffline = false

    public init(era: ProtocolEra = .auto, interactive: Interactivity = .auto) {
        self.era = era
        self.interactive = interactive
    }

    private static let members =
        ["era", "interactive", "limits", "network"] + IdleChoice.members

    /// Reads `{"era": …, "interactive": …, "limits": {…}, "network": "none"}`; what is wrong in it goes to `mistakes`.
    /// Its rest is not one of them, as that does not change how it is started.
    init(
        reading value: JSONValue, of server: String, _ policy: PlanPolicy, idle: inout IdleChoice,
        _ mistakes: inout [ConfigurationError]
    ) {
        self.init()
        let property = "servers.\(server)"
        guard let object = value.objectValue else {
            mistakes.append(
                .init(GatewayOptions.member, property, reason: "must be an object, not \(value.kindName)"))
            return
        }
        for member in object {
            let property = "\(property).\(member.name)"
            switch member.name {
            case "era": Self.read(member.value, into: &era, property, &mistakes)
            case "interactive": Self.read(member.value, into: &interactive, property, &mistakes)
            case "limits":
                let reader = ResourceReader(policy: policy.resources, property: property, isOfServer: true)
                limits = reader.read(member.value, &mistakes)
            case "network": readNetwork(member.value, property, policy, &mistakes)
            case "idleSeconds", "keepWarm": idle.read(member, property, policy.idle, &mistakes)
            default:
                let near = Nearest.of(member.name, in: Self.members, limit: 1)
                mistakes.append(
                    .init(GatewayOptions.member, property, reason: "unknown option" + Nearest.question(near)))
            }
        }
    }

    private mutating func readNetwork(
        _ value: JSONValue, _ property: String, _ policy: PlanPolicy,
        _ mistakes: inout [ConfigurationError]
    ) {
        func mistake(_ reason: String) {
            mistakes.append(.init(GatewayOptions.member, property, reason: reason))
        }
        guard value.stringValue == NetworkChoice.none.rawValue else {
            return mistake(
                "must be \"none\"; a server that is given no other has the network of its sandbox, which is "
                    + "\(GatewayOptions.member).network")
        }
        guard policy.isIsolated else { return mistake("cannot be had here: servers have no jails") }
        isOffline = true
    }

    private static func read<Choice: RawRepresentable & CaseIterable>(
        _ value: JSONValue, into choice: inout Choice, _ property: String,
        _ mistakes: inout [ConfigurationError]
    ) where Choice.RawValue == String {
        guard let chosen = value.stringValue.flatMap(Choice.init(rawValue:)) else {
            let all = Choice.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
            mistakes.append(.init(GatewayOptions.member, property, reason: "must be one of \(all)"))
            return
        }
        choice = chosen
    }
}
