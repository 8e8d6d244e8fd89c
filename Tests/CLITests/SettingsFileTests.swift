import Testing

@testable import CLI
import Gateway
import System

@Suite struct SettingsFileTests {
    private func parse(_ text: String) throws -> Settings {
        try SettingsFile.parse(Array(text.utf8), file: "folder/file.yaml")
    }

    private func mistakes(_ text: String) -> [FileMistake] {
        do {
            _ = try parse(text)
            return []
        } catch {
            return (error as? FileMistakes)?.mistakes ?? []
        }
    }

    @Test("every key of the README is read") func allKeys() throws {
        let settings = try parse(
            """
            listen: [127.0.0.1:8080, "[::1]:8081"]
            admin-listen: none
            public-url: https://mcp.example.com/
            domain: mcp.example.com:8443
            workers: 2
            poller: epoll
            state-dir: state
            isolation: none
            network: listed..proxy
            server-idle: 60..never
            keep-warm: [time, git]
            egress-hosts: [api.example.com:443, "*.example.org:443", "*:8443"]
            allow-private-egress: [db.internal, 127.0.0.1:5432, 10.1.0.0/16]
            api-key-file: /etc/keys
            tls-cert: a.pem
            tls-key: a.key
            tls: [{cert: b.pem, key: b.key}]
            log-level: debug
            log-format: json
            catalogs: [ours.json, /their.json]
            allowed-origins: ["*", https://app.example.com]
            allowed-hosts: [mcp.example.com]
            allow-private-remotes: [mcp.internal, 10.1.2.3:8000]
            allow-custom-servers: false
            limits: {call-seconds: 7, request-body-bytes: 2048, idle-seconds: 5, sandboxes: 9, sandboxes-per-key: 3,
              timeout-seconds: 60}
            """)
        #expect(settings.listen == [.init(host: "127.0.0.1", port: 8080), .init(host: "::1", port: 8081)])
        #expect(settings.adminListen == .off)
        #expect(settings.publicURL == "https://mcp.example.com")
        #expect(settings.domain == "mcp.example.com:8443")
        #expect(settings.workers == 2)
        #expect(settings.stateDirectory == "folder/state")
        #expect(settings.network == NetworkPolicy(.listed, upTo: .proxy))
        #expect(settings.idle == IdlePolicy(60, upTo: 0))
        #expect(settings.keepWarm == ["time", "git"])
        let hosts = ["api.example.com:443", "*.example.org:443", "*:8443"]
        #expect(settings.egressHosts == hosts.compactMap { HostPattern($0) })
        #expect(settings.allowedPrivateHosts != nil && settings.allowedPrivateHosts != PrivateHosts())
        #expect(settings.apiKeyFile == "/etc/keys")
        #expect(settings.certificates == [.init(certificateFile: "folder/b.pem", keyFile: "folder/b.key")])
        #expect(settings.catalogs == ["folder/ours.json", "/their.json"])
        #expect(settings.allowedOrigins == ["*", "https://app.example.com"])
        #expect(settings.allowedPrivateRemotes == ["mcp.internal", "10.1.2.3:8000"])
        #expect(settings.allowsCustomServers == false)
        #expect(settings.limits?.callSeconds == 7)
        #expect(settings.limits?.timeoutSeconds == 60)
    }

    @Test(
        "an empty file and a key without a value say nothing",
        arguments: ["", "# nothing\n", "workers:\n", "---\n"])
    func nothing(_ text: String) throws {
        #expect(try parse(text) == Settings())
    }

    @Test(
        "each mistake is named with its line and key",
        arguments: [
            ("lissten: 127.0.0.1:1", 1, "lissten"), ("workers: 1\n\nworkers: 2", 3, "workers"),
            ("workers: many", 1, "workers"), ("workers: -1", 1, "workers"), ("workers: [1]", 1, "workers"),
            ("listen:\n  - 127.0.0.1:80\n  - 127.0.0.1:99999", 3, "listen"),
            ("listen: example.com:80", 1, "listen"),
            ("listen: 127.0.0.1", 1, "listen"), ("listen: [[1]]", 1, "listen"),
            ("listen: [127.0.0.1:80, 127.0.0.1:80]", 1, "listen"), ("isolation: perhaps", 1, "isolation"),
            ("log-format: xml", 1, "log-format"), ("public-url: mcp.example.com", 1, "public-url"),
            ("public-url: https://a@b", 1, "public-url"), ("domain: https://x", 1, "domain"),
            ("allow-custom-servers: perhaps", 1, "allow-custom-servers"),
            ("limits:\n  call-second: 1", 2, "limits.call-second"),
            ("limits:\n  call-seconds: 0", 2, "limits.call-seconds"),
            ("limits: 3", 1, "limits"), ("limits:\n  sandboxes: 1\n  sandboxes: 2", 3, "limits.sandboxes"),
            ("tls:\n  - cert: a", 2, "tls"), ("tls: x", 1, "tls"),
            ("tls:\n  - {cert: a, kez: b}", 2, "tls.kez"),
            ("tls-cert: a.pem", 1, "tls-key"), ("- a", 1, ""), ("api-keys: [x]", 1, "api-keys"),
        ])
    func mistake(_ text: String, _ line: Int, _ key: String) {
        let found = mistakes(text)
        #expect(found.first.map { $0.line == line && $0.key == key } == true, "\(found)")
    }

    @Test("all mistakes are told at once, and the nearest key") func all() {
        let found = mistakes("wokers: 2\nlog-level: shout\nisolation: x\n")
        #expect(found.map(\.line) == [1, 2, 3])
        #expect(found.first?.message.contains("workers") == true)
        #expect(found.first?.description.hasPrefix("folder/file.yaml:1: wokers: ") == true)
    }

    @Test(
        "what is no YAML, or YAML that is not read here, is named with its line",
        arguments: [
            ("workers: 2\n\t- [\n", 2), ("a: &x 1\nb: *x\n", 2), ("workers: 1\n---\nworkers: 2\n", 2),
            ("? [a]\n: 1\n", 1), ("a: \"\n", 2),
        ])
    func noYAML(_ text: String, _ line: Int) {
        #expect(mistakes(text).first?.line == line, "\(mistakes(text))")
    }

    @Test(
        "networks and times of rest are one value, or a default and a maximum",
        arguments: [
            ("network: proxy..listed", "has a maximum below its default"),
            ("network: listed..", "must be none"),
            ("network: none..all", "must be none, listed, proxy, host"),
            ("server-idle: 0", "must be a whole number from 1"),
            ("server-idle: 10..5", "has a maximum below its default"),
            ("server-idle: never..5", "has a maximum below its default"),
            ("server-idle: soon", "must be a whole number"),
        ])
    func ranges(_ text: String, _ words: String) {
        let found = mistakes("# a comment\n" + text)
        #expect(found.map(\.line) == [2] && found.first?.message.contains(words) == true, "\(found)")
    }

    @Test("a time of rest may be none at all") func neverIdle() throws {
        #expect(try parse("server-idle: never").idle == IdlePolicy(0))
        #expect(try parse("server-idle: 5").idle == IdlePolicy(5))
        #expect(try parse("server-idle: 5..10").idle == IdlePolicy(5, upTo: 10))
    }

    @Test("depth has a limit and costs no recursion") func depth() {
        let deep = String(repeating: "[", count: 100_000)
        #expect(mistakes("listen: " + deep).first?.message.contains("nested") == true)
    }

    @Test("mistakes of what servers reach are told with line and key") func egress() {
        let found = mistakes(
            """
            network: everything
            egress-hosts: [api.example.com, "*.*:443"]
            allow-private-egress: [10.0.0.0/40, db.internal]
            """)
        #expect(found.map(\.line) == [1, 2, 2, 3])
        #expect(found.map(\.key) == ["network", "egress-hosts", "egress-hosts", "allow-private-egress"])
        #expect(found.first?.message.contains("none, listed, proxy, host") == true)
        #expect(found.last?.message.contains("10.1.0.0/16") == true)
    }
}
