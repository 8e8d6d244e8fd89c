import Testing
import Wire

@testable import Catalog

/// A value that `property` takes.
private func sample(_ property: ConfigProperty) -> JSONValue {
    if let choice = property.choices.first { return .string(choice) }
    if property.format == .path { return property.kind == .array ? ["/srv/a", "/srv/b"] : "/srv/a" }
    if property.format == .timezone { return "Europe/Berlin" }
    switch property.kind {
    case .string: return "text"
    case .integer: return 5
    case .number: return .number(2.5, text: "2.5")
    case .boolean: return true
    case .array: return ["one", "two"]
    }
}

private func settings(_ server: CatalogServer, _ isGiven: (ConfigProperty) -> Bool) -> JSONValue {
    var object = JSONObject()
    let needed = Set(server.requireAnyOf.first ?? [])
    for property in server.properties where isGiven(property) || needed.contains(property.name) {
        object[property.name] = sample(property)
    }
    return .object(object)
}

private func check(_ key: String, _ value: JSONValue) -> Result<ServerPlan, ConfigurationErrors> {
    var mcp = JSONObject()
    mcp[key] = value
    switch builtIn.check(.object(mcp), policy: policy) {
    case .success(let found):
        return found.plans.first.map { .success($0) } ?? .failure(ConfigurationErrors([]))
    case .failure(let errors): return .failure(errors)
    }
}

@Test("the built-in catalog has no mistake, and only settings that nothing uses are odd in it")
func builtInIsSound() {
    #expect(builtIn.servers.count == 358)
    #expect(builtIn.categories.count == 10)
    #expect(builtIn.warnings.allSatisfy { $0.contains("nothing refers to") }, "\(builtIn.warnings)")
    #expect(Set(builtIn.servers.map(\.category)) == Set(builtIn.categories.map(\.id)))
}

@Test("every entry is planned with what it requires", arguments: builtIn.servers.map(\.key))
func planned(_ key: String) throws {
    let server = try #require(builtIn.find(key))
    let plan = try check(key, settings(server, \.isRequired)).get()
    #expect(plan.key == key && plan.name == key)
    if server.runtimes.isEmpty {
        #expect(server.hasContainerTools)
        guard case .unavailable(let needs) = plan.source else {
            Issue.record("\(plan.source)")
            return
        }
        #expect(needs.contains("container"))
    } else if case .unavailable(let why) = plan.source {
        Issue.record("\(why)")
    }
}

@Test(
    "every entry is planned with all it takes, and every secret is known as one", arguments: Runtime.allCases)
func plannedWithAll(_ runtime: Runtime) throws {
    for server in builtIn.servers where server.runtimes.contains(runtime) {
        var mcp = JSONObject()
        var object = JSONObject()
        for property in server.properties {
            object[property.name] =
                property.isSecret ? .string("secret of \(property.name)") : sample(property)
        }
        mcp[server.key] = .object(object)
        let policy = PlanPolicy(runtimes: [runtime], homeDirectory: "/home/ada")
        let plan = try #require(try builtIn.check(.object(mcp), policy: policy).get().plans.first)
        let secrets = server.properties.filter(\.isSecret).map { "secret of \($0.name)" }
        #expect(Set(secrets).isSubset(of: plan.secrets), "\(server.key)")
        switch (runtime, plan.source) {
        case (.pypi, .pypi), (.npm, .npm), (.oci, .oci), (.remote, .remote): break
        default: Issue.record("\(server.key) \(runtime): \(plan.source)")
        }
    }
}

@Test("a missing required property is named", arguments: builtIn.servers.map(\.key))
func missing(_ key: String) throws {
    let server = try #require(builtIn.find(key))
    for property in server.properties where property.isRequired {
        let value = settings(server) { $0.isRequired && $0.name != property.name }
        guard case .failure(let errors) = check(key, value) else {
            Issue.record("\(key) without \(property.name)")
            continue
        }
        #expect(errors.mistakes.map(\.message) == ["\(key).\(property.name): required, and missing"])
    }
}

@Test("every alias leads to its server, and every alias of a property to the property")
func aliases() throws {
    for server in builtIn.servers {
        for alias in server.aliases { #expect(builtIn.find(alias)?.key == server.key) }
        for property in server.properties {
            for alias in property.aliases { #expect(server.property(alias)?.name == property.name) }
        }
        #expect(server.json["key"] == .string(server.key))
    }
}

@Test("E2B's keys and properties are accepted as E2B's clients write them")
func e2b() throws {
    #expect(E2BNames.servers.count == 265)
    for (key, properties) in E2BNames.servers {
        let server = try #require(builtIn.find(key), "\(key)")
        for all in [true, false] {
            var object = JSONObject()
            for property in properties where all || property.isRequired {
                let ours = try #require(server.property(property.name), "\(key).\(property.name)")
                object[property.name] = value(property, ours)
            }
            // The one property that is required here and not there: nothing works without it.
            if key == "slack" { object["botToken"] = "xoxb" }
            switch check(key, .object(object)) {
            case .success(let plan): #expect(plan.name == key && plan.key == server.key)
            case .failure(let errors): Issue.record("\(errors.mistakes.map(\.message))")
            }
        }
    }
}

/// A value of E2B's type that means something to us.
private func value(_ property: E2BNames.Property, _ ours: ConfigProperty) -> JSONValue {
    switch property.kind {
    case "i": return 5
    case "n": return .number(2.5, text: "2.5")
    case "b": return true
    case "a": return ours.format == .path ? ["/srv"] : ["one"]
    default:
        switch sample(ours) {
        case .string(let text): return .string(text)
        case .integer(let number): return .string("\(number)")
        case .number(_, let text): return .string(text)
        case .bool(let flag): return .string(flag ? "true" : "false")
        case .array(let elements): return elements.first ?? "one"
        case .null, .object: return "text"
        }
    }
}

@Test("servers of the seed are called by their several names")
func seedNames() {
    for (name, key) in [
        ("github", "github-official"), ("githubOfficial", "github-official"), ("SQLite", "sqlite"),
        ("jira", "atlassian"), ("playwright", "playwright"), ("pythonInterpreter", "code-interpreter"),
        ("youtubeTranscript", "youtube-transcript"), ("awsCdk", "aws-cdk"),
    ] { #expect(builtIn.find(name)?.key == key, "\(name)") }
    #expect(builtIn.find("Time") == nil)
}

@Test("what is searched is found by name, tag and summary, every word of it")
func search() {
    let redis = builtIn.search("redis").map(\.key)
    #expect(redis.contains("redis") && redis.count < 20)
    #expect(builtIn.search("TIME zones").map(\.key).contains("time"))
    #expect(builtIn.search("no-such-thing-anywhere").isEmpty)
    #expect(builtIn.search("").count == builtIn.servers.count)
}

@Test(
    "servers of well-known services reach these, and no more, where the network is listed",
    arguments: [
        ("brave", ["api.search.brave.com:443"]), ("exa", ["api.exa.ai:443"]), ("slack", ["slack.com:443"]),
        ("notion", ["api.notion.com:443"]), ("tavily", ["api.tavily.com:443"]),
        ("google-maps", ["maps.googleapis.com:443"]), ("sentry", ["sentry.io:443"]),
        ("stripe", ["api.stripe.com:443", "mcp.stripe.com:443"]),
        ("perplexity-ask", ["api.perplexity.ai:443"]),
        ("airtable", ["api.airtable.com:443", "content.airtable.com:443"]),
    ])
func hostsOfServices(_ key: String, _ hosts: [String]) throws {
    let server = try #require(builtIn.find(key))
    #expect(try check(key, settings(server, \.isRequired)).get().allowedHosts == hosts)
}

@Test("a service at an address of its owner's is reached there too")
func hostsOfOwnServices() throws {
    let plan = try check("gitlab", ["personalAccessToken": "t", "url": "https://git.internal:8443/api/v4"])
        .get()
    #expect(plan.allowedHosts == ["gitlab.com:443", "git.internal:8443"])
}
