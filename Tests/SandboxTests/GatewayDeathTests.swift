import CEpollShim
import Glibc
import System
import Testing

@testable import Sandbox

/// What happens to servers when the process that has started them is killed: a second copy of this test program
/// plays the gateway.
@Suite("Death of the gateway")
struct GatewayDeathTests {
    static let role = "MCP_GATEWAY_TEST_VICTIM"

    @Test("SIGKILL of the gateway ends its servers and all they have started", arguments: WorkshopTests.both)
    func kill(isolation: IsolationChoice) throws {
        let mark = "8768\(UInt32.random(in: 10_000...99_999))"
        let directory = Scene.newDirectory()
        defer { try? Files.removeTree(directory) }
        let start = ProcessStart(
            program: "/proc/self/exe",
            arguments: [
                CommandLine.arguments[0], "--testing-library", "swift-testing", "--filter", "playGateway",
            ],
            environment: [
                (Self.role, "\(isolation.rawValue) \(mark) \(directory)"), ("PATH", Executable.systemPath),
            ],
            forbidsNewPrivileges: false)
        let gateway = SpawnedChild(try start.run(), .warden)
        var output = OutputTail(limit: 1 << 16)
        while !String(decoding: output.bytes, as: UTF8.self).contains("servers run") {
            try #require(ce_wait_readable(gateway.stdout, -1, Running.limitMilliseconds) > 0)
            let isOpen = output.read(gateway.stdout)
            try #require(isOpen, "\(String(decoding: output.bytes, as: UTF8.self))")
        }
        let watched = processes(with: mark).map { ce_pidfd_open($0) }
        #expect(watched.count >= 4)
        _ = ce_pidfd_signal(gateway.pidfd, SIGKILL)
        for pidfd in watched where pidfd >= 0 {
            #expect(ce_wait_readable(pidfd, -1, Running.limitMilliseconds) > 0)
            ce_close(pidfd)
        }
        #expect(processes(with: mark).isEmpty)
        _ = ce_wait_readable(gateway.pidfd, -1, Running.limitMilliseconds)
        gateway.killAndReap()
        // The next gateway finds its files and removes them.
        let configuration = WorkshopConfiguration(stateDirectory: "\(directory)/state", isolation: isolation)
        try Workshop(configuration).close()
        #expect(try Files.list("\(directory)/state/sandboxes").isEmpty)
    }

    @Test("(the gateway that is killed)", .enabled(if: getenv(GatewayDeathTests.role) != nil))
    func playGateway() throws {
        let words = try #require(Executable.variable(Self.role)).split(separator: " ").map(String.init)
        let isolation = try #require(IsolationChoice(rawValue: words[0]))
        let scene = try Scene(isolation, directory: words[2])
        let servers = try (0..<2).map { _ in try scene.python(WorkshopTests.daemon(words[1])) }
        for server in servers { #expect(server.line() == "ready") }
        print("servers run")
        fflush(nil)
        _ = servers[0].exit()
    }
}
