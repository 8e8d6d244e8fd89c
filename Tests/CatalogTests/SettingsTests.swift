import Testing
import Wire

@testable import Catalog

private let config = """
    [{"name": "text", "type": "string", "aliases": ["own.text", "TEXT", "deep.er.text"]},
     {"name": "count", "type": "integer"}, {"name": "ratio", "type": "number"}, {"name": "flag", "type": "boolean"},
     {"name": "list", "type": "array", "items": "string"}, {"name": "ports", "type": "array", "items": "integer"},
     {"name": "level", "type": "string", "enum": ["low", "high"], "default": "low"},
     {"name": "dir", "type": "string", "format": "path", "default": "~/data"},
     {"name": "zone", "type": "string", "format": "timezone"},
     {"name": "token", "type": "string", "secret": true}]
    """

private let own: ServerCatalog = {
    let names = ["text", "count", "ratio", "flag", "list", "ports", "level", "dir", "zone", "token"]
    let env = names.map { "\"V_\($0)\": \"${config.\($0)}\"" }.joined(separator: ", ")
    do {
        return try catalog(
            entry(config: config, #""run": {"pypi": {"package": "own", "version": "1.0", "env": {\#(env)}}}"#)
        )
    } catch { fatalError("\(error)") }
}()

/// The variable that shows `name`; nil when it is unset.
private func value(_ name: String, _ settings: String) throws -> String? {
    try plan("{\"own\": \(settings)}", in: own).environment.first { $0.name == "V_\(name)" }?.value
}

@Test(
    "scalars are converted to the declared type",
    arguments: [
        ("text", #""6379""#, "6379"), ("text", "6379", "6379"), ("text", "2.50", "2.50"),
        ("text", "true", "true"),
        ("count", "6379", "6379"), ("count", #""6379""#, "6379"), ("count", #""-1""#, "-1"),
        ("count", "5.0", "5"),
        ("ratio", "2", "2"), ("ratio", #""2.5""#, "2.5"), ("ratio", "1e3", "1e3"),
        ("flag", "true", "true"), ("flag", #""True""#, "true"), ("flag", #""1""#, "true"),
        ("flag", "1", "true"),
        ("flag", #""false""#, "false"), ("flag", "0", "false"), ("list", #""one""#, "one"),
        ("list", #"["a", "b"]"#, "a,b"), ("list", "7", "7"), ("ports", #"["1", 2]"#, "1,2"),
        ("level", #""high""#, "high"), ("dir", #""~/x""#, "/home/ada/x"), ("dir", #""~""#, "/home/ada"),
        ("dir", #""/a/~/b""#, "/a/~/b"), ("zone", #""Etc/GMT+3""#, "Etc/GMT+3"),
    ])
func conversions(_ name: String, _ given: String, _ expected: String) throws {
    #expect(try value(name, "{\"\(name)\": \(given)}") == expected)
}

@Test(
    "null, empty text and an empty array count as unset",
    arguments: [
        ("text", "null"), ("text", #""""#), ("count", #""""#), ("flag", #""""#), ("list", "[]"),
        ("list", #"[""]"#),
        ("list", "[null]"), ("list", #""""#),
    ])
func unset(_ name: String, _ given: String) throws {
    #expect(try value(name, "{\"\(name)\": \(given)}") == nil)
}

@Test("defaults are applied, also in place of an empty value, and their home directory expanded")
func defaults() throws {
    for settings in ["true", "{}", #"{"level": "", "dir": null}"#] {
        #expect(try value("level", settings) == "low")
        #expect(try value("dir", settings) == "/home/ada/data")
    }
    #expect(try value("text", "true") == nil)
}

@Test("nested objects are flattened with dots, and every alias is taken")
func flattening() throws {
    #expect(try value("text", #"{"deep": {"er": {"text": "x"}}}"#) == "x")
    #expect(try value("text", #"{"deep.er": {"text": "x"}}"#) == "x")
    #expect(try value("text", #"{"own": {"text": "x"}}"#) == "x")
    #expect(try value("text", #"{"own.text": "x"}"#) == "x")
    #expect(try value("text", #"{"TEXT": "x"}"#) == "x")
    let jira = try plan(#"{"atlassian": {"confluence": {"url": "https://c"}, "jira": {"url": "https://j"}}}"#)
    #expect(jira.environment.contains(.init(name: "CONFLUENCE_URL", value: "https://c")))
    #expect(jira.environment.contains(.init(name: "JIRA_URL", value: "https://j")))
}

@Test(
    "what does not fit is refused by name, and never repeated",
    arguments: [
        (#"{"count": "many"}"#, "own.count: must be an integer"),
        (#"{"count": 1.5}"#, "own.count: must be an integer"),
        (#"{"count": true}"#, "own.count: must be an integer, not a boolean"),
        (#"{"count": "99999999999999999999"}"#, "own.count: must be an integer"),
        (#"{"ratio": "nan"}"#, "own.ratio: must be a number"),
        (#"{"flag": "yes"}"#, "own.flag: must be true or false"),
        (#"{"flag": 2}"#, "own.flag: must be true or false"),
        (#"{"text": {"a": 1}}"#, "own.text: must be a string, not an object"),
        (#"{"text": ["a"]}"#, "own.text: must be a string, not an array"),
        (#"{"list": [["a"]]}"#, "own.list: must be an array of strings, not an array"),
        (#"{"list": {"a": 1}}"#, "own.list: must be an array of strings, not an object"),
        (#"{"level": "medium"}"#, #"own.level: must be one of "low", "high""#),
        (#"{"dir": "relative"}"#, "own.dir: must be an absolute path, or begin with ~/"),
        (#"{"zone": 3}"#, #"own.zone: must be the name of a time zone, such as "Europe/Berlin""#),
        (#"{"text": "a\u0000b"}"#, "own.text: must not contain a NUL character"),
        (#"{"token": ["hush-hush"]}"#, "own.token: must be a string, not an array"),
        ("5", "own: must be an object of settings or true, not an integer"),
        ("false", "own: must be an object of settings or true, not false"),
        ("null", "own: must be an object of settings or true, not null"),
        (#""x""#, "own: must be an object of settings or true, not a string"),
    ])
func mismatches(_ settings: String, _ message: String) throws {
    #expect(try mistakes("{\"own\": \(settings)}", in: own) == [message])
}

@Test(
    "an unknown property is named with the nearest, or with what is known",
    arguments: [
        (#"{"tekst": 1}"#, #"own.tekst: unknown property; did you mean "text"?"#),
        (#"{"Count": 1}"#, #"own.Count: unknown property; did you mean "count"?"#),
        (#"{"own": {"txt": 1}}"#, #"own.own.txt: unknown property; did you mean "text"?"#),
        (
            #"{"zzzzzz": 1}"#,
            "own.zzzzzz: unknown property; own knows text, count, ratio, flag, list, ports, level, dir, …"
        ),
        (
            #"{"nothing": {}}"#,
            "own.nothing: unknown property; own knows text, count, ratio, flag, list, ports, level, dir, …"
        ),
    ])
func unknownProperties(_ settings: String, _ message: String) throws {
    #expect(try mistakes("{\"own\": \(settings)}", in: own) == [message])
}

@Test("a setting under two names is refused")
func twice() throws {
    #expect(
        try mistakes(#"{"own": {"text": "a", "TEXT": "b"}}"#, in: own)
            == [#"own.TEXT: given twice, as "text" and as "TEXT""#])
    #expect(
        try mistakes(#"{"redis": {"host": "h", "pwd": "a", "password": "b"}}"#)
            == [#"redis.password: given twice, as "pwd" and as "password""#])
}

@Test("of sets of which one is needed, one has to be given whole")
func anyOf() throws {
    let message = try #require(try mistakes(#"{"jira": {}}"#).first)
    #expect(message.hasPrefix("jira.confluenceUrl: at least one is required: confluenceUrl, or jiraUrl"))
    #expect(try mistakes(#"{"jira": {"jiraUrl": "https://j"}}"#).isEmpty)
    #expect(try !mistakes(#"{"jira": {"jiraUrl": ""}}"#).isEmpty)
}

@Test("required is what must be there and not be empty")
func required() throws {
    #expect(try mistakes(#"{"git": {}}"#) == ["git.paths: required, and missing"])
    #expect(try mistakes(#"{"git": true}"#) == ["git.paths: required, and missing"])
    #expect(try mistakes(#"{"git": {"paths": []}}"#) == ["git.paths: required, and empty"])
    #expect(
        try mistakes(#"{"git": {"paths": [1]}}"#) == ["git.paths: must be an absolute path, or begin with ~/"]
    )
}

@Test("every mistake of a configuration is told")
func all() throws {
    #expect(
        try mistakes(
            #"{"own": {"count": "x", "flag": "y", "other": 1}, "git": {}, "time": {"localTimezone": 3}}"#,
            in: builtIn.adding(own)
        ).count
            == 5)
}

@Test("settings past a limit are refused")
func limits() throws {
    let long = String(repeating: "x", count: CatalogLimits.valueBytesMax + 1)
    #expect(
        try mistakes("{\"own\": {\"text\": \"\(long)\"}}", in: own) == [
            "own.text: is longer than 65536 bytes"
        ])
    let items = Array(repeating: "1", count: CatalogLimits.itemsMax + 1).joined(separator: ",")
    #expect(
        try mistakes("{\"own\": {\"list\": [\(items)]}}", in: own) == ["own.list: has more than 256 items"])
    let many = (0...CatalogLimits.settingsMax).map { "\"x\($0)\": 1" }.joined(separator: ",")
    #expect(try mistakes("{\"own\": {\(many)}}", in: own).first == "own: has more than 256 settings")
    let big = String(repeating: "y", count: CatalogLimits.valueBytesMax)
    let list = Array(repeating: "\"\(big)\"", count: 9).joined(separator: ",")
    #expect(
        try mistakes("{\"own\": {\"list\": [\(list)]}}", in: own) == [
            "own: its settings have more than 524288 bytes together"
        ])
}

@Test("what is secret is known by value, and the password in a URL too")
func secrets() throws {
    #expect(try plan(#"{"own": {"token": "t0ken", "text": "plain"}}"#, in: own).secrets == ["t0ken"])
    #expect(
        try plan(#"{"own": {"text": "postgresql://ada:p%40ss@db/x"}}"#, in: own).secrets == [
            "p%40ss", "p@ss",
        ])
    #expect(
        try mistakes(#"{"exa": {"apiKey": "the-secret-value-5531", "wrong": 1}}"#).allSatisfy {
            !$0.contains("5531")
        })
}
