import Catalog
import Wire

/// How a server of the catalog is told to a person.
enum CatalogText {
    static func runtimes(_ server: CatalogServer) -> String {
        let names = server.runtimes.map(\.rawValue)
        return (server.hasContainerTools && names.isEmpty ? ["containers"] : names).joined(separator: " ")
    }

    static func show(_ server: CatalogServer) {
        Output.pairs([
            ("Key", server.key), ("Also", server.aliases.joined(separator: ", ")), ("Title", server.title),
            ("Category", server.category), ("Summary", server.summary), ("Status", server.status.rawValue),
            ("Home", server.homepage ?? ""), ("Runs from", runtimes(server)),
            ("Signs in", server.oauth.map { "\($0.provider), or \($0.tokenProperty)" } ?? ""),
        ])
        print()
        if server.properties.isEmpty {
            print("It has no settings.")
        } else {
            var table = Table("SETTING", "TYPE", "NEED", "ABOUT")
            for property in server.properties {
                table.add(property.name, type(property), need(property), about(property))
            }
            table.show()
        }
        if !server.requireAnyOf.isEmpty {
            let sets = server.requireAnyOf.map { $0.joined(separator: " and ") }
            print("Required are \(sets.joined(separator: ", or ")).")
        }
        print(
            "\nmcp-gateway sandbox create --mcp '\(String(decoding: example(server).serialized(), as: UTF8.self))'"
        )
    }

    private static func type(_ property: ConfigProperty) -> String {
        if let format = property.format {
            return property.kind == .array ? "\(format.rawValue)s" : format.rawValue
        }
        return property.kind == .array ? "\(property.items.rawValue)s" : property.kind.rawValue
    }

    private static func need(_ property: ConfigProperty) -> String {
        (property.isRequired ? "required" : "optional") + (property.isSecret ? ", secret" : "")
    }

    private static func about(_ property: ConfigProperty) -> String {
        let parts = [
            property.summary, property.defaultValue.map { "default " + text($0) },
            property.choices.isEmpty ? nil : "one of " + property.choices.joined(separator: ", "),
            property.example.map { "such as " + text($0) },
            property.aliases.isEmpty ? nil : "also " + property.aliases.joined(separator: ", "),
        ]
        return parts.compactMap { $0 }.joined(separator: "; ")
    }

    /// A configuration with what is required.
    private static func example(_ server: CatalogServer) -> JSONValue {
        var settings = JSONObject()
        let needed = server.properties.filter(\.isRequired).map(\.name) + (server.requireAnyOf.first ?? [])
        for name in needed {
            guard let property = server.property(name) else { continue }
            let value = property.example ?? (property.format == .path ? "/some/path" : "…")
            settings[name] = property.kind == .array && value.arrayValue == nil ? [value] : value
        }
        var object = JSONObject()
        object[server.key] = .object(settings)
        return .object(object)
    }

    private static func text(_ value: JSONValue) -> String {
        value.stringValue ?? String(decoding: value.serialized(), as: UTF8.self)
    }
}
