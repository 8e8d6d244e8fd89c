import Wire

/// Turns a file of another catalog into one of ours: Docker's YAML (`registry: {name: entry}`, or one entry with
/// its name) and the MCP Registry's JSON (a `server.json`, or the answers of its API).
enum CatalogImport {
    struct Outcome {
        /// A whole catalog file.
        var catalog: JSONValue
        /// What was left out, in words.
        var notes: [String]
    }

    /// Bytes of a catalog; Docker's has two megabytes.
    static let bytesMax = 64 << 20

    static func read(_ bytes: [UInt8], file: String) throws -> Outcome {
        let root = try tree(bytes, file)
        guard let servers = servers(root) else {
            throw CommandFailure(
                "\(file): neither Docker's catalog (a mapping \"registry\") nor a server.json of the MCP Registry "
                    + "(a \"name\" with \"packages\" or \"remotes\")")
        }
        var notes: [String] = []
        var keys: Set<String> = []
        let usable = servers.filter { server in
            notes += server.notes.map { "\(server.key): \($0)" }
            if server.isUsable, !server.key.isEmpty, keys.insert(server.key).inserted { return true }
            notes.append(
                "\(server.key): left out: \(server.isUsable ? "the key is taken" : "no way to run it is known")"
            )
            return false
        }
        guard !usable.isEmpty else {
            throw CommandFailure("\(file): no server in it can be run\n" + notes.joined(separator: "\n"))
        }
        return Outcome(catalog: document(usable), notes: notes)
    }

    private static func tree(_ bytes: [UInt8], _ file: String) throws -> JSONValue {
        if let value = try? JSONValue.parse(bytes) { return value }
        do throws(YAMLError) {
            return try YAMLDocument.parse(bytes)?.json() ?? .null
        } catch {
            throw FileMistakes(mistakes: [
                FileMistake(file: file, line: error.line, key: "", message: error.message)
            ])
        }
    }

    private static func servers(_ root: JSONValue) -> [ImportedServer]? {
        if let registry = root["registry"]?.objectValue {
            return registry.members.map { DockerEntry.read($0.name, $0.value) }
        }
        if let list = root["servers"]?.arrayValue {
            return list.compactMap { RegistryEntry.read($0["server"] ?? $0) }
        }
        let entry = root["server"] ?? root
        if entry["packages"] != nil || entry["remotes"] != nil {
            return RegistryEntry.read(entry).map { [$0] }
        }
        if let name = root["name"]?.stringValue, root["image"] != nil || root["remote"] != nil {
            return [DockerEntry.read(name, root)]
        }
        return nil
    }

    private static let titles = [
        "data": "Data & Database", "cloud": "Cloud & Infrastructure", "web": "Web & Content",
        "business": "Business & Productivity", "development": "Development & Code",
        "ai": "AI & Content Generation",
        "finance": "Finance & Commerce", "special": "Special Purpose",
        "observability": "Monitoring & Observability",
        "security": "Security & Identity",
    ]

    private static func document(_ servers: [ImportedServer]) -> JSONValue {
        let used = Set(servers.map(\.category)).sorted()
        var catalog = JSONObject()
        catalog["formatVersion"] = 1
        catalog["sources"] = []
        catalog["categories"] = .array(used.map { ["id": .string($0), "title": .string(titles[$0] ?? $0)] })
        catalog["servers"] = .array(servers.sorted { $0.key < $1.key }.map(\.json))
        return .object(catalog)
    }
}
