import Testing

@testable import Catalog

@Test("a package is planned with version, command, arguments and bounds")
func pythonPackages() throws {
    let redis = try plan(#"{"redis": {"host": "127.0.0.1", "port": "6379", "password": "pw", "ssl": false}}"#)
    #expect(
        redis.source
            == .pypi(
                PythonPackage(
                    package: "redis-mcp-server", version: "0.5.1",
                    arguments: ["--host", "127.0.0.1", "--port", "6379"])))
    #expect(redis.environment == [.init(name: "REDIS_PWD", value: "pw")])
    #expect(redis.secrets == ["pw"])
    guard
        case .pypi(let postgres) = try plan(#"{"postgres-pro": {"url": "postgresql://u:p@h/d"}}"#)
            .source
    else {
        Issue.record("not a package")
        return
    }
    #expect(postgres.overrides == ["pglast==7.22"] && postgres.constraints == ["mcp<2"])
    #expect(postgres.requiresPython != nil)
}

@Test("the operator's order of runtimes decides, and what is missing in it is not used")
func order() throws {
    func source(_ runtimes: [Runtime]) throws -> Source {
        try plan(#"{"fetch": {}}"#, policy: PlanPolicy(runtimes: runtimes)).source
    }
    if case .pypi = try source(PlanPolicy.defaultRuntimes) {} else { Issue.record("pypi first") }
    if case .oci = try source([.oci, .pypi]) {} else { Issue.record("oci first") }
    guard case .unavailable(let needs) = try source([.remote]) else {
        Issue.record("available")
        return
    }
    #expect(needs.hasPrefix("packages of PyPI or a container engine (podman or docker), which"))
    // Where no container engine is, an entry with a hosted endpoint is reached there.
    let remote = try plan(
        #"{"github": {"token": "ghp_x"}}"#, policy: PlanPolicy(runtimes: [.pypi, .npm, .remote]))
    #expect(
        remote.source
            == .remote(
                RemoteEndpoint(
                    transport: .streamableHTTP, url: "https://api.githubcopilot.com/mcp/",
                    headers: [.init(name: "Authorization", value: "Bearer ghp_x")])))
}

@Test("a hosted server without its token says whose authorization it needs")
func oauth() throws {
    func endpoint(_ settings: String) throws -> RemoteEndpoint? {
        if case .remote(let endpoint) = try plan("{\"asana\": \(settings)}").source { return endpoint }
        return nil
    }
    #expect(try endpoint("{}")?.needsOAuth == "asana")
    #expect(try endpoint("{}")?.headers == [])
    let own = try endpoint(#"{"personalAccessToken": "t"}"#)
    #expect(own?.needsOAuth == nil && own?.headers == [.init(name: "Authorization", value: "Bearer t")])
}

@Test("what is known of a server's network holds for its package too")
func network() throws {
    #expect(try plan(#"{"filesystem": {"paths": ["/w"]}}"#).noNetwork)
    #expect(try plan(#"{"duckduckgo": {}}"#).allowedHosts == ["html.duckduckgo.com:443"])
    let kafka = try plan(#"{"kafka-schema-reg": {"registryUrl": "http://registry.internal:8081/x"}}"#)
    #expect(kafka.allowedHosts == ["*:8081", "*:443", "registry.internal:8081"])
    let redis = try plan(#"{"redis": {"host": "h"}}"#)
    #expect(redis.allowedHosts == nil && !redis.noNetwork)
}

@Test("paths that the program is told of are known, and no others")
func hostPaths() throws {
    #expect(try plan(#"{"git": {"paths": ["/a", "~/b"]}}"#).hostPaths == ["/a", "/home/ada/b"])
    #expect(try plan(#"{"sqlite": {"dbPath": "/data/x.db"}}"#).hostPaths == ["/data/x.db"])
    #expect(try plan(#"{"time": {}}"#).hostPaths == [])
}

@Test("a plan keeps its launch as long as nothing of it changes")
func sameLaunch() throws {
    let mcp = #"{"time": {"localTimezone": "UTC"}}"#
    #expect(try plan(mcp).isSameLaunch(as: plan(#"{"time": {"timezone": "UTC"}}"#)))
    #expect(try !plan(mcp).isSameLaunch(as: plan(#"{"time": {"timezone": "Europe/Berlin"}}"#)))
    #expect(
        try !plan(#"{"atlassian": {"jiraUrl": "u"}}"#).isSameLaunch(as: plan(#"{"jira": {"jiraUrl": "u"}}"#)))
}

@Test("a line break in what becomes a header is refused")
func headerInjection() throws {
    let found = try mistakes(#"{"asana": {"accessToken": "x\r\nX-Other: y"}}"#)
    #expect(found == ["asana.accessToken: is sent in a header and must not contain control characters"])
}

@Test("what is to be fetched is known without settings")
func program() throws {
    #expect(
        builtIn.find("time")?.program()
            == .pypi(PythonPackage(package: "mcp-server-time", version: "2026.10.19")))
    guard case .unavailable = builtIn.find("curl")?.program() else {
        Issue.record("curl can be fetched")
        return
    }
}
