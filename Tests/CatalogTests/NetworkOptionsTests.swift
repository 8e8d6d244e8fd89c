import System
import Testing
import Wire

@testable import Catalog

private let bounded: PlanPolicy = {
    var bounded = policy
    bounded.network = NetworkPolicy(.none, upTo: .listed)
    return bounded
}()

private func network(_ text: String, _ policy: PlanPolicy) throws -> NetworkChoice? {
    try builtIn.check(try json(#"{"$gateway":{"network":\#(text)}}"#), policy: policy).get().options.network
}

private func refused(_ text: String, _ policy: PlanPolicy) throws -> [String] {
    try mistakes(#"{"$gateway":{"network":\#(text)}}"#, policy: policy)
}

@Test("a sandbox that says nothing of its network leaves it to the operator")
func unsaidNetwork() throws {
    #expect(try builtIn.check(try json(#"{"$gateway":{}}"#), policy: bounded).get().options.network == nil)
}

@Test("a network up to the maximum is taken, more is refused with both names")
func boundedNetwork() throws {
    #expect(try network(#""none""#, bounded) == NetworkChoice.none)
    #expect(try network(#""listed""#, bounded) == .listed)
    for more in ["proxy", "host"] {
        let words = [
            #"$gateway.network: "\#(more)" is more than this gateway's operator allows, which is "listed""#
        ]
        #expect(try refused(#""\#(more)""#, bounded) == words)
    }
}

@Test(
    "what is no network is told the four that there are", arguments: [#""all""#, "1", "null", #"["none"]"#])
func noNetwork(_ text: String) throws {
    let told = try refused(text, policy)
    #expect(told == [#"$gateway.network: must be one of "none", "listed", "proxy", "host""#])
}

@Test("where no networks can be made, only the host's is to be had")
func noNetworks() throws {
    var plain = policy
    plain.networkObstacle = "they need root"
    #expect(try network(#""host""#, plain) == .host)
    #expect(
        try refused(#""none""#, plain) == [#"$gateway.network: "none" cannot be had here: they need root"#])
}

@Test("a server may have no network at all, and no other than its sandbox's")
func serverNetwork() throws {
    let off = #"{"a":{"command":["x"]},"$gateway":{"servers":{"a":{"network":"none"}}}}"#
    #expect(try plan(off).options.isOffline)
    let other = off.replacing("none", with: "host")
    #expect(try mistakes(other).first?.hasPrefix("$gateway.servers.a.network: must be \"none\"") == true)
    var open = policy
    open.isIsolated = false
    #expect(try mistakes(off, policy: open).first?.contains("servers have no jails") == true)
    let remote = #"{"a":{"url":"https://x.example/mcp"},"$gateway":{"servers":{"a":{"network":"none"}}}}"#
    #expect(try mistakes(remote).first?.contains("reached by the gateway itself") == true)
}

@Test("variables of all servers name hosts as settings do; a secret that looks like one is none")
func variableHosts() {
    let hosts = CommonVariables.hosts(of: [
        ("DB", "postgres://ada:pw@db.internal:5432/x"), ("CACHE", "cache:6379"), ("API_KEY", "ada:1234"),
        ("TOKEN_URL", "https://login.example.com/"), ("PLAIN", "hello"),
    ])
    #expect(hosts == ["db.internal:5432", "cache:6379", "login.example.com:443"])
    let secrets = CommonVariables.secrets(of: [
        ("DB", "postgres://ada:pw@db/x"), ("API_KEY", "k"), ("A", "b"),
    ])
    #expect(secrets == ["pw", "k"])
}
