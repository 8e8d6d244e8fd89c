import Wire

/// A foreign catalog as a catalog file of ours, and what was lost on the way.
public struct CatalogImport: Sendable {
    /// A whole catalog file; it passes the check.
    public var catalog: JSONValue
    /// Each names the entry it is about.
    public var warnings: [String]

    /// Reads whichever of the known forms `value` has.
    public static func read(_ value: JSONValue) throws(CatalogError) -> CatalogImport {
        if isDocker(value) { return try docker(value) }
        if isRegistry(value) { return try registry(value) }
        throw CatalogError([
            "neither Docker's catalog (a mapping \"registry\", or one entry with a name and an image or a remote) "
                + "nor a server.json of the MCP registry (a name with packages or remotes)"
        ])
    }

    /// Docker's `docker-mcp.yaml` of version 2 or 3, one entry of it with its name inside, or a `server.yaml` of
    /// its registry.
    public static func docker(_ value: JSONValue) throws(CatalogError) -> CatalogImport {
        if let registry = value["registry"]?.objectValue {
            return try document(registry.members.map { DockerEntry(name: $0.name, $0.value).draft() })
        }
        guard let name = value["name"]?.stringValue, value.objectValue != nil else {
            throw CatalogError(["registry: required, and missing (or a name, in a file with one entry)"])
        }
        return try document([DockerEntry(name: name, value).draft()])
    }

    /// A `server.json`, its wrapper in the registry's API, or a page of the API's list.
    public static func registry(_ value: JSONValue) throws(CatalogError) -> CatalogImport {
        let list = value["servers"]?.arrayValue ?? [value]
        var drafts: [EntryDraft] = []
        for element in list {
            let facts = element["_meta"]?["io.modelcontextprotocol.registry/official"] ?? .null
            // The API lists every version of a server.
            if facts["isLatest"]?.boolValue == false || facts["is_latest"]?.boolValue == false { continue }
            if facts["status"]?.stringValue == "deleted" { continue }
            guard let draft = RegistryEntry(element["server"] ?? element)?.draft() else {
                throw CatalogError(["name: required in a server.json, and missing"])
            }
            drafts.append(draft)
        }
        return try document(drafts)
    }

    private static func isDocker(_ value: JSONValue) -> Bool {
        if value["registry"]?.objectValue != nil { return true }
        guard value["name"]?.stringValue != nil, value["packages"] == nil, value["remotes"] == nil else {
            return false
        }
        return ["image", "remote", "sseEndpoint", "tools"].contains { value[$0] != nil }
    }

    private static func isRegistry(_ value: JSONValue) -> Bool {
        if value["servers"]?.arrayValue != nil { return true }
        let server = value["server"] ?? value
        return server["name"]?.stringValue != nil && (server["packages"] != nil || server["remotes"] != nil)
    }

    // MARK: The whole

    private static func document(_ drafts: [EntryDraft]) throws(CatalogError) -> CatalogImport {
        var warnings: [String] = []
        var taken: Set<String> = []
        var servers: [(key: String, category: String, json: JSONValue)] = []
        // `playwright` is found by that name, not `playwright-mcp-server`, whose short key would be the same.
        let exact = drafts.filter { $0.key == $0.otherKey }
        let other = drafts.filter { $0.key != $0.otherKey }
        for var draft in (exact + other).prefix(CatalogLimits.entriesMax) {
            draft.settleNames(&taken)
            let json = draft.json
            warnings += draft.warnings.map { "\(draft.label): \($0)" }
            do throws(CatalogError) {
                _ = try ServerCatalog(reading: catalog([json], [draft.category]), file: draft.label)
                servers.append((draft.key, draft.category, json))
            } catch {
                warnings += error.mistakes.map { "left out: \($0)" }
            }
        }
        guard !servers.isEmpty else {
            throw CatalogError(warnings + ["no server in it can be run or reached"])
        }
        servers.sort { $0.key < $1.key }
        return CatalogImport(
            catalog: catalog(servers.map(\.json), servers.map(\.category)), warnings: warnings)
    }

    private static func catalog(_ servers: [JSONValue], _ used: [String]) -> JSONValue {
        let ids = Set(used).sorted()
        return [
            "formatVersion": .integer(ServerCatalog.formatVersion),
            "categories": .array(ids.map { ["id": .string($0), "title": .string(titles[$0] ?? $0)] }),
            "servers": .array(servers),
        ]
    }

    /// The categories of the built-in catalog.
    private static let titles = [
        "data": "Data & Database", "cloud": "Cloud & Infrastructure", "web": "Web & Content",
        "business": "Business & Productivity", "development": "Development & Code",
        "ai": "AI & Content Generation", "finance": "Finance & Commerce", "special": "Special Purpose",
        "observability": "Monitoring & Observability", "security": "Security & Identity",
    ]
}
