import CatalogData
import Wire

/// The MCP servers that are known by name.
public struct ServerCatalog: Sendable {
    /// The version of the file format that is read here.
    public static let formatVersion = 1

    /// Sorted by key.
    public private(set) var servers: [CatalogServer] = []
    public private(set) var categories: [(id: String, title: String)] = []
    /// What is odd in the file but does no harm; each names file, entry and field.
    public private(set) var warnings: [String] = []
    /// Key or alias to a position in `servers`.
    private var positions: [String: Int] = [:]

    /// The catalog that comes with the program.
    public static func builtIn() throws(CatalogError) -> ServerCatalog {
        var count = 0
        guard let base = unsafe catalog_data(&count) else {
            return ServerCatalog(servers: [], categories: [])
        }
        let bytes = unsafe Array(UnsafeBufferPointer(start: base, count: count))
        return try ServerCatalog(parsing: bytes, file: "catalog.json")
    }

    /// Reads a catalog file (format version 1), to its end whatever is wrong in it.
    /// - Parameter file: what mistakes call it.
    public init(parsing json: [UInt8], file: String) throws(CatalogError) {
        guard json.count <= CatalogLimits.fileBytesMax else {
            throw CatalogError(["\(file): is longer than \(CatalogLimits.fileBytesMax) bytes"])
        }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue.parse(json)
        } catch {
            throw CatalogError(error, in: json, file: file)
        }
        try self.init(reading: value, file: file)
    }

    init(reading value: JSONValue, file: String) throws(CatalogError) {
        let findings = Findings(file: file)
        guard let object = value.objectValue else {
            throw CatalogError(["\(file): must be an object, not \(value.kindName)"])
        }
        let fields = FieldReader(object, place: "", findings)
        guard object["formatVersion"] == .integer(Self.formatVersion) else {
            fields.mistake("formatVersion", "must be \(Self.formatVersion), the one version known here")
            throw findings.error
        }
        fields.expect(["$schema", "formatVersion", "sources", "categories", "servers"])
        categories = Self.categories(fields)
        servers = Self.servers(fields, Set(categories.map(\.id)))
        guard findings.isClean else { throw findings.error }
        warnings = findings.warnings
        servers.sort { $0.key < $1.key }
        index()
    }

    private init(servers: [CatalogServer], categories: [(id: String, title: String)]) {
        self.servers = servers
        self.categories = categories
        index()
    }

    private static func categories(_ fields: FieldReader) -> [(id: String, title: String)] {
        var seen: Set<String> = []
        if fields.array("categories", required: true).isEmpty, fields.object["categories"]?.arrayValue != nil
        {
            fields.mistake("categories", "must not be empty")
        }
        return fields.objects("categories").compactMap { category in
            category.expect(["id", "title"])
            guard let id = category.string("id", required: true),
                let title = category.string("title", required: true)
            else { return nil }
            guard seen.insert(id).inserted else {
                category.mistake("id", "\"\(shown(id))\" is there twice")
                return nil
            }
            return (id, title)
        }
    }

    private static func servers(_ fields: FieldReader, _ categories: Set<String>) -> [CatalogServer] {
        let elements = fields.array("servers", required: true)
        guard elements.count <= CatalogLimits.entriesMax else {
            fields.mistake("servers", "more than \(CatalogLimits.entriesMax) entries")
            return []
        }
        var owner: [String: String] = [:]
        var servers: [CatalogServer] = []
        for (index, element) in elements.enumerated() {
            let key = element["key"]?.stringValue
            let place = "servers[\(index)]" + (key.map { " \"\(shown($0))\"" } ?? "")
            guard let object = element.objectValue else {
                fields.mistake("servers[\(index)]", "must be an object, not \(element.kindName)")
                continue
            }
            let entry = FieldReader(object, place: place, fields.findings)
            let server = ServerReader(fields: entry, categories: categories).read()
            for name in [key].compactMap(\.self) + (server?.aliases ?? []) {
                if let other = owner.updateValue(key ?? place, forKey: name) {
                    entry.mistake(
                        name == key ? "key" : "aliases", "\"\(shown(name))\" names \"\(shown(other))\" too")
                }
            }
            if let server { servers.append(server) }
        }
        return servers
    }

    // MARK: Looking up

    /// The server of this name, exactly.
    public func find(_ keyOrAlias: String) -> CatalogServer? {
        positions[keyOrAlias].map { servers[$0] }
    }

    /// Names that are close to `text`, the likeliest first, one a server.
    public func nearest(_ text: String, limit: Int) -> [String] {
        var names: [(name: String, meant: String)] = []
        for server in servers {
            names.append((server.key, server.key))
            for alias in server.aliases { names.append((alias, server.key)) }
        }
        return Nearest.ranked(text, names, limit: limit)
    }

    /// Servers whose name, title, tags or summary contain every word of `query`, whatever its case.
    public func search(_ query: String) -> [CatalogServer] {
        let words = query.lowercased().split(separator: " ")
        return servers.filter { server in
            let text = ([server.key, server.title, server.summary] + server.aliases + server.tags)
                .joined(separator: "\n").lowercased()
            return words.allSatisfy { text.contains($0) }
        }
    }

    /// Both catalogs together. An entry of `other` takes the place of the one with its key; a name that both
    /// have is the other's.
    public func adding(_ other: ServerCatalog) -> ServerCatalog {
        let replaced = Set(other.servers.map(\.key))
        var taken = replaced
        for server in other.servers { taken.formUnion(server.aliases) }
        var kept = servers.filter { !replaced.contains($0.key) }
        for i in kept.indices { kept[i].aliases.removeAll(where: taken.contains) }
        let known = Set(categories.map(\.id))
        var sum = ServerCatalog(
            servers: (kept + other.servers).sorted { $0.key < $1.key },
            categories: categories + other.categories.filter { !known.contains($0.id) })
        for (at, server) in sum.servers.enumerated() where replaced.contains(server.key) {
            for name in server.aliases { sum.positions[name] = at }
        }
        sum.warnings = warnings + other.warnings
        return sum
    }

    private mutating func index() {
        positions.removeAll()
        for (at, server) in servers.enumerated() {
            for alias in server.aliases { positions[alias] = at }
        }
        for (at, server) in servers.enumerated() { positions[server.key] = at }
    }
}
