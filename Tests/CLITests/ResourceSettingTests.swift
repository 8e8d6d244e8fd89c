import System
import Testing

@testable import CLI
import Gateway

@Suite struct ResourceSettingTests {
    private func parse(_ text: String) throws -> [ResourceLimit: ResourceSetting] {
        try SettingsFile.parse(Array(text.utf8), file: "f.yaml").resources
    }

    @Test("a limit is a default, or a default and what may be asked for")
    func read() throws {
        let read = try parse(
            """
            server-memory: 1GiB..8GiB
            server-cpus: 0.5
            sandbox-disk: 0
            server-processes: 100..200
            """)
        #expect(read[.serverMemory] == ResourceSetting(standard: 1 << 30, maximum: 8 << 30))
        #expect(read[.serverCPUs] == ResourceSetting(standard: 50, maximum: 50))
        #expect(read[.sandboxDisk] == ResourceSetting(standard: 0, maximum: 0))
        let policy = ResourcePolicy(read)
        #expect(policy.standard[.serverProcesses] == 100 && policy.maximum[.serverProcesses] == 200)
        #expect(policy.standard[.sandboxMemory] == ResourceLimit.sandboxMemory.standard)
    }

    @Test(
        "a wrong limit is named with its line and what is right",
        arguments: [
            ("server-memory: lots", "a size such as"), ("server-memory: 8GiB..1GiB", "below its default"),
            ("server-memory: 1KiB", "from 16MiB"), ("server-cpus: 0", "from 0.01"),
            ("server-memory: 1GiB..", "a size"),
            ("server-memory: ..1GiB", "a size"), ("server-memory: 1GiB..2GiB..3GiB", "a size"),
            ("sandbox-disk: 0..1GiB", "without a limit"), ("server-open-files: 1.5", "a whole number"),
            ("server-memory: [1GiB]", "a single value"), ("sandbox-memroy: 1GiB", "sandbox-memory"),
        ])
    func wrong(_ text: String, _ words: String) throws {
        #expect { try parse("# a comment\n" + text) } throws: { error in
            let mistakes = (error as? FileMistakes)?.mistakes ?? []
            return mistakes.count == 1 && mistakes.first?.line == 2 && "\(error)".contains(words)
        }
    }

    @Test("each of them is a flag and a variable too, which win over the file")
    func sources() throws {
        let arguments = ResourceLimit.allCases.flatMap {
            ["--\($0.rawValue)", $0.text(of: $0.range.lowerBound)]
        }
        let flags = try ServeFlags.parse(arguments).sources().flags
        for limit in ResourceLimit.allCases {
            #expect(flags.resources[limit]?.standard == limit.range.lowerBound, "\(limit)")
        }
        #expect(throws: (any Error).self) { try ServeFlags.parse(["--server-memory", "much"]) }
        let environment = Environment(["MCP_GATEWAY_SERVER_MEMORY": "64MiB", "MCP_GATEWAY_SANDBOX_CPUS": "3"])
        let some = try ServeFlags.parse(["--server-memory", "32MiB"]).sources().flags
        let merged = try SettingSources(flags: some, environment: environment).settings()
        #expect(merged.resources[.serverMemory]?.standard == 32 << 20)
        #expect(merged.resources[.sandboxCPUs]?.standard == 300)
    }
}
