import ArgumentParser

/// `mcp-gateway`: the server and its tools in one executable. Exit codes: 0 success, 1 failure, 64 usage error.
@main
struct GatewayCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mcp-gateway",
        abstract: "Hosts MCP servers for many tenants, each sandbox behind one URL and one token.",
        discussion: """
            Start a gateway, make a sandbox with two servers, call a tool:

              mcp-gateway serve
              mcp-gateway sandbox create --mcp '{"time": {}, "fetch": {}}'
              mcp-gateway tools ID
              mcp-gateway call ID time_get_current_time --arguments '{"timezone": "Europe/Berlin"}'

            Exit codes: 0 success, 1 failure, 64 a mistake in the command line.
            """,
        subcommands: [
            Serve.self, CheckConfig.self, SandboxCommand.self, Tools.self, Call.self, CatalogCommand.self,
            Pull.self, Doctor.self, Version.self,
        ])
}
