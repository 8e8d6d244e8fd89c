import ArgumentParser

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
        subcommands: [CatalogImportCommand.self])
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
        let bytes = try SettingSources.contents(file, limit: CatalogImport.bytesMax)
        let outcome = try CatalogImport.read(bytes, file: file)
        Output.json(outcome.catalog)
        for note in outcome.notes { Output.note(note) }
    }
}
