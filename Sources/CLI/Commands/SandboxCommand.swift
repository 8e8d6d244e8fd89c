import ArgumentParser
import Wire

/// `sandbox …`: the control API from a shell.
struct SandboxCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sandbox",
        abstract: "Create, list, show, kill and extend sandboxes.",
        discussion: """
              mcp-gateway sandbox create --mcp '{"time": {}}'
              mcp-gateway sandbox list
              mcp-gateway sandbox show ID
              mcp-gateway sandbox extend ID --timeout 3600
              mcp-gateway sandbox kill ID
            """,
        subcommands: [
            SandboxCreate.self, SandboxList.self, SandboxShow.self, SandboxKill.self, SandboxExtend.self,
        ])
}

struct SandboxCreate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Create a sandbox with MCP servers; print its URL and token.",
        discussion: """
            --mcp maps catalog keys to their settings ("mcp-gateway catalog show KEY" tells them); it is what the \
            E2B SDK takes as mcp. Answers when every server is ready or has failed, after 20 s at the latest.

              mcp-gateway sandbox create --mcp '{"time": {}, "fetch": {}}'
              mcp-gateway sandbox create --mcp @servers.json --timeout 3600 --metadata team=search
              mcp-gateway sandbox create --mcp '{"git": {"paths": ["/workspace"]}}' --json
            """)

    @Option(help: .init("Servers and their settings: JSON, @FILE, or @- for stdin.", valueName: "json"))
    var mcp: String

    @Option(help: .init("Seconds until the sandbox is killed. (default: 300)", valueName: "s"))
    var timeout: Int?

    @Option(parsing: .singleValue, help: .init("Shown in listings; repeatable.", valueName: "key=value"))
    var metadata: [String] = []

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func validate() throws {
        if let wrong = metadata.first(where: { !$0.contains("=") || $0.hasPrefix("=") }) {
            throw ValidationError("--metadata is KEY=VALUE; this is \"\(wrong)\".")
        }
    }

    func run() throws {
        var body = JSONObject()
        body["mcp"] = try JSONArgument.object(mcp, "--mcp")
        body["timeout"] = timeout.map(JSONValue.integer)
        if !metadata.isEmpty { body["metadata"] = .object(metadataObject) }
        let gateway = try client.gateway()
        let made = try gateway.create(.object(body))
        if json { return Output.json(made) }
        let id = made["sandboxID"]?.stringValue ?? ""
        let url = made["mcpUrl"]?.stringValue ?? ""
        let token = made["mcpToken"]?.stringValue ?? ""
        Output.pairs([("Sandbox", id), ("URL", url), ("Token", token)])
        print()
        SandboxText.servers(try gateway.show(id)).show()
        print()
        print("mcp-gateway tools \(id)")
        print("claude mcp add --transport http gateway \(url) --header \"Authorization: Bearer \(token)\"")
    }

    private var metadataObject: JSONObject {
        var object = JSONObject()
        for pair in metadata {
            guard let equals = pair.firstIndex(of: "=") else { continue }
            object[String(pair[..<equals])] = .string(String(pair[pair.index(after: equals)...]))
        }
        return object
    }
}

struct SandboxList: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list",
        abstract: "List the sandboxes of the API key.",
        discussion: """
              mcp-gateway sandbox list
              mcp-gateway sandbox list --json
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        let sandboxes = try client.gateway().list()
        if json { return Output.json(.array(sandboxes)) }
        if sandboxes.isEmpty {
            return print("No sandboxes. Make one: mcp-gateway sandbox create --mcp '{\"time\": {}}'")
        }
        var table = Table("SANDBOX", "STATE", "STARTED", "ENDS", "METADATA")
        for one in sandboxes {
            let text = { (name: String) in one[name]?.stringValue ?? "" }
            table.add(
                text("sandboxID"), text("state"), text("startedAt"), text("endAt"), SandboxText.metadata(one))
        }
        table.show()
    }
}

struct SandboxShow: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a sandbox and the state of its servers.",
        discussion: """
              mcp-gateway sandbox show ID
              mcp-gateway sandbox show ID --json
            """)

    @Argument(help: .init("The sandbox.", valueName: "id"))
    var id: String

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup var client: ClientOptions

    func run() throws {
        let sandbox = try client.gateway().show(id)
        if json { return Output.json(sandbox) }
        let text = { (name: String) in sandbox[name]?.stringValue ?? "" }
        Output.pairs([
            ("Sandbox", text("sandboxID")), ("URL", text("mcpUrl")), ("Started", text("startedAt")),
            ("Ends", text("endAt")), ("Network", sandbox["mcp"]?["network"]?.stringValue ?? ""),
            ("Metadata", SandboxText.metadata(sandbox)),
        ])
        print()
        SandboxText.servers(sandbox).show()
        for line in SandboxText.stderrTails(sandbox) { print(line) }
    }
}

struct SandboxKill: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kill",
        abstract: "End a sandbox and every process in it.",
        discussion: """
              mcp-gateway sandbox kill ID
            """)

    @Argument(help: .init("The sandbox.", valueName: "id"))
    var id: String

    @OptionGroup var client: ClientOptions

    func run() throws {
        try client.gateway().kill(id)
        print("killed \(id)")
    }
}

struct SandboxExtend: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "extend",
        abstract: "Let a sandbox live for S seconds from now.",
        discussion: """
              mcp-gateway sandbox extend ID --timeout 3600
            """)

    @Argument(help: .init("The sandbox.", valueName: "id"))
    var id: String

    @Option(help: .init("Seconds from now until it is killed.", valueName: "s"))
    var timeout: Int

    @OptionGroup var client: ClientOptions

    func run() throws {
        try client.gateway().extend(id, seconds: timeout)
        print("\(id) lives for \(timeout) s from now")
    }
}
