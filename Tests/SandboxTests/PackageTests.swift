import Glibc
import Synchronization
import System
import Testing

@testable import Sandbox

@Suite("Packages")
struct PackageTests {
    static let handshake =
        #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","#
        + #""capabilities":{},"clientInfo":{"name":"t","version":"1"}}}"# + "\n"

    @Test("a real package from PyPI runs", .enabled(if: getenv("MCP_GATEWAY_TEST_PYPI") != nil))
    func pypi() throws {
        let scene = try Scene(.bubblewrap)
        let program = PythonProgram(package: "mcp-server-time", version: "2026.10.19")
        let server = try scene.launch(.pypi(program), arguments: ["--local-timezone", "UTC"])
        server.write(Self.handshake)
        #expect(server.line().contains("serverInfo"))
        server.child.signal(SIGTERM)
        #expect(server.exit() != nil)
    }

    @Test("many who want a package at once cause one installation")
    func singleFlight() throws {
        let recipe = CountingRecipe()
        let scene = try Scene(.none)
        let answers = (0..<20).map { _ in Answer<Result<InstalledPackage, LaunchFailure>>() }
        for answer in answers { scene.workshop.packages.ensure(recipe) { answer.give($0) } }
        for answer in answers { #expect(throws: Never.self) { try answer.wait().get() } }
        #expect(recipe.count.load(ordering: .relaxed) == 1)
        // Another process finds it installed.
        var configuration = scene.workshop.configuration
        configuration.ownsSandboxes = false
        let other = try Workshop(configuration)
        let answer = Answer<Result<InstalledPackage, LaunchFailure>>()
        other.packages.ensure(recipe) { answer.give($0) }
        #expect(try answer.wait().get().programs == ["one", "two"])
        #expect(recipe.count.load(ordering: .relaxed) == 1)
    }

    @Test("a failed installation leaves nothing and is tried again")
    func failedInstallation() throws {
        let recipe = CountingRecipe(failures: 1)
        let scene = try Scene(.none)
        for attempt in 0..<2 {
            let answer = Answer<Result<InstalledPackage, LaunchFailure>>()
            scene.workshop.packages.ensure(recipe) { answer.give($0) }
            let result = answer.wait()
            let directory = "\(scene.workshop.state.packages)/test/thing"
            if attempt == 0 {
                #expect(throws: LaunchFailure(message: "not today")) { try result.get() }
                #expect(!Files.exists(directory))
            } else {
                #expect(try result.get().root == directory)
            }
        }
    }

    @Test("what an installation that was cut off has left is removed first")
    func cutOff() throws {
        let scene = try Scene(.none)
        let directory = "\(scene.workshop.state.packages)/test/thing"
        try Files.makeDirectories(directory, mode: 0o755)
        try Files.writeAtomically([], to: "\(directory)/half", mode: 0o644)
        let answer = Answer<Result<InstalledPackage, LaunchFailure>>()
        scene.workshop.packages.ensure(CountingRecipe()) { answer.give($0) }
        #expect(throws: Never.self) { try answer.wait().get() }
        #expect(!Files.exists("\(directory)/half"))
    }

    @Test("an installation sees nothing of the gateway's environment but where packages come from")
    func environment() throws {
        setenv("SECRET_OF_THE_GATEWAY", "do not pass on", 1)
        setenv("UV_DEFAULT_INDEX", "https://index.example/simple", 1)
        defer { unsetenv("UV_DEFAULT_INDEX") }
        let scene = try Scene(.bubblewrap)
        let directory = "\(scene.workshop.state.packages)/test/environment"
        try Files.makeDirectories(directory, mode: 0o755)
        let site = InstallSite(directory: directory, store: scene.workshop.packages, progress: { _ in })
        let outcome = try site.run(["/usr/bin/env"], reach: .package)
        #expect(outcome.status.isSuccess, "\(outcome.explanation)")
        #expect(outcome.output.contains("UV_DEFAULT_INDEX=https://index.example/simple"))
        #expect(!outcome.output.contains("SECRET_OF_THE_GATEWAY"))
    }

    @Test("a tool that takes too long is ended with all that it has started")
    func slowTool() throws {
        let scene = try Scene(.none)
        let directory = "\(scene.workshop.state.packages)/test/slow"
        try Files.makeDirectories(directory, mode: 0o755)
        let site = InstallSite(directory: directory, store: scene.workshop.packages, progress: { _ in })
        let mark = "8767\(UInt32.random(in: 10_000...99_999))"
        let outcome = try site.run(
            ["/bin/sh", "-c", "echo begun; sleep \(mark) & sleep \(mark)"], reach: .package, seconds: 1)
        #expect(outcome.tookTooLong)
        #expect(outcome.explanation == "took too long\nbegun")
        #expect(processes(with: mark).isEmpty)
    }

    @Test("names of packages become names of directories that differ when anything differs")
    func directoryNames() {
        let name = DirectoryName.make(["@scope/../x", "1.0"])
        #expect(name.hasPrefix("_scope_.._x-1.0-"))
        #expect(!DirectoryName.make(["..", ""]).hasPrefix("."))
        #expect(DirectoryName.make(["a", "b"]) != DirectoryName.make(["a-b"]))
        #expect(
            PythonRecipe(PythonProgram(package: "a", version: "1")).key
                != PythonRecipe(PythonProgram(package: "a", version: "1", withOldSDK: true)).key)
    }
}

/// Installs nothing, and counts how often.
private final class CountingRecipe: PackageRecipe {
    let kind = "test"
    let key = "thing"
    let title = "a thing"
    let count = Atomic<Int>(0)
    private let failures: Int

    init(failures: Int = 0) { self.failures = failures }

    func package(_ directory: String, programs: [String]) -> InstalledPackage {
        InstalledPackage(kind: .node, root: directory, programs: programs)
    }

    func install(_ site: InstallSite) throws(LaunchFailure) -> InstalledPackage {
        let number = count.add(1, ordering: .relaxed).newValue
        guard number > failures else { throw LaunchFailure(message: "not today") }
        return package(site.directory, programs: ["one", "two"])
    }
}

@Suite("The size of a package whose code runs")
struct PackageSizeTests {
    @Test("files, directories and blocks count, what links lead to does not")
    func counting() throws {
        let directory = Scene.newDirectory()
        defer { try? Files.removeTree(directory) }
        try Files.makeDirectories("\(directory)/a/b", mode: 0o755)
        try Files.writeAtomically(
            [UInt8](repeating: 1, count: 100_000), to: "\(directory)/a/b/file", mode: 0o644)
        symlink("/usr", "\(directory)/a/link")
        let size = PackageSize(of: directory)
        #expect(size.files == 4 && size.excess == nil)
        #expect((100_000...200_000).contains(size.bytes))
        #expect(
            PackageSize(of: directory, most: (50_000, 10)).excess == "the package became larger than 0 MiB")
        #expect(PackageSize(of: directory, most: (1 << 20, 3)).excess == "the package has more than 3 files")
        #expect(PackageSize(of: "\(directory)/missing").excess == nil)
    }

    @Test("what lies too deep to be looked at is too much")
    func depth() throws {
        let directory = Scene.newDirectory()
        defer { try? Files.removeTree(directory) }
        let name = String(repeating: "d", count: 200)
        let script =
            "cd \(directory); i=0; while [ $i -lt 30 ]; do mkdir \(name); cd \(name); i=$((i+1)); done"
        let scene = try Scene(.none)
        let server = try scene.launch(.command(["/bin/sh", "-c", script]))
        #expect(server.exit() != nil)
        #expect(PackageSize(of: directory).excess?.contains("paths of") == true)
    }

    @Test(
        "callers' commands are not given the operator's credentials",
        arguments: [
            ("https://ada:b@index.example/simple", "https://index.example/simple"),
            ("http://a@b@proxy:3128", "http://proxy:3128"), ("ada:b@proxy:3128", "proxy:3128"),
            ("https://index.example/a@b", "https://index.example/a@b"), ("", ""),
        ])
    func credentials(_ url: String, _ expected: String) {
        #expect(InstallEnvironment.stripped(url) == expected)
    }

    @Test("a run that has become too much is ended, with the reason")
    func ended() throws {
        let scene = try Scene(.none)
        let starter = scene.workshop.starter
        let plan = StartPlan(
            command: ["/bin/sleep", "1000"], environment: [("PATH", "/bin")], jail: starter.jail(),
            directory: "/", mark: "install")
        var run = ToolRun(name: "sleep", plan: plan, seconds: 600)
        run.excess = { "the package became larger than 3 MiB" }
        let outcome = try run.perform(starter)
        #expect(outcome.wasStopped && !outcome.isGood && !outcome.tookTooLong)
        #expect(outcome.explanation == "the package became larger than 3 MiB")
    }
}
