import ArgumentParser
import Gateway
import Sandbox
import System
import Wire

/// `doctor`: what this host can and cannot do, and what to install.
struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what this host can do for the gateway and what to install.",
        discussion: """
            Looks at kernel features, namespaces, cgroups, bubblewrap, package and container tools and limits of \
            file descriptors. Exit code 1 when something is missing.

              mcp-gateway doctor
              mcp-gateway doctor --state-dir /var/lib/mcp-gateway --json
            """)

    @Option(
        help: .init(
            "Where the gateway would keep its files. (default: \(StateDirectory.shown))", valueName: "dir"))
    var stateDir: String?

    @Flag(help: "Print JSON.")
    var json = false

    func run() throws {
        let stateDirectory = stateDir ?? StateDirectory.local(.current)
        let checks = HostReport.examine(stateDirectory: stateDirectory) + [Self.poller]
        if json {
            Output.json(.array(checks.map(Self.object)))
        } else {
            var table = Table("", "CHECK", "WHAT WAS FOUND")
            for check in checks { table.add(check.ok ? "ok" : "NO", check.name, check.detail) }
            table.show()
            for check in checks where !check.ok {
                if let remedy = check.remedy { print("\n\(check.name): \(Output.printable(remedy))") }
            }
        }
        if !checks.allSatisfy(\.ok) { throw ExitCode.failure }
    }

    /// Epoll is there always, so that the absence of io_uring is no fault of the host.
    private static var poller: HostReport.Check {
        return HostReport.Check(
            name: "poller", ok: true,
            detail: PollerChoice.uringRefusal(loops: max(CPUSet.allowed.count, 1)).map { "epoll; \($0)" }
                ?? "io_uring")
    }

    private static func object(_ check: HostReport.Check) -> JSONValue {
        var object = JSONObject()
        object["name"] = .string(check.name)
        object["ok"] = .bool(check.ok)
        object["detail"] = .string(check.detail)
        object["remedy"] = check.remedy.map(JSONValue.string)
        return .object(object)
    }
}
