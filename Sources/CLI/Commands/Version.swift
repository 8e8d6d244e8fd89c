import ArgumentParser
import CBuildInfo
import Gateway
import Wire

/// `version`: what this program was built from.
struct Version: ParsableCommand {
    static let number = "0.9.0"

    static let configuration = CommandConfiguration(
        abstract: "Print version, commit, Swift version, pollers of this host and TLS library.",
        discussion: """
              mcp-gateway version
              mcp-gateway version --json
            """)

    @Flag(help: "Print JSON.")
    var json = false

    func run() {
        let facts: [(name: String, value: String)] = [
            ("mcp-gateway", Self.number), ("commit", String(cString: cb_commit())), ("Swift", Self.compiler),
            ("poller", Self.pollers), ("TLS", String(cString: cb_tls_library())),
        ]
        if json {
            var object = JSONObject()
            for fact in facts { object[fact.name] = .string(fact.value) }
            return Output.json(.object(object))
        }
        Output.pairs(facts)
    }

    /// Those that this host has, the default first.
    private static var pollers: String {
        PollerChoice.uringRefusal(loops: 1) == nil ? "io_uring, epoll" : "epoll"
    }

    private static var compiler: String {
        #if compiler(>=6.4)
            "6.4 or newer"
        #elseif compiler(>=6.3)
            "6.3"
        #else
            "6.2"
        #endif
    }
}
