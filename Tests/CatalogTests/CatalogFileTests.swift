import Testing
import Wire

@testable import Catalog

private let pypi = #""run": {"pypi": {"package": "own", "version": "1.0"}}"#

private func entry(_ changes: String...) -> String {
    var object = JSONObject()
    let text = #"{"key": "own", "title": "Own", "category": "special", "summary": "One of ours.", \#(pypi)}"#
    for text in [text] + changes {
        for member in (try? json(text))?.objectValue ?? JSONObject() {
            object[member.name] = member.value.isNull ? nil : member.value
        }
    }
    return String(decoding: JSONValue.object(object).serialized(), as: UTF8.self)
}

@Test("a small entry is enough")
func small() throws {
    let own = try catalog(entry())
    #expect(own.servers.map(\.key) == ["own"] && own.warnings.isEmpty)
    #expect(own.find("own")?.status == .active)
    #expect(own.find("own")?.runtimes == [.pypi])
}

@Test(
    "each mistake names file, entry and field",
    arguments: [
        (#"{"key": "Not A Key"}"#, #"own.json: servers[0] "Not A Key": key: "Not A Key" is not words of"#),
        (#"{"key": null}"#, "own.json: servers[0]: key: required, and missing"),
        (#"{"key": 5}"#, "own.json: servers[0]: key: must be a string, not an integer"),
        (#"{"title": 5}"#, #"own.json: servers[0] "own": title: must be a string, not an integer"#),
        (#"{"title": ""}"#, #"own.json: servers[0] "own": title: must not be empty"#),
        (#"{"category": "other"}"#, #"own.json: servers[0] "own": category: "other" is not one of"#),
        (
            #"{"status": "dead"}"#,
            #"own.json: servers[0] "own": status: "dead" is not one of active, archived, unverified"#
        ),
        (#"{"summary": null}"#, #"own.json: servers[0] "own": summary: required"#),
        (#"{"homepage": "ftp://x"}"#, #"own.json: servers[0] "own": homepage: must begin with https://"#),
        (#"{"aliases": ["a b"]}"#, #"own.json: servers[0] "own": aliases[0]: "a b" is not a name"#),
        (#"{"aliases": "x"}"#, #"own.json: servers[0] "own": aliases: must be an array, not a string"#),
        (#"{"aliases": ["own"]}"#, #"own.json: servers[0] "own": key: "own" names "own" too"#),
        (#"{"aliases": ["x", "x"]}"#, #"own.json: servers[0] "own": aliases: "x" names "own" too"#),
        (#"{"run": null}"#, #"own.json: servers[0] "own": run: required where there is no remote"#),
        (#"{"run": {}}"#, #"own.json: servers[0] "own": run: must have one of"#),
        (#"{"run": {"pypi": {}}}"#, #"own.json: servers[0] "own": run.pypi.package: required"#),
        (
            #"{"run": {"pypi": {"package": "-e"}}}"#,
            #"own.json: servers[0] "own": run.pypi.package: must not begin"#
        ),
        (
            #"{"run": {"npm": {"package": "a b"}}}"#,
            #"own.json: servers[0] "own": run.npm.package: must not begin"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "constraints": ["--index-url=x"]}}}"#,
            #"own.json: servers[0] "own": run.pypi.constraints[0]: "#
        ),
        (#"{"run": {"oci": {"image": "A//b"}}}"#, #"own.json: servers[0] "own": run.oci.image: "#),
        (
            #"{"run": {"oci": {"image": "a", "network": {"mode": "some"}}}}"#,
            #"own.json: servers[0] "own": run.oci.network.mode: "#
        ),
        (
            #"{"run": {"oci": {"image": "a", "network": {"mode": "allowlist"}}}}"#,
            #"own.json: servers[0] "own": run.oci.network.allowHosts: "#
        ),
        (
            #"{"run": {"oci": {"image": "a", "network": {"mode": "allowlist", "allowHosts": ["h"]}}}}"#,
            #"own.json: servers[0] "own": run.oci.network.allowHosts[0]: "#
        ),
        (
            #"{"run": {"oci": {"image": "a", "volumes": [{"kind": "tmp", "source": "a", "target": "b"}]}}}"#,
            #"own.json: servers[0] "own": run.oci.volumes[0].kind: "#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "env": {"A": "${config.missing}"}}}}"#,
            #"own.json: servers[0] "own": run.pypi.env.A: ${config.missing} is not a property"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "env": {"A": "${HOME}"}}}}"#,
            #"own.json: servers[0] "own": run.pypi.env.A: unknown reference ${HOME}"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "env": {"A-B": "x"}}}}"#,
            #"own.json: servers[0] "own": run.pypi.env: "A-B" is not a variable's name"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "env": {"A": 1}}}}"#,
            #"own.json: servers[0] "own": run.pypi.env.A: must be a string, not an integer"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "args": [["x"]]}}}"#,
            #"own.json: servers[0] "own": run.pypi.args[0]: must be a group of at least two"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "args": [5]}}}"#,
            #"own.json: servers[0] "own": run.pypi.args[0]: must be a string, a group"#
        ),
        (
            #"{"run": {"pypi": {"package": "p", "args": [{"when": "x", "args": ["-v"]}]}}}"#,
            #"own.json: servers[0] "own": run.pypi.args[0].when: "x" is not a boolean"#
        ),
        (
            #"{"run": {"containerTools": [{"name": "t"}]}}"#,
            #"own.json: servers[0] "own": run.containerTools[0].image: required"#
        ),
        (
            #"{"remote": {"transport": "smoke", "url": "https://h"}}"#,
            #"own.json: servers[0] "own": remote.transport: "smoke" is not"#
        ),
        (#"{"remote": {"transport": "sse"}}"#, #"own.json: servers[0] "own": remote.url: required"#),
        (
            #"{"remote": {"transport": "sse", "url": "https://h", "headers": {"A B": "x"}}}"#,
            #"own.json: servers[0] "own": remote.headers: "A B" is not a header's"#
        ),
        (#"{"config": {}}"#, #"own.json: servers[0] "own": config: must be an array, not an object"#),
        (#"{"config": [5]}"#, #"own.json: servers[0] "own": config[0]: must be an object, not an integer"#),
        (
            #"{"config": [{"name": "x", "type": "thing"}]}"#,
            #"own.json: servers[0] "own": config[0].type: "thing" is not one of"#
        ),
        (#"{"config": [{"name": "x"}]}"#, #"own.json: servers[0] "own": config[0].type: required"#),
        (#"{"config": [{"type": "string"}]}"#, #"own.json: servers[0] "own": config[0].name: required"#),
        (
            #"{"config": [{"name": "a_b", "type": "string"}]}"#,
            #"own.json: servers[0] "own": config[0].name: "a_b" is not"#
        ),
        (
            #"{"config": [{"name": "x", "type": "array"}]}"#,
            #"own.json: servers[0] "own": config[0].items: required"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "items": "string"}]}"#,
            #"own.json: servers[0] "own": config[0].items: only an array"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "format": "paht"}]}"#,
            #"own.json: servers[0] "own": config[0].format: "paht" is not"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "secret": "yes"}]}"#,
            #"own.json: servers[0] "own": config[0].secret: must be true or false"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "secret": true, "default": "y"}]}"#,
            #"own.json: servers[0] "own": config[0].secret: a secret has no default"#
        ),
        (
            #"{"config": [{"name": "x", "type": "integer", "default": "y"}]}"#,
            #"own.json: servers[0] "own": config[0].default: must be an integer"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "enum": ["a"], "default": "b"}]}"#,
            #"own.json: servers[0] "own": config[0].default: must be one of "a""#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "default": "y", "required": true}]}"#,
            #"own.json: servers[0] "own": config[0].required: a property with a default"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string", "required": true}]}"#,
            #"own.json: servers[0] "own": config: "x" is required, but nothing refers to it"#
        ),
        (
            #"{"config": [{"name": "x", "type": "string"}, {"name": "y", "type": "string", "aliases": ["x"]}]}"#,
            #"own.json: servers[0] "own": config[1].name: "x" names x too"#
        ),
        (
            #"{"requireAnyOf": [["x"], ["y"]]}"#,
            #"own.json: servers[0] "own": requireAnyOf[0]: "x" is not a property"#
        ),
        (
            #"{"requireAnyOf": ["x"]}"#,
            #"own.json: servers[0] "own": requireAnyOf[0]: must be an array of property names"#
        ),
        (
            #"{"oauth": {"provider": "p", "tokenProperty": "t"}}"#,
            #"own.json: servers[0] "own": oauth.tokenProperty: "t" is not a property"#
        ),
    ])
func wrongEntries(_ change: String, _ beginning: String) throws {
    let found = refusal(catalogText(entry(change)))
    #expect(found.contains { $0.hasPrefix(beginning) }, "\(found)")
}

@Test("an argument or volume that would be repeated for two arrays is refused, and a user that is one")
func arrays() throws {
    let config = """
        [{"name": "a", "type": "array", "items": "string"}, {"name": "b", "type": "array", "items": "string"}]
        """
    for run in [
        #"{"pypi": {"package": "p", "args": ["${config.a}${config.b}"]}}"#,
        #"{"pypi": {"package": "p", "args": [["${config.a}", "${config.b}"]]}}"#,
        #"{"oci": {"image": "p", "volumes": [{"kind": "bind", "source": "${config.a}", "target": "${config.b}"}]}}"#,
        #"{"oci": {"image": "p", "user": "${config.a}"}}"#,
    ] {
        let found = refusal(catalogText(entry("{\"config\": \(config), \"run\": \(run)}")))
        #expect(
            found.count == 1 && (found[0].contains("several arrays: a, b") || found[0].contains("one value")))
    }
    #expect(
        refusal(
            catalogText(
                entry(
                    #"{"config": \#(config), "run": {"pypi": {"package": "p", "env": {"A": "${config.a}${config.b}"}}}}"#
                ))
        ).isEmpty)
}

@Test("two entries of one name are refused, keys and aliases alike")
func duplicates() {
    #expect(
        refusal(catalogText(entry(), entry()))
            == [#"own.json: servers[1] "own": key: "own" names "own" too"#])
    #expect(
        refusal(catalogText(entry(#"{"aliases": ["x"]}"#), entry(#"{"key": "x"}"#)))
            == [#"own.json: servers[1] "x": key: "x" names "own" too"#])
    #expect(
        refusal(catalogText(entry(#"{"aliases": ["x"]}"#), entry(#"{"key": "y", "aliases": ["x"]}"#)))
            == [#"own.json: servers[1] "y": aliases: "x" names "own" too"#])
}

@Test(
    "a file that is no JSON is refused with line and column",
    arguments: [
        ("{\"formatVersion\": 1,\n \"servers\": [}", "own.json:2:14: "), ("", "own.json:1:1: "),
        ("{\n\"a\": 1,\n\"a\": 2}", "own.json:3:2: duplicate member name \"a\""), ("{} x", "own.json:1:4: "),
        ("{\"a\": \"\u{1}\"}", "own.json:1:8: control character"),
    ])
func syntax(_ text: String, _ beginning: String) {
    let found = refusal(text)
    #expect(found.count == 1 && found[0].hasPrefix(beginning), "\(found)")
}

@Test(
    "another format version, and what is no catalog, are refused",
    arguments: [
        (
            #"{"formatVersion": 99, "categories": [], "servers": []}"#,
            "own.json: formatVersion: must be 1, the one version known here"
        ),
        (#"{"formatVersion": "1"}"#, "own.json: formatVersion: must be 1, the one version known here"),
        (#"{"servers": []}"#, "own.json: formatVersion: must be 1, the one version known here"),
        ("[]", "own.json: must be an object, not an array"),
        (
            #"{"formatVersion": 1, "categories": [{"id": "a", "title": "A"}]}"#,
            "own.json: servers: required, and missing"
        ),
        (
            #"{"formatVersion": 1, "categories": [], "servers": []}"#,
            "own.json: categories: must not be empty"
        ),
        (
            #"{"formatVersion": 1, "categories": [{"id": "a", "title": "A"}, {"id": "a", "title": "B"}], "servers": []}"#,
            #"own.json: categories[1].id: "a" is there twice"#
        ),
        (
            #"{"formatVersion": 1, "categories": [{"id": "a", "title": "A"}], "servers": [5]}"#,
            "own.json: servers[0]: must be an object, not an integer"
        ),
    ])
func wrongFiles(_ text: String, _ message: String) { #expect(refusal(text) == [message]) }

@Test("every mistake of a file is told, up to a limit")
func manyMistakes() {
    #expect(
        refusal(catalogText(entry(#"{"title": 5, "summary": 6}"#), entry(#"{"key": "B", "status": "x"}"#)))
            .count == 4)
    let entries = (0..<150).map { entry(#"{"key": "k\#($0)", "title": 5}"#) }.joined(separator: ",")
    let found = refusal(catalogText(entries))
    #expect(found.count == CatalogLimits.mistakesMax + 1)
    #expect(found.last == "own.json: and 50 more")
}

@Test("what is odd but harmless is warned of, and unknown fields are ignored")
func warnings() throws {
    let own = try catalog(
        entry(
            #"{"sumary": "x", "config": [{"name": "x", "type": "string"}], "run": {"pypi": {"package": "p", "args": ["{{a}}"]}}}"#
        ))
    #expect(
        own.warnings == [
            #"own.json: servers[0] "own": sumary: unknown field, ignored; did you mean "summary"?"#,
            #"own.json: servers[0] "own": run.pypi.args[0]: "{{" is taken as it is; settings are ${config.NAME} here"#,
            #"own.json: servers[0] "own": config: nothing refers to "x""#,
        ])
}

@Test("later catalogs win by key and by name")
func adding() throws {
    let own = try catalog(
        entry(#"{"key": "time", "title": "Our time", "aliases": ["SQLite", "clock"]}"#), entry())
    let sum = builtIn.adding(own)
    #expect(sum.servers.count == builtIn.servers.count + 1)
    #expect(sum.find("time")?.title == "Our time")
    #expect(sum.find("clock")?.title == "Our time")
    #expect(sum.find("SQLite")?.title == "Our time")
    #expect(sum.find("sqlite")?.key == "sqlite")
    #expect(sum.find("sqlite")?.aliases.contains("SQLite") == false)
    #expect(sum.find("own")?.title == "Own")
    #expect(sum.servers.map(\.key) == sum.servers.map(\.key).sorted())
    #expect(sum.categories.count == builtIn.categories.count)
}

@Test(
    "the nearest names are found by letters, swaps and parts",
    arguments: [
        ("tiem", "time"), ("duckduckgoo", "duckduckgo"), ("Mongo_DB", "mongodb"),
        ("elastic", "elasticsearch"),
        ("postgress", "postgres"), ("gihtub", "github-official"),
    ])
func nearest(_ text: String, _ expected: String) {
    #expect(builtIn.nearest(text, limit: 3).contains(expected), "\(builtIn.nearest(text, limit: 3))")
    #expect(builtIn.nearest(text, limit: 1).count == 1)
}

@Test(
    "nothing is near to what is far off",
    arguments: ["", "q", "zzzzzzzzzz", "nosuchthing", String(repeating: "a", count: 100_000)])
func farOff(_ text: String) { #expect(builtIn.nearest(text, limit: 3).isEmpty) }
