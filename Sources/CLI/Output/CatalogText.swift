import Catalog
import Wire

/// How a server of the catalog is told.
enum CatalogText {
    static func runtimes(_ server: CatalogServer) -> String {
        server.runtimes.map(\.rawValue).joined(separator: " ")
    }

    static func json(_ server: CatalogServer) -> JSONValue {
        var object = JSONObject()
        object["key"] = .string(server.key)
        object["aliases"] = .array(server.aliases.map(JSONValue.string))
        object["title"] = .string(server.title)
        object["category"] = .string(server.category)
        object["tags"] = .array(server.tags.map(JSONValue.string))
        object["summary"] = .string(server.summary)
        object["status"] = .string(server.status)
        object["homepage"] = server.homepage.map(JSONValue.string)
        object["runtimes"] = .array(server.runtimes.map { .string($0.rawValue) })
        object["config"] = .array(server.properties.map(json))
        return .object(object)
    }

    private static func json(_ property: CatalogProperty) -> JSONValue {
        var object = JSONObject()
        object["name"] = .string(property.name)
        object["aliases"] = .array(property.aliases.map(JSONValue.string))
        object["type"] = .string(property.type)
        object["required"] = .bool(property.isRequired)
        object["secret"] = .bool(property.isSecret)
        object["default"] = property.fallback
        object["example"] = property.example
        return .object(object)
    }

    static func show(_ server: CatalogServer) {
        Output.pairs([
            ("Key", server.key), ("Also", server.aliases.joined(separator: ", ")), ("Title", server.title),
            ("Category", server.category), ("Summary", server.summary), ("Status", server.status),
            ("Home", server.homepage ?? ""), ("Runs from", runtimes(server)),
        ])
        print()
        if server.properties.isEmpty { return print("It has no settings: {\"\(server.key)\": {}}") }
        var table = Table("SETTING", "TYPE", "", "ABOUT")
        for property in server.properties {
            table.add(property.name, property.type, need(property), about(property))
        }
        table.show()
        print(
            "\nmcp-gateway sandbox create --mcp '\(String(decoding: example(server).serialized(), as: UTF8.self))'"
        )
    }

    private static func need(_ property: CatalogProperty) -> String {
        (property.isRequired ? "required" : "optional") + (property.isSecret ? ", secret" : "")
    }

    private static func about(_ property: CatalogProperty) -> String {
        let parts = [
            property.summary, property.fallback.map { "default " + text($0) },
            property.choices.isEmpty ? nil : "one of " + property.choices.joined(separator: ", "),
            property.example.map { "such as " + text($0) },
            property.aliases.isEmpty ? nil : "also " + property.aliases.joined(separator: ", "),
        ]
        return parts.compactMap { $0 }.joined(separator: "; ")
    }

    /// A configuration with what is required.
    private static func example(_ server: CatalogServer) -> JSONValue {
        var settings = JSONObject()
        for property in server.properties where property.isRequired {
            settings[property.name] = property.example ?? "…"
        }
        var object = JSONObject()
        object[server.key] = .object(settings)
        return .object(object)
    }

    private static func text(_ value: JSONValue) -> String {
        value.stringValue ?? String(decoding: value.serialized(), as: UTF8.self)
    }
}
