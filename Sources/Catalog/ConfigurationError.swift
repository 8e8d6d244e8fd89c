/// One mistake in a caller's configuration.
public struct ConfigurationError: Error, Sendable, Equatable {
    /// The server's name as the caller wrote it, `$gateway` for the options, `mcp` for the whole.
    public var server: String
    /// The property that is wrong, missing or unknown, as the caller wrote it.
    public var property: String?
    /// Names the server and the property; never repeats a value.
    public var message: String

    public init(server: String, property: String?, message: String) {
        self.server = server
        self.property = property
        self.message = message
    }

    /// - Parameter reason: what follows `server.property: `.
    init(_ server: String, _ property: String? = nil, reason: String) {
        let place = property.map { "\(shown(server)).\(shown($0))" } ?? shown(server)
        self.init(server: server, property: property, message: "\(place): \(reason)")
    }
}

/// Every mistake of a configuration; at least one.
public struct ConfigurationErrors: Error, Sendable {
    public var mistakes: [ConfigurationError]

    public init(_ mistakes: [ConfigurationError]) { self.mistakes = mistakes }
}

/// A name from outside as it may stand in a message: short, and without characters that act on a terminal.
func shown(_ name: String) -> String {
    var out = ""
    var count = 0
    for scalar in name.unicodeScalars {
        guard count < CatalogLimits.shownCharactersMax else { return out + "…" }
        out.unicodeScalars.append(scalar.properties.isGraphic ? scalar : "?")
        count += 1
    }
    return out
}

extension Unicode.Scalar.Properties {
    /// Neither a control character nor one that changes how others are shown.
    fileprivate var isGraphic: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator:
            false
        default: true
        }
    }
}
