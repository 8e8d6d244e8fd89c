import ArgumentParser
import Wire

/// `tools ID`: what can be called in a sandbox.
struct Tools: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the tools of a sandbox.",
        discussion: """
            Tools are named <server>_<tool>. --json prints their descriptions and schemas whole.

              mcp-gateway tools ID
              mcp-gateway tools ID --json
            """)

    @Argument(help: .init("The sandbox.", valueName: "id"))
    var id: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        let answer = try client.gateway().tools(id)
        if json { return Output.json(answer) }
        let tools = answer["tools"]?.arrayValue ?? []
        if tools.isEmpty {
            return print("No tools yet. \"mcp-gateway sandbox show \(id)\" tells the state of its servers.")
        }
        var table = Table("TOOL", "ARGUMENTS", "DESCRIPTION")
        for tool in tools {
            let description = tool["description"]?.stringValue ?? ""
            let first = description.split(whereSeparator: \.isNewline).first.map(String.init) ?? ""
            table.add(tool["name"]?.stringValue ?? "", Self.arguments(tool), first)
        }
        table.show()
    }

    /// Names of the arguments; those that may be left out have a question mark.
    private static func arguments(_ tool: JSONValue) -> String {
        let schema = tool["inputSchema"]
        let required = schema?["required"]?.arrayValue?.compactMap(\.stringValue) ?? []
        let names = schema?["properties"]?.objectValue?.names ?? []
        return names.map { required.contains($0) ? $0 : $0 + "?" }.joined(separator: " ")
    }
}
