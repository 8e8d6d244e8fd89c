import Wire

/// The four lists of a server.
public enum ListKind: UInt8, Sendable, CaseIterable {
    case tools, prompts, resources, templates

    public init?(_ method: MethodName) {
        switch method {
        case .toolsList: self = .tools
        case .promptsList: self = .prompts
        case .resourcesList: self = .resources
        case .templatesList: self = .templates
        default: return nil
        }
    }

    public var method: MethodName {
        switch self {
        case .tools: .toolsList
        case .prompts: .promptsList
        case .resources: .resourcesList
        case .templates: .templatesList
        }
    }

    /// The member of the result that holds the items.
    public var member: StaticString {
        switch self {
        case .tools: "tools"
        case .prompts: "prompts"
        case .resources: "resources"
        case .templates: "resourceTemplates"
        }
    }

    /// The member of an item that it is addressed by.
    var key: StaticString {
        switch self {
        case .tools, .prompts: "name"
        case .resources: "uri"
        case .templates: "uriTemplate"
        }
    }

    var keyBytesMax: Int {
        switch self {
        case .tools, .prompts: MCPLimits.originalNameBytesMax
        case .resources, .templates: MCPLimits.resourceURIBytesMax
        }
    }
}
