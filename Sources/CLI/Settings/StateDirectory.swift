import Glibc

/// Where the gateway keeps its key, packages and sandboxes.
enum StateDirectory {
    /// `/var/lib/mcp-gateway` for root; otherwise `$XDG_STATE_HOME/mcp-gateway`, `~/.local/state` standing in.
    static func standard(_ environment: Environment, isRoot: Bool = geteuid() == 0) -> String {
        if isRoot { return "/var/lib/mcp-gateway" }
        if let state = environment["XDG_STATE_HOME"], state.hasPrefix("/") { return state + "/mcp-gateway" }
        return (environment["HOME"] ?? "/tmp") + "/.local/state/mcp-gateway"
    }

    /// What client subcommands look into: `MCP_GATEWAY_STATE_DIR`, else the standard place.
    static func local(_ environment: Environment) -> String {
        environment["MCP_GATEWAY_STATE_DIR"] ?? standard(environment)
    }

    static func keyFile(_ directory: String) -> String { directory + "/api-key" }
}

extension StateDirectory {
    /// For help texts.
    static var shown: String { standard(.current) }
}
