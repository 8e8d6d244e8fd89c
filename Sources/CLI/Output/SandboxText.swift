import Wire

/// How a sandbox is told to a person.
enum SandboxText {
    static func metadata(_ sandbox: JSONValue) -> String {
        (sandbox["metadata"]?.objectValue?.members ?? [])
            .map { "\($0.name)=\($0.value.stringValue ?? "")" }.joined(separator: " ")
    }

    static func servers(_ sandbox: JSONValue) -> Table {
        var table = Table("SERVER", "KEY", "STATE", "TOOLS", "RESTARTS", "LAST ERROR")
        for server in sandbox["mcp"]?["servers"]?.arrayValue ?? [] {
            table.add(
                server["name"]?.stringValue ?? "", server["key"]?.stringValue ?? "",
                server["state"]?.stringValue ?? "", "\(server["tools"]?.intValue ?? 0)",
                "\(server["restarts"]?.intValue ?? 0)", server["lastError"]?.stringValue ?? "")
        }
        return table
    }

    /// The last lines on stderr of servers that are not well.
    static func stderrTails(_ sandbox: JSONValue) -> [String] {
        let wellStates = ["ready", "idle", "starting", "resolving"]
        return (sandbox["mcp"]?["servers"]?.arrayValue ?? []).flatMap { server -> [String] in
            guard let state = server["state"]?.stringValue, !wellStates.contains(state) else { return [] }
            let lines = server["stderrTail"]?.arrayValue?.compactMap(\.stringValue) ?? []
            guard !lines.isEmpty else { return [] }
            return ["", "stderr of \(server["name"]?.stringValue ?? ""):"]
                + lines.map { "  " + Output.line($0) }
        }
    }
}
