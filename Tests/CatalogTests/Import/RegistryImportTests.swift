import Testing
import Wire

@testable import Catalog

/// The one entry that `entry` becomes.
private func imported(_ entry: String) throws -> (server: JSONValue, warnings: [String]) {
    let found = try CatalogImport.registry(try json(entry))
    let servers = try #require(found.catalog["servers"]?.arrayValue)
    return (try #require(servers.first), found.warnings)
}

/// With one package.
private func package(_ members: String) -> String {
    "{\"name\": \"org.example/word-counter\", \"description\": \"Counts words.\", \"packages\": [{\(members)}]}"
}

@Test("a server.json of today becomes an entry that is planned")
func today() throws {
    let found = try CatalogImport.read(
        try json(
            """
            {"$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
             "name": "org.example/word-counter", "description": "Counts words.", "version": "1.2.3",
             "repository": {"url": "https://github.com/x/y", "subfolder": "z"}, "packages": [
              {"registryType": "pypi", "identifier": "word-counter", "version": "1.2.3", "transport": {"type": "stdio"},
               "environmentVariables": [{"name": "WORD_TOKEN", "isRequired": true, "isSecret": true}],
               "packageArguments": [
                 {"type": "positional", "value": "serve"}, {"type": "positional", "valueHint": "target_dir", "format": "filepath"},
                 {"type": "named", "name": "--level", "choices": ["low", "high"], "default": "low"},
                 {"type": "named", "name": "--verbose", "format": "boolean"},
                 {"type": "named", "name": "--tag", "isRepeated": true},
                 {"type": "named", "name": "--url", "value": "https://{host}:{port}/{other}",
                  "variables": {"host": {"isRequired": true}, "port": {"format": "number", "default": "80"}}}]}]}
            """))
    #expect(found.warnings.isEmpty)
    let own = try ServerCatalog(parsing: found.catalog.serialized(), file: "imported.json")
    #expect(own.warnings.isEmpty)
    for name in ["word-counter", "org.example/word-counter", "wordCounter"] { #expect(own.find(name) != nil) }
    let least = try plan(#"{"word-counter": {"WORD_TOKEN": "t", "host": "h"}}"#, in: own)
    #expect(
        least.source
            == .pypi(
                PythonPackage(
                    package: "word-counter", version: "1.2.3",
                    arguments: ["serve", "--level", "low", "--url", "https://h:80/{other}"])))
    #expect(least.environment == [.init(name: "WORD_TOKEN", value: "t")] && least.secrets == ["t"])
    let most = try plan(
        #"{"word-counter": {"wordToken": "t", "host": "h", "port": 1, "verbose": true, "tag": ["a", "b"], "targetDir": "~/d", "level": "high"}}"#,
        in: own)
    guard case .pypi(let program) = most.source else {
        Issue.record("\(most.source)")
        return
    }
    #expect(
        program.arguments == [
            "serve", "/home/ada/d", "--level", "high", "--verbose", "--tag", "a", "--tag", "b", "--url",
            "https://h:1/{other}",
        ])
    #expect(
        try mistakes(#"{"word-counter": {"host": "h"}}"#, in: own)
            == ["word-counter.wordToken: required, and missing"])
}

@Test("the spelling of 2025 is read")
func snakeCase() throws {
    let (server, warnings) = try imported(
        """
        {"name": "io.github.user/weather", "description": "Weather.", "website_url": "https://w", "packages": [
          {"registry_type": "npm", "identifier": "@user/weather", "version": "1.0.0", "runtime_hint": "npx",
           "runtime_arguments": [{"type": "positional", "value": "-y"}],
           "package_arguments": [{"type": "positional", "value_hint": "city", "is_required": true}],
           "environment_variables": [{"name": "KEY", "is_required": true, "is_secret": true}]}]}
        """)
    #expect(warnings.isEmpty && server["homepage"] == "https://w")
    #expect(
        server["run"]?["npm"] == [
            "package": "@user/weather", "version": "1.0.0", "args": ["${config.city}"],
            "env": ["KEY": "${config.key}"], "match": "same-source",
        ])
    let key = server["config"]?.arrayValue?.first { $0["name"] == "key" }
    #expect(key?["secret"] == true && key?["required"] == true && key?["aliases"] == ["KEY"])
}

@Test("the first spelling of all is read")
func firstSpelling() throws {
    let (server, _) = try imported(
        """
        {"name": "io.github.user/weather", "version_detail": {"version": "1.0"}, "packages": [
          {"registry_name": "pypi", "name": "weather", "version": "1.0"}],
         "remotes": [{"transport_type": "streamable", "url": "https://h/mcp"}]}
        """)
    #expect(server["run"]?["pypi"]?["package"] == "weather")
    #expect(server["remote"] == ["transport": "streamable-http", "url": "https://h/mcp"])
}

@Test(
    "images are referred to with host and tag",
    arguments: [
        (#""identifier": "ghcr.io/x/y:1""#, "ghcr.io/x/y:1"),
        (#""identifier": "x/y", "version": "2""#, "x/y:2"),
        (#""identifier": "x/y:1", "version": "2""#, "x/y:1"), (#""identifier": "x/y""#, "x/y"),
        (#""identifier": "x/y", "version": "2", "registryBaseUrl": "https://ghcr.io""#, "ghcr.io/x/y:2"),
        (#""identifier": "x/y", "registryBaseUrl": "https://docker.io/""#, "x/y"),
        (#""identifier": "localhost:5000/y", "version": "3""#, "localhost:5000/y:3"),
    ])
func images(_ members: String, _ image: String) throws {
    let (server, _) = try imported(package("\"registryType\": \"oci\", \(members)"))
    #expect(server["run"]?["oci"]?["image"] == .string(image))
}

@Test("what docker is told becomes volumes, variables and a user")
func dockerArguments() throws {
    let (server, warnings) = try imported(
        package(
            """
            "registryType": "oci", "identifier": "x/y", "runtimeHint": "docker", "runtimeArguments": [
              {"type": "named", "name": "-v", "value": "{dir}:/data:ro", "variables": {"dir": {"format": "filepath", "isRequired": true}}},
              {"type": "named", "name": "--mount", "value": "type=bind,src={dir},dst=/two", "variables": {"dir": {"format": "filepath"}}},
              {"type": "named", "name": "-e", "value": "MODE={mode}", "variables": {"mode": {"default": "fast"}}},
              {"type": "named", "name": "--user", "value": "1000"}, {"type": "named", "name": "--rm"},
              {"type": "named", "name": "--privileged"}]
            """))
    #expect(
        server["run"]?["oci"] == [
            "image": "x/y", "user": "1000", "env": ["MODE": "${config.mode}"],
            "volumes": [
                ["kind": "bind", "source": "${config.dir}", "target": "/data", "readOnly": true],
                ["kind": "bind", "source": "${config.dir}", "target": "/two"],
            ],
        ])
    #expect(warnings == ["org.example/word-counter: the argument --privileged of its runner is left out"])
}

@Test(
    "packages that cannot be run over stdio are left out and told",
    arguments: [
        (#""registryType": "nuget", "identifier": "N""#, "packages of kind nuget are not known here"),
        (
            #""registryType": "mcpb", "identifier": "https://x/y.mcpb""#,
            "packages of kind mcpb are not known here"
        ),
        (
            #""registryType": "npm", "identifier": "n", "transport": {"type": "sse", "url": "http://x"}"#,
            "it serves sse, not stdio"
        ),
        (
            #""registryType": "npm", "identifier": "n", "registryBaseUrl": "https://evil.example""#,
            "it comes from https://evil.example"
        ),
    ])
func leftOut(_ members: String, _ reason: String) throws {
    let text = """
        {"name": "a/b", "remotes": [{"type": "sse", "url": "https://h"}], "packages": [{\(members)}]}
        """
    let (server, warnings) = try imported(text)
    #expect(server["run"] == nil && warnings.count == 1 && warnings[0].hasSuffix(reason), "\(warnings)")
    #expect(throws: CatalogError.self) { try CatalogImport.registry(try json(package(members))) }
}

@Test("endpoints are taken over with variables and headers")
func remotes() throws {
    let (server, _) = try imported(
        """
        {"name": "a/b", "remotes": [{"type": "carrier-pigeon", "url": "x"},
          {"type": "streamable-http", "url": "https://{tenant}.h/mcp?x={y}", "variables": {"tenant": {"isRequired": true}},
           "headers": [{"name": "Authorization", "value": "Bearer {token}", "variables": {"token": {"isSecret": true}}},
                       {"name": "X-Api-Key", "isSecret": true, "isRequired": true}]}]}
        """)
    #expect(
        server["remote"] == [
            "transport": "streamable-http", "url": "https://${config.tenant}.h/mcp?x={y}",
            "headers": ["Authorization": "Bearer ${config.token}", "X-Api-Key": "${config.XApiKey}"],
        ])
}

@Test("of the API's list the latest versions that are not deleted are read")
func lists() throws {
    let official = "io.modelcontextprotocol.registry/official"
    func element(_ name: String, _ facts: String) -> String {
        """
        {"server": {"name": "\(name)", "remotes": [{"type": "sse", "url": "https://h"}]}, "_meta": {"\(official)": {\(facts)}}}
        """
    }
    let list = [
        element("a/one", #""isLatest": true, "status": "active""#), element("a/one", #""isLatest": false"#),
        element("a/two", #""status": "deleted""#), element("b/one", #""isLatest": true"#),
        #"{"name": "a/three", "remotes": [{"type": "sse", "url": "https://h"}]}"#,
    ]
    let found = try CatalogImport.read(
        try json("{\"servers\": [\(list.joined(separator: ","))], \"metadata\": {\"count\": 5}}"))
    #expect(
        found.catalog["servers"]?.arrayValue?.compactMap { $0["key"]?.stringValue } == [
            "b-one", "one", "three",
        ])
    #expect(try CatalogImport.read(try json(element("a/x", ""))).catalog["servers"]?.arrayValue?.count == 1)
}

@Test("texts with dollars and braces stay the texts that they are")
func escapes() throws {
    let (server, _) = try imported(
        package(
            """
            "registryType": "pypi", "identifier": "p", "environmentVariables": [
              {"name": "A", "value": "${HOME}/{x}"}, {"name": "B", "value": "{", "variables": {}},
              {"name": "C", "value": "${v}", "variables": {"v": {}}}]
            """))
    #expect(server["run"]?["pypi"]?["env"] == ["A": "$${HOME}/{x}", "B": "{", "C": "${config.v}"])
}

@Test(
    "what is no server.json is refused",
    arguments: [#"{"servers": [{}]}"#, #"{"servers": []}"#, "{}", "5", #"{"name": ""}"#])
func refused(_ text: String) {
    #expect(throws: CatalogError.self) { try CatalogImport.registry(try json(text)) }
}
