import Glibc
import System
import Testing

@testable import Sandbox

@Suite("Arguments that are in no command line")
struct HiddenArgumentsTests {
    private static let awkward = ["--token=s3cr3t", "", "two\nlines", #"back\slash"#, #"\n"#, "é 🙂"]

    /// A directory like that of an installed package, with one program.
    private func package(_ scene: Scene, _ kind: InstalledPackage.Kind, _ program: String) throws
        -> InstalledPackage
    {
        let bin = "\(scene.directory)/bin"
        try Files.makeDirectories(bin, mode: 0o755)
        try Files.writeAtomically(Array(program.utf8), to: "\(bin)/tool", mode: 0o755)
        symlink("/usr/bin/python3", "\(bin)/python")
        return InstalledPackage(kind: kind, root: scene.directory, pathDirectories: [bin], programs: ["tool"])
    }

    private func hidden(
        _ scene: Scene, _ package: InstalledPackage, _ arguments: [String] = HiddenArgumentsTests.awkward,
        environment: [(String, String)] = [], hides: Bool = true
    ) -> HiddenArguments? {
        var request = LaunchRequest(
            program: .command([]), arguments: arguments, environment: environment, sandboxID: "s",
            serverName: "s", cpu: nil)
        request.hidesArguments = hides
        return HiddenArguments(
            request, package, program: "\(scene.directory)/bin/tool", scene.workshop.state)
    }

    @Test("a script of Python finds them where it looks, whatever is in them, and the variable is gone")
    func python() throws {
        let scene = try Scene(.none)
        let script = """
            #!/usr/bin/env python
            import json, os, sys
            if __name__ == "__main__":
                here = sys.path[0] == os.path.dirname(__file__)
                print(json.dumps([sys.argv[1:], "MCP_GATEWAY_ARGUMENTS" in os.environ, here]), flush=True)
                print(open("/proc/self/cmdline").read().count("s3cr3t"), flush=True)
            """
        let start = try #require(hidden(scene, try package(scene, .python, script)))
        let plan = StartPlan(
            command: start.command, environment: [("PATH", Executable.systemPath)] + start.environment,
            jail: scene.workshop.starter.jail(), directory: "/", mark: "test")
        let running = Running(try scene.workshop.starter.start(plan), sandbox: "s", scene: scene)
        let words = #"["--token=s3cr3t", "", "two\nlines", "back\\slash", "\\n", "\u00e9 \ud83d\ude42"]"#
        #expect(running.line() == "[\(words), false, true]")
        #expect(running.line() == "0")
    }

    @Test("a script whose interpreter has too long a path for its first line is one, too")
    func longPath() throws {
        let scene = try Scene(.none)
        let script =
            "#!/bin/sh\n'''exec' '/\(String(repeating: "x", count: 300))/python' \"$0\" \"$@\"\n' '''\n"
        #expect(hidden(scene, try package(scene, .python, script)) != nil)
        let shell = try Scene(.none)
        #expect(hidden(shell, try package(shell, .python, "#!/bin/sh\nexec python x\n")) == nil)
    }

    @Test("Node is told by an option of its own, behind those that the server has")
    func node() throws {
        let scene = try Scene(.none)
        let package = try package(scene, .node, "#!/usr/bin/env node\n")
        let start = try #require(
            hidden(scene, package, ["a"], environment: [("NODE_OPTIONS", "--no-warnings")]))
        #expect(start.command == ["\(scene.directory)/bin/tool"])
        #expect(start.environment.first { $0.0 == HiddenArguments.variable }?.1 == "a")
        let option = start.environment.first { $0.0 == "NODE_OPTIONS" }?.1
        #expect(option == "--no-warnings --require \"\(scene.workshop.state.nodeArguments)\"")
    }

    @Test("a program that is no script of its kind gets them as they are, as does one without a secret")
    func plain() throws {
        let scene = try Scene(.none)
        let native = try package(scene, .python, "\u{7f}ELF and so on")
        #expect(hidden(scene, native) == nil)
        let script = try package(scene, .python, "#!/usr/bin/env python\n")
        #expect(hidden(scene, script) != nil)
        #expect(hidden(scene, script, hides: false) == nil)
        #expect(hidden(scene, script, []) == nil)
        var other = script
        other.kind = .node
        #expect(hidden(scene, other) == nil)
        other.kind = .custom
        #expect(hidden(scene, other) == nil)
    }
}
