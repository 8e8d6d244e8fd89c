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

    public init(era: ProtocolEra = .auto, interactive: Interactivity = .auto) {
        self.era = era
        self.interactive = interactive
    }

    /// Reads `{"era": …, "interactive": …}`; what is wrong in it goes to `mistakes`.
    init(reading value: JSONValue, of server: String, _ mistakes: inout [ConfigurationError]) {
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
            default:
                let near = Nearest.of(member.name, in: ["era", "interactive"], limit: 1)
                mistakes.append(
                    .init(GatewayOptions.member, property, reason: "unknown option" + Nearest.question(near)))
            }
        }
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
