import MCP

extension Implementation {
    /// How the gateway names itself to clients and to servers.
    static let gateway = Implementation(
        name: "mcp-gateway", title: "MCP Gateway", version: GatewayVersion.text)
}

/// The version of this source tree.
public enum GatewayVersion {
    public static let text = "0.1.0"
}
