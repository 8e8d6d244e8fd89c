import ArgumentParser
import Wire

/// `call ID TOOL`: one call of a tool. A tool that fails is exit code 1.
struct Call: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Call a tool of a sandbox.",
        discussion: """
            Prints the text of the result; with --json the whole result. Exit code 1 when the tool fails.

              mcp-gateway call ID time_get_current_time --arguments '{"timezone": "Europe/Berlin"}'
              mcp-gateway call ID sqlite_read_query --arguments @query.json --json
            """)

    @Argument(help: .init("The sandbox.", valueName: "id"))
    var id: String

    @Argument(help: .init("The tool, as \"mcp-gateway tools ID\" names it.", valueName: "tool"))
    var tool: String

    @Option(help: .init("Its arguments: JSON, @FILE, or @- for stdin. (default: {})", valueName: "json"))
    var arguments: String?

    @Flag(help: "Print the whole result as JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        let arguments =
            try arguments.map { try JSONArgument.object($0, "--arguments") } ?? .object(JSONObject())
        let result = try client.gateway().call(id, tool, arguments)
        let isFailure = result["isError"]?.boolValue == true
        let lines = ToolResultText.lines(result)
        if json {
            Output.json(result)
        } else if !isFailure {
            for line in lines { print(Output.printable(line)) }
        }
        guard isFailure else { return }
        throw json
            ? ExitCode.failure
            : CommandFailure(Output.printable("\(tool) failed: " + lines.joined(separator: "\n")))
    }
}
