import ArgumentParser
import Catalog
import Wire

/// `catalog …`: which servers there are, and files with more of them.
struct CatalogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "catalog",
        abstract: "Look up servers; check and import catalogs.",
        discussion: """
              mcp-gateway catalog list --category data
              mcp-gateway catalog list --search redis
              mcp-gateway catalog show notion
              mcp-gateway catalog import docker-mcp.yaml > ours.json
              mcp-gateway catalog check ours.json
            """,
        subcommands: [CatalogList.self, CatalogShow.self, CatalogCheck.self, CatalogImportCommand.self])
}

/// Which catalog a command looks into: the built-in one, and the files that a configuration adds.
struct CatalogOptions: ParsableArguments {
    @Option(help: .init("YAML file whose catalogs are looked into too.", valueName: "file"))
    var config: String?

    func settings() throws -> Settings {
        try SettingSources(flags: Settings(), configurationFile: config, environment: .current).settings()
    }

    func catalog() throws -> ServerCatalog { try SettingSources.catalog(try settings().catalogs ?? []) }
}

extension ServerCatalog {
    /// The server of a key or alias; what else it is names the nearest ones.
    func server(_ key: String) throws(CommandFailure) -> CatalogServer {
        if let server = find(key) { return server }
        let said = Output.sentence("\(key) is not in the catalog\(Nearest.question(nearest(key, limit: 3)))")
        throw CommandFailure("\(said) See \"mcp-gateway catalog list --search WORD\".")
    }
}

struct CatalogList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the servers of the catalog.",
        discussion: """
            --search takes words that must all appear in key, title, tags or summary.

              mcp-gateway catalog list
              mcp-gateway catalog list --category data --search sql
              mcp-gateway catalog list --json
            """)

    @Option(help: .init("Servers of this category alone.", valueName: "category"))
    var category: String?

    @Option(help: .init("Servers with these words alone.", valueName: "words"))
    var search: String?

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: CatalogOptions

    func run() throws {
        let catalog = try options.catalog()
        if let category { try Self.check(category, catalog) }
        let servers = (search.map(catalog.search) ?? catalog.servers).filter { server in
            category == nil || server.category == category
        }
        if json { return Output.json(.array(servers.map(\.json))) }
        if servers.isEmpty { return print("No server matches.") }
        var table = Table("KEY", "CATEGORY", "RUNS FROM", "SUMMARY")
        for server in servers {
            table.add(server.key, server.category, CatalogText.runtimes(server), server.summary)
        }
        table.show()
    }

    private static func check(_ category: String, _ catalog: ServerCatalog) throws(CommandFailure) {
        let known = catalog.categories.map(\.id)
        guard !known.contains(category) else { return }
        throw CommandFailure(
            "there is no category \(category); categories are \(known.joined(separator: ", "))"
                + Nearest.question(Nearest.of(category, in: known, limit: 1)))
    }
}

struct CatalogShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a server and its settings.",
        discussion: """
              mcp-gateway catalog show notion
              mcp-gateway catalog show github --json
            """)

    @Argument(help: .init("Key or alias of the server.", valueName: "key"))
    var key: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var options: CatalogOptions

    func run() throws {
        let server = try options.catalog().server(key)
        if json { return Output.json(server.json) }
        CatalogText.show(server)
    }
}

struct CatalogCheck: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check a catalog file; name each mistake.",
        discussion: """
              mcp-gateway catalog check ours.json
            """)

    @Argument(help: .init("JSON file with servers.", valueName: "file"))
    var file: String

    func run() throws {
        let catalog = try SettingSources.catalogFile(file)
        for warning in catalog.warnings { Output.note("warning: \(warning)") }
        print("\(file): no mistakes, \(catalog.servers.count) servers")
    }
}

struct CatalogImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Turn Docker's catalog or a server.json into a catalog file.",
        discussion: """
            Reads Docker's catalog YAML, a server.json of the MCP Registry or a list of its API, and prints a \
            catalog. What could not be taken over is told on stderr.

              mcp-gateway catalog import docker-mcp.yaml > ours.json
              mcp-gateway catalog import server.json
            """)

    @Argument(help: .init("YAML or JSON.", valueName: "file"))
    var file: String

    func run() throws {
        let imported = try ForeignCatalog.read(file)
        Output.json(imported.catalog)
        for warning in imported.warnings { Output.note(warning) }
    }
}
