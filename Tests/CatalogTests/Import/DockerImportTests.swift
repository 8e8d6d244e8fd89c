import Testing
import Wire

@testable import Catalog

/// The one entry that `entry` becomes.
private func imported(_ name: String, _ entry: String) throws -> (server: JSONValue, warnings: [String]) {
    let found = try CatalogImport.docker(
        try json("{\"version\": 3, \"name\": \"d\", \"registry\": {\"\(name)\": \(entry)}}"))
    #expect(!String(decoding: found.catalog.serialized(), as: UTF8.self).contains("null"))
    let servers = try #require(found.catalog["servers"]?.arrayValue)
    return (try #require(servers.first), found.warnings)
}

/// A catalog of ours out of what was imported.
private func read(_ found: CatalogImport) throws -> ServerCatalog {
    #expect(!String(decoding: found.catalog.serialized(), as: UTF8.self).contains("null"))
    return try ServerCatalog(parsing: found.catalog.serialized(), file: "imported.json")
}

@Test("an image with a secret becomes an entry that is planned")
func image() throws {
    let found = try CatalogImport.read(
        try json(
            """
            {"version": 2, "name": "mine", "displayName": "Mine", "registry": {"word-counter": {
              "description": "Counts words.", "title": "Word Counter", "type": "server",
              "image": "example/word-counter", "secrets": [{"name": "word-counter.token", "env": "WORD_TOKEN"}]}}}
            """))
    #expect(found.warnings.isEmpty)
    let own = try read(found)
    #expect(own.warnings.isEmpty)
    let plan = try plan(#"{"word-counter": {"word-counter.token": "t"}}"#, in: own)
    #expect(plan.source == .oci(ContainerImage(image: "example/word-counter")))
    #expect(plan.environment == [.init(name: "WORD_TOKEN", value: "t")] && plan.secrets == ["t"])
    #expect(
        try mistakes(#"{"wordCounter": {}}"#, in: own) == ["wordCounter.wordToken: required, and missing"])
}

@Test(
    "keys are made as E2B makes them",
    arguments: [
        ("aws-cdk-mcp-server", "aws-cdk"), ("mcp-code-interpreter", "code-interpreter"),
        ("github-official", "github-official"), ("youtube_transcript", "youtube-transcript"),
        ("SQLite", "sqlite"),
        ("needle-mcp", "needle"), ("mcp", "mcp"), ("-mcp", "mcp"),
    ])
func keys(_ name: String, _ key: String) throws {
    #expect(ImportNames.key(name) == key)
    #expect(try imported(name, #"{"image": "a/b"}"#).server["key"] == .string(key))
}

@Test(
    "properties of secrets are named as E2B names them",
    arguments: [
        ("BRAVE_API_KEY", "brave", "apiKey"),
        ("MDB_MCP_CONNECTION_STRING", "mongodb", "mdbMcpConnectionString"),
        ("ASTRA_DB_APPLICATION_TOKEN", "astra-db", "astraDbApplicationToken"),
        ("GITHUB_PERSONAL_ACCESS_TOKEN", "github-official", "githubPersonalAccessToken"),
        ("GITHUB_PERSONAL_ACCESS_TOKEN", "github", "personalAccessToken"),
    ])
func secretNames(_ variable: String, _ server: String, _ property: String) {
    #expect(ImportNames.secret(variable, of: server) == property)
}

@Test(
    "properties of parameters are named as E2B names them",
    arguments: [
        ("ssl_mode", "sslMode"), ("confluence.url", "confluenceUrl"), ("nodeenv", "nodeenv"),
        ("SchemaPath", "SchemaPath"), ("VECTRA_CLIENT_ID", "VECTRACLIENTID"),
    ])
func parameterNames(_ path: String, _ property: String) { #expect(ImportNames.camelCase(path) == property) }

/// Parameters that the tables below refer to.
private let config = """
    [{"name": "s", "type": "object", "properties": {
       "p": {"type": "string"}, "paths": {"type": "array", "items": {"type": "string"}},
       "flag": {"type": "boolean"}, "port": {"type": "integer", "default": 80},
       "deep": {"type": "object", "properties": {"url": {"type": "string"}}}},
      "required": ["p"]}]
    """

@Test(
    "templates of arguments are translated",
    arguments: [
        (#"["{{s.p}}"]"#, #"["${config.p}"]"#),
        (#"["--x={{s.p}}-{{s.deep.url}}"]"#, #"["--x=${config.p}-${config.deepUrl}"]"#),
        (#"["{{s.paths|volume-target|into}}"]"#, #"["${config.paths}"]"#), (#"["a", "-b"]"#, #"["a","-b"]"#),
        (#"["--url", "{{s.deep.url}}"]"#, #"[["--url","${config.deepUrl}"]]"#),
        (#"["-p", "{{s.p}}"]"#, #"["-p","${config.p}"]"#),
        (
            #"["$TOK", "${TOK}", "$OTHER", "${OTHER}"]"#,
            #"["${config.tok}","${config.tok}","$OTHER","$${OTHER}"]"#
        ),
        (#"["--f", "{{s.paths|into}}"]"#, #"["--f","${config.paths}"]"#),
        (#"["{{ s.p }}x"]"#, #"["${config.p}x"]"#),
    ])
func arguments(_ command: String, _ expected: String) throws {
    let entry = """
        {"image": "a/b", "command": \(command), "config": \(config), "secrets": [{"name": "s.tok", "env": "TOK"}]}
        """
    let (server, warnings) = try imported("s", entry)
    #expect(
        server["run"]?["oci"]?["args"].map { String(decoding: $0.serialized(), as: UTF8.self) } == expected)
    #expect(warnings.isEmpty)
}

@Test(
    "volumes are translated",
    arguments: [
        (
            "{{s.paths|volume|into}}",
            #"{"kind":"bind","source":"${config.paths}","target":"${config.paths}"}"#
        ),
        ("{{s.p|or:[]|volume|into}}", #"{"kind":"bind","source":"${config.p}","target":"${config.p}"}"#),
        ("{{s.p|volume-target}}:/x", #"{"kind":"bind","source":"${config.p}","target":"/x"}"#),
        ("{{s.p|mount_as:/y}}", #"{"kind":"bind","source":"${config.p}","target":"/y"}"#),
        ("/a:/b:ro", #"{"kind":"bind","source":"/a","target":"/b","readOnly":true}"#),
        ("cache:/b", #"{"kind":"volume","source":"cache","target":"/b"}"#),
    ])
func volumes(_ text: String, _ expected: String) throws {
    let (server, warnings) = try imported(
        "s", "{\"image\": \"a/b\", \"volumes\": [\"\(text)\"], \"config\": \(config)}")
    let volume = server["run"]?["oci"]?["volumes"]?.arrayValue?.first
    #expect(volume.map { String(decoding: $0.serialized(), as: UTF8.self) } == expected)
    #expect(warnings.isEmpty)
    let isPath = server["config"]?.arrayValue?.contains { $0["format"] == "path" }
    #expect(isPath == text.hasPrefix("{{"))
}

@Test("variables, user, network and defaults are taken over; what has no place is told")
func facts() throws {
    let (server, warnings) = try imported(
        "s",
        """
        {"image": "a/b:1", "user": "{{s.p}}", "allowHosts": ["h:443", "other"], "longLived": true, "config": \(config),
         "env": [{"name": "A", "value": "{{s.p}}"}, {"name": "B", "value": "fixed"}, {"name": "C", "value": 5},
                 {"name": "D", "value": "{{s.missing}}"}, {"name": "E", "value": "{{s.deep.url|or:https://x}}"}],
         "extraHosts": ["a:1"], "metadata": {"category": "database", "tags": ["sql"]}}
        """)
    let oci = server["run"]?["oci"]
    #expect(oci?["env"] == ["A": "${config.p}", "B": "fixed", "C": "5", "E": "${config.deepUrl}"])
    #expect(oci?["user"] == "${config.p}" && oci?["longLived"] == true)
    #expect(oci?["network"] == ["mode": "allowlist", "allowHosts": ["h:443"]])
    #expect(server["category"] == "data" && server["tags"] == ["sql"])
    #expect(
        warnings == [
            "s: its variable D is left out: {{s.missing}} is not a parameter of it",
            "s: hosts without a port are not taken over", "s: extraHosts is not taken over",
        ])
    let properties = server["config"]?.arrayValue ?? []
    #expect(properties.first { $0["name"] == "deepUrl" }?["default"] == "https://x")
    #expect(properties.first { $0["name"] == "port" }?["default"] == 80)
    #expect(properties.filter { $0["required"] == true }.compactMap { $0["name"]?.stringValue } == ["p"])
    #expect(
        try imported("s", #"{"image": "a", "disableNetwork": true}"#).server["run"]?["oci"]?["network"] == [
            "mode": "none"
        ])
}

@Test("hosted endpoints are taken over with headers and authorization")
func remote() throws {
    let (server, _) = try imported(
        "linear",
        """
        {"type": "remote", "remote": {"url": "https://mcp.linear.app/sse", "transport_type": "sse",
          "headers": {"X-Key": "$LINEAR_KEY"}}, "secrets": [{"name": "linear.key", "env": "LINEAR_KEY"}],
         "oauth": {"providers": [{"provider": "linear", "secret": "linear.token", "env": "LINEAR_TOKEN"}]}}
        """)
    #expect(
        server["remote"] == [
            "transport": "sse", "url": "https://mcp.linear.app/sse",
            "headers": ["X-Key": "${config.key}", "Authorization": "Bearer ${config.accessToken}"],
        ])
    #expect(server["oauth"] == ["provider": "linear", "tokenProperty": "accessToken"])
    #expect(server["config"]?.arrayValue?.allSatisfy { $0["required"] == false } == true)
    for (kind, transport) in [("http", "streamable-http"), ("streaming", "streamable-http"), ("sse", "sse")] {
        let (server, _) = try imported(
            "x", "{\"remote\": {\"url\": \"https://h/mcp\", \"transport_type\": \"\(kind)\"}}")
        #expect(server["remote"]?["transport"] == .string(transport))
    }
    #expect(try imported("x", #"{"sseEndpoint": "https://h/x"}"#).server["remote"]?["transport"] == "sse")
}

@Test("tools that are containers keep their arguments")
func containerTools() throws {
    let (server, _) = try imported(
        "curl",
        """
        {"type": "poci", "description": "Runs curl.", "tools": [{"name": "curl", "description": "Runs curl.",
          "arguments": [{"name": "args", "type": "array", "items": {"type": "string"}, "desc": "Arguments."}],
          "container": {"image": "alpine/curl", "command": ["{{args|into}}", "${X}"]}}]}
        """)
    let tool = server["run"]?["containerTools"]?.arrayValue?.first
    #expect(tool?["args"] == ["${input.args}", "$${X}"])
    #expect(tool?["inputSchema"]?["required"] == ["args"])
}

@Test("of names that give one key the one that is it keeps it, and the others their own")
func sameKey() throws {
    let found = try CatalogImport.docker(
        try json(
            #"{"registry": {"needle-mcp": {"image": "b"}, "mcp-needle": {"image": "c"}, "needle": {"image": "a"}}}"#
        ))
    let own = try read(found)
    #expect(own.servers.map(\.key) == ["mcp-needle", "needle", "needle-mcp"])
    #expect(try plan(#"{"needle": {}}"#, in: own).source == .oci(ContainerImage(image: "a")))
}

@Test("a default that does not fit is dropped, also one that turns out to be no path")
func unfitDefaults() throws {
    let (server, warnings) = try imported(
        "s",
        """
        {"image": "a/b", "volumes": ["{{s.dir}}:/x"], "config": [{"properties": {
          "dir": {"type": "string", "default": "$HOME/x"}, "n": {"type": "integer", "default": "many"},
          "m": {"type": "integer", "default": 3}}}]}
        """)
    #expect(warnings.isEmpty)
    #expect(server["config"]?.arrayValue?.map { $0["default"] } == [nil, nil, 3])
}

@Test("a single entry, and one of the registry's own files, are read")
func otherForms() throws {
    #expect(try read(CatalogImport.read(try json(#"{"name": "one", "image": "a/b"}"#))).find("one") != nil)
    let registry = """
        {"name": "temporal-mcp", "image": "mcp/temporal", "type": "server",
         "meta": {"category": "devops", "tags": ["a"]}, "about": {"title": "Temporal", "description": "Workflows."},
         "source": {"project": "https://github.com/x/y", "commit": "818bf169b365e7b7d5b117352e32757c54844718"},
         "run": {"command": ["--host", "{{temporal-mcp.host}}"], "env": {"A": "1"}, "disableNetwork": false},
         "config": {"secrets": [{"name": "temporal.key", "env": "TEMPORAL_KEY", "example": "x"}],
           "env": [{"name": "HOST", "value": "{{temporal-mcp.host}}"}],
           "parameters": {"type": "object", "properties": {"host": {"type": "string"}}, "anyOf": [
             {"required": ["host"]}]}}}
        """
    let found = try CatalogImport.read(try json(registry))
    #expect(found.warnings.isEmpty)
    let server = try #require(try read(found).find("temporal"))
    #expect(server.title == "Temporal" && server.summary == "Workflows." && server.category == "cloud")
    #expect(server.homepage == "https://github.com/x/y" && server.requireAnyOf == [["host"]])
    let plan = try plan(#"{"temporal-mcp": {"host": "h"}}"#, in: try read(found))
    #expect(plan.source == .oci(ContainerImage(image: "mcp/temporal", arguments: ["--host", "h"])))
    #expect(plan.environment.map(\.name) == ["A", "HOST"])
}

@Test("what cannot be run is left out and told; nothing at all is refused")
func unusable() throws {
    let found = try CatalogImport.docker(
        try json(
            #"{"registry": {"good": {"image": "a"}, "bad": {"title": "Bad"}, "worse": {"image": "NOT AN IMAGE"}}}"#
        ))
    #expect(found.catalog["servers"]?.arrayValue?.count == 1)
    #expect(found.warnings.count == 2 && found.warnings.allSatisfy { $0.hasPrefix("left out: ") })
    for text in [
        #"{"registry": {"bad": {}}}"#, #"{"registry": {}}"#, "{}", "[]", #""x""#, #"{"registry": {"a": 5}}"#,
    ] {
        #expect(throws: CatalogError.self) { try CatalogImport.docker(try json(text)) }
        #expect(throws: CatalogError.self) { try CatalogImport.read(try json(text)) }
    }
}
