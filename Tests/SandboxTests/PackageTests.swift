import Glibc
import System
import Testing

@testable import Sandbox

@Suite("Packages")
struct PackageTests {
    @Test(
        "a real package from PyPI is installed once and runs",
        .enabled(if: getenv("MCP_GATEWAY_TEST_PYPI") != nil))
    func pypi() throws {
        let scene = try Scene(.bubblewrap)
        let program = PythonProgram(
            package: "mcp-server-time", version: "2026.10.19", constraints: [], overrides: [])
        let begun = Instant.now()
        let server = try scene.launch(.pypi(program), arguments: ["--local-timezone", "UTC"])
        print("installed in", Instant.now().milliseconds(since: begun))
        server.write(
            #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"#
                + "\n")
        #expect(server.line().contains("serverInfo"), "\(server.errors)")
        server.child.signal(SIGTERM)
        print(server.exit()?.description ?? "-")
        let again = Instant.now()
        _ = try scene.launch(.pypi(program))
        print("again in", Instant.now().milliseconds(since: again))
    }
}
