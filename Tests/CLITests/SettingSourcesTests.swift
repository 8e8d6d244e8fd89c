import Glibc
import System
import Testing

@testable import CLI
import Gateway

@Suite struct SettingSourcesTests {
    @Test("a flag wins over the environment, that over the file") func order() throws {
        try inFolder { folder in
            try Files.writeAtomically(
                Array("workers: 3\nlog-level: debug\ndomain: file.example\n".utf8), to: folder + "/c.yaml",
                mode: 0o600)
            var flags = Settings()
            flags.workers = 1
            let environment = Environment([
                "MCP_GATEWAY_WORKERS": "2", "MCP_GATEWAY_LOG_LEVEL": "error",
                "MCP_GATEWAY_CONFIG": folder + "/c.yaml",
                "MCP_GATEWAY_LISTEN": "127.0.0.1:1, 127.0.0.1:2",
            ])
            let settings = try SettingSources(flags: flags, environment: environment).settings()
            #expect(settings.workers == 1)
            #expect(settings.logLevel == .error)
            #expect(settings.domain == "file.example")
            #expect(settings.listen?.map(\.port) == [1, 2])
        }
    }

    @Test("a mistake in the environment names its variable") func environment() {
        let sources = SettingSources(
            flags: Settings(), environment: Environment(["MCP_GATEWAY_WORKERS": "many"]))
        #expect { try sources.settings() } throws: { "\($0)".hasPrefix("MCP_GATEWAY_WORKERS: ") }
    }

    @Test("the first start makes a key that only its owner can read; the next one finds it") func generated()
        throws
    {
        try inFolder { folder in
            let made = try OperatorKeys.generated(in: folder + "/state")
            let file = StateDirectory.keyFile(folder + "/state")
            var status = stat()
            #expect(stat(file, &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(made.key.hasPrefix("e2b_") && made.key.utf8.count == 44)
            #expect(try OperatorKeys.generated(in: folder + "/state") == made)
            #expect(try OperatorKeys.stored(file) == made.key)
        }
    }

    @Test("a key file is read line by line") func keys() throws {
        try inFolder { folder in
            let file = folder + "/keys"
            let text = "# ours\nalice e2b_0123456789abcdef\r\n\n  bob\te2b_fedcba9876543210  \n"
            try Files.writeAtomically(Array(text.utf8), to: file, mode: 0o600)
            let keys = try OperatorKeys.read(file: file)
            #expect(keys.map(\.name) == ["alice", "bob"])
            #expect(keys.last?.key == "e2b_fedcba9876543210")
        }
    }

    @Test(
        "a key file that is wrong is named with its line, and its keys are not shown",
        arguments: [
            ("", 1), ("no-key\n", 1), ("a 0123456789abcdef\nb short\n", 2), ("a 0123456789abcdef x\n", 1),
        ])
    func wrongKeys(_ text: String, _ line: Int) throws {
        try inFolder { folder in
            try Files.writeAtomically(Array(text.utf8), to: folder + "/keys", mode: 0o600)
            do {
                _ = try OperatorKeys.read(file: folder + "/keys")
                Issue.record("it was accepted")
            } catch {
                #expect("\(error)".hasPrefix("\(folder)/keys:\(line): "))
                #expect(!"\(error)".contains("0123456789abcdef"))
            }
        }
    }

    @Test("the state directory is root's or the user's own") func stateDirectory() {
        let home = Environment(["HOME": "/home/ada"])
        #expect(StateDirectory.standard(home, isRoot: true) == "/var/lib/mcp-gateway")
        #expect(StateDirectory.standard(home, isRoot: false) == "/home/ada/.local/state/mcp-gateway")
        let own = Environment(["HOME": "/home/ada", "XDG_STATE_HOME": "/s"])
        #expect(StateDirectory.standard(own, isRoot: false) == "/s/mcp-gateway")
        #expect(StateDirectory.local(Environment(["MCP_GATEWAY_STATE_DIR": "/x"])) == "/x")
    }

    private func inFolder(_ body: (String) throws -> Void) throws {
        let folder = "/tmp/mcp-gateway-test-" + Random.base36(12)
        try Files.makeDirectories(folder, mode: 0o700)
        defer { try? Files.removeTree(folder) }
        try body(folder)
    }
}
