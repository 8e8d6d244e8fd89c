import Testing

@testable import Catalog

private let settings = Settings([
    "host": .text("db"), "ssl": .flag(true), "off": .flag(false), "paths": .list(["/a", "/b"]),
    "one": .list(["x"]),
])

private func template(_ text: String) throws -> Template { try Template(parsing: text) }

@Test(
    "in a variable or header an unset value leaves the entry out and an array is joined with commas",
    arguments: [
        ("plain", "plain"), ("", ""), ("${config.host}", "db"), ("${config.host}:${config.host}", "db:db"),
        ("Bearer ${config.unset}", nil), ("${config.paths}", "/a,/b"), ("${config.ssl}", "true"),
        ("${config.off}", "false"), ("$${config.host}", "${config.host}"), ("cost $5 $", "cost $5 $"),
        ("$$${config.host}", "$${config.host}"), ("$ {config.host}", "$ {config.host}"),
        ("{{host}}", "{{host}}"), ("a}b", "a}b"),
    ] as [(String, String?)])
func joined(_ text: String, _ expected: String?) throws {
    #expect(try template(text).joined(settings) == expected)
}

@Test(
    "an argument is left out when a value is unset, and repeated for an array",
    arguments: [
        ("--fixed", ["--fixed"]), ("--host=${config.host}", ["--host=db"]), ("--x=${config.unset}", []),
        ("${config.paths}", ["/a", "/b"]), ("--p=${config.paths}", ["--p=/a", "--p=/b"]),
        ("${config.paths}:${config.paths}", ["/a:/a", "/b:/b"]), ("${config.host}${config.one}", ["dbx"]),
        ("${config.off}", ["false"]),
    ] as [(String, [String])])
func repeated(_ text: String, _ expected: [String]) throws {
    #expect(Argument.one(try template(text)).filled(settings) == expected)
}

@Test("a group is left out or repeated as a whole")
func groups() throws {
    func group(_ texts: String...) throws -> [String] {
        Argument.group(try texts.map(template)).filled(settings)
    }
    #expect(try group("--port", "${config.unset}") == [])
    #expect(try group("--host", "${config.host}") == ["--host", "db"])
    #expect(try group("-v", "${config.paths}") == ["-v", "/a", "-v", "/b"])
    #expect(
        try group("--set", "${config.host}", "${config.paths}") == ["--set", "db", "/a", "--set", "db", "/b"])
}

@Test("a condition holds for a true boolean alone")
func conditions() throws {
    func when(_ flag: String) throws -> [String] {
        Argument.when(
            flag, [try template("--flag"), try template("${config.unset}"), try template("${config.paths}")]
        )
        .filled(settings)
    }
    #expect(try when("ssl") == ["--flag", "/a", "/b"])
    #expect(try when("off") == [])
    #expect(try when("unset") == [])
    #expect(try when("host") == [])
}

@Test("values are inserted as text: what looks like a reference or a shell's syntax in them is neither")
func noSecondReading() throws {
    let settings = Settings(["a": .text("${config.b} $(id) `id` ; x"), "b": .text("secret")])
    #expect(try template("<${config.a}>").joined(settings) == "<${config.b} $(id) `id` ; x>")
    #expect(Argument.one(try template("${config.a}")).filled(settings) == ["${config.b} $(id) `id` ; x"])
}

@Test(
    "other references are refused",
    arguments: [
        "${host}", "${config.}", "${env.HOME}", "${config.host", "${", "x${input.a}", "${}",
    ])
func wrong(_ text: String) {
    #expect(throws: Template.Mistake.self) { try template(text) }
}

@Test("volumes repeat source and target together, and a user that is unset is left out")
func volumesAndUser() throws {
    let config = """
        [{"name": "paths", "type": "array", "items": "string", "format": "path"}, {"name": "uid", "type": "string"}]
        """
    let run = """
        "run": {"oci": {"image": "mcp/x", "user": "${config.uid}", "args": ["${config.paths}"], "volumes": [
          {"kind": "bind", "source": "${config.paths}", "target": "/mnt${config.paths}", "readOnly": true},
          {"kind": "volume", "source": "cache", "target": "/cache"}]}}
        """
    let own = try catalog(entry(config: config, run))
    guard case .oci(let image) = try plan(#"{"own": {"paths": ["/a", "/b"]}}"#, in: own).source else {
        Issue.record("not an image")
        return
    }
    #expect(image.arguments == ["/a", "/b"])
    #expect(
        image.volumes == [
            .init(source: "/a", target: "/mnt/a", readOnly: true, kind: .bind),
            .init(source: "/b", target: "/mnt/b", readOnly: true, kind: .bind),
            .init(source: "cache", target: "/cache", readOnly: false, kind: .volume),
        ])
    #expect(image.user == nil)
    guard case .oci(let bare) = try plan(#"{"own": {"uid": 1000}}"#, in: own).source else { return }
    #expect(bare.user == "1000" && bare.volumes.count == 1 && bare.arguments.isEmpty)
}

@Test("in a URL values are percent-encoded, and the URL's secret is known")
func remoteURL() throws {
    let plan = try plan(
        #"{"brightdata": {"apiToken": "a b&c=é/?#"}}"#, policy: PlanPolicy(runtimes: [.remote]))
    guard case .remote(let endpoint) = plan.source else {
        Issue.record("\(plan.source)")
        return
    }
    #expect(endpoint.url == "https://mcp.brightdata.com/mcp?token=a%20b%26c%3D%C3%A9%2F%3F%23")
    #expect(plan.secrets == ["a b&c=é/?#"])
}
