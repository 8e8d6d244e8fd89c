import System
import Testing
import Wire

@testable import Catalog

private let bounded: PlanPolicy = {
    var bounded = policy
    bounded.resources.standard[.serverMemory] = 1 << 30
    bounded.resources.maximum[.serverMemory] = 4 << 30
    bounded.resources.maximum[.serverCPUs] = 150
    return bounded
}()

private func resources(_ limits: String, _ policy: PlanPolicy = bounded) throws -> ResourceLimits {
    try builtIn.check(try json(#"{"$gateway":{"limits":\#(limits)}}"#), policy: policy).get().options
        .resources
}

@Test("a sandbox that says nothing has the operator's limits")
func standardResources() throws {
    #expect(
        try builtIn.check(try json("{}"), policy: bounded).get().options.resources
            == bounded.resources.standard)
    #expect(try resources("{}") == bounded.resources.standard)
}

@Test("a sandbox may have other limits, up to the operator's maximum")
func ownResources() throws {
    let own = try resources(
        #"{"server-memory":"4GiB","server-cpus":0.5,"server-processes":9,"sandbox-memory":268435456}"#)
    #expect(own[.serverMemory] == 4 << 30 && own[.serverCPUs] == 50 && own[.serverProcesses] == 9)
    #expect(own[.sandboxMemory] == 256 << 20)
    #expect(own[.sandboxDisk] == ResourceLimit.sandboxDisk.standard)
}

@Test(
    "a limit above the maximum, below the least or of no form is named",
    arguments: [
        (
            #"{"server-memory":"5GiB"}"#,
            "limits.server-memory: is more than this gateway's operator allows, which is 4GiB"
        ),
        (
            #"{"server-cpus":2}"#,
            "limits.server-cpus: is more than this gateway's operator allows, which is 1.5"
        ),
        (#"{"server-memory":"1MiB"}"#, "limits.server-memory: must be at least 16MiB"),
        (#"{"sandbox-disk":0}"#, "limits.sandbox-disk: must be at least 1MiB"),
        (#"{"server-memory":-1}"#, "limits.server-memory: must be a size such as"),
        (#"{"server-cpus":1e300}"#, "limits.server-cpus: must be a number of CPUs"),
        (#"{"server-cpus":null}"#, "limits.server-cpus: must be a number of CPUs"),
        (#"{"server-memry":"1GiB"}"#, #"limits.server-memry: unknown limit; did you mean "server-memory"?"#),
        ("[]", "limits: must be an object, not an array"),
    ])
func wrongResources(_ limits: String, _ words: String) throws {
    let told = try mistakes(#"{"$gateway":{"limits":\#(limits)}}"#, policy: bounded)
    #expect(told.count == 1 && told.first?.contains(words) == true, "\(told)")
}

@Test("where the operator limits no disk, a sandbox may have any")
func unlimitedDisk() throws {
    var open = policy
    open.resources.standard[.sandboxDisk] = 0
    open.resources.maximum[.sandboxDisk] = 0
    #expect(try resources("{}", open)[.sandboxDisk] == 0)
    #expect(try resources(#"{"sandbox-disk":"64GiB"}"#, open)[.sandboxDisk] == 64 << 30)
}

@Test("a server may have limits of its own, within the operator's maximum")
func ownResourcesOfAServer() throws {
    let options = #"{"limits":{"server-memory":"2GiB"},"servers":{"a":{"limits":{"server-memory":"4GiB"}}}}"#
    let both = try builtIn.check(
        try json(#"{"a":{"command":["x"]},"b":{"command":["x"]},"$gateway":\#(options)}"#), policy: bounded
    ).get()
    #expect(both.plans.map(\.options.limits) == [[.serverMemory: 4 << 30], [:]])
    let effective = both.plans.map { both.options.resources.with($0.options.limits)[.serverMemory] }
    #expect(effective == [4 << 30, 2 << 30])
}

@Test(
    "a mistake in a server's limits is named",
    arguments: [
        (#"{"server-memory":"5GiB"}"#, "server-memory: is more than this gateway's operator allows"),
        (
            #"{"sandbox-memory":"1GiB"}"#,
            "sandbox-memory: is of the sandbox as a whole: it belongs to $gateway.limits"
        ),
        (#"{"server-memry":"1GiB"}"#, #"server-memry: unknown limit; did you mean "server-memory"?"#),
        ("1", "limits: must be an object, not an integer"),
    ])
func wrongResourcesOfAServer(_ limits: String, _ words: String) throws {
    let told = try mistakes(
        #"{"a":{"command":["x"]},"$gateway":{"servers":{"a":{"limits":\#(limits)}}}}"#, policy: bounded)
    #expect(told.count == 1 && told.first?.contains("$gateway.servers.a.limits") == true, "\(told)")
    #expect(told.first?.contains(words) == true, "\(told)")
}
