import Testing
import Wire

@testable import Catalog

@Test("plans come in the caller's order, under the caller's names")
func names() throws {
    let found = try plans(
        #"{"SQLite": {}, "time": {}, "mine": {"command": ["x"]}, "githubOfficial": {"token": "t"}}"#)
    #expect(found.map(\.name) == ["SQLite", "time", "mine", "githubOfficial"])
    #expect(found.map(\.key) == ["sqlite", "time", "mine", "github-official"])
    #expect(try plans("{}").isEmpty)
}

@Test(
    "an unknown server is named with the nearest",
    arguments: [
        (
            #"{"duckduckgoo": {}}"#,
            #"duckduckgoo: no server of this name in the catalog; did you mean "duckduckgo"?"#
        ),
        (#"{"tiem": true}"#, #"tiem: no server of this name in the catalog; did you mean "time"?"#),
        (
            #"{"my-own": {"env": {}}}"#,
            #"my-own: no server of this name in the catalog; a server of your own needs "command" or "url""#
        ),
        (#"{"$gatewai": {}}"#, #"$gatewai: unknown option; did you mean "$gateway"?"#),
        ("[]", "mcp: must be an object with a member for each server, not an array"),
        (#""x""#, "mcp: must be an object with a member for each server, not a string"),
    ])
func unknownServers(_ mcp: String, _ message: String) throws {
    let found = try mistakes(mcp)
    #expect(found.contains(message), "\(found)")
}

@Test("a name from outside is shortened and made harmless in a message")
func shownNames() throws {
    let long = String(repeating: "n", count: 5000)
    #expect(try mistakes("{\"\(long)\": {}}").allSatisfy { $0.count < 200 })
    let message = try #require(try mistakes(#"{"a\u001b[31m\nb": {}}"#).first)
    #expect(message.hasPrefix("a?[31m?b: "))
}

// MARK: Servers of the caller's own

@Test("a command of the caller's own is taken as it is")
func command() throws {
    let plan = try plan(
        #"{"mine": {"command": ["prog", "", "a b"], "env": {"API_KEY": "k", "HOME_DIR": "/x"}}}"#)
    #expect(plan.source == .command(["prog", "", "a b"]))
    #expect(plan.environment == [.init(name: "API_KEY", value: "k"), .init(name: "HOME_DIR", value: "/x")])
    #expect(plan.secrets == ["k"])
}

@Test("a URL of the caller's own is taken with its headers, which are secret")
func url() throws {
    let plan = try plan(
        #"{"far": {"url": "https://example.org/mcp?token=s3cret", "headers": {"Authorization": "Bearer abc"}}}"#
    )
    #expect(
        plan.source
            == .remote(
                RemoteEndpoint(
                    transport: .streamableHTTP, url: "https://example.org/mcp?token=s3cret",
                    headers: [.init(name: "Authorization", value: "Bearer abc")])))
    #expect(Set(plan.secrets) == ["s3cret", "Bearer abc", "abc"])
    guard case .remote(let old) = try plans(#"{"o": {"url": "http://h:1/sse", "type": "sse"}}"#)[0].source
    else {
        Issue.record("not remote")
        return
    }
    #expect(old.transport == .sse)
}

@Test(
    "a wrong server of the caller's own is refused by name and property",
    arguments: [
        (#"{"command": []}"#, "command"), (#"{"command": "python3"}"#, "command"),
        (#"{"command": [1]}"#, "command"),
        (#"{"command": [""]}"#, "command"), (#"{"command": ["x\u0000"]}"#, "command"),
        (#"{"command": ["x"], "env": {"A": 1}}"#, "env.A"), (#"{"command": ["x"], "env": []}"#, "env"),
        (#"{"command": ["x"], "env": {"A=B": "1"}}"#, "env.A=B"),
        (#"{"command": ["x"], "env": {"": "1"}}"#, "env."),
        (#"{"command": ["x"], "nonsense": 1}"#, "nonsense"), (#"{"command": ["x"], "args": ["y"]}"#, "args"),
        (#"{"command": ["x"], "url": "https://example.org"}"#, "url"),
        (#"{"url": "ftp://example.org"}"#, "url"),
        (#"{"url": 5}"#, "url"), (#"{"url": "https://"}"#, "url"), (#"{"url": "https://u:p@h/"}"#, "url"),
        (#"{"url": "https://h:99999/"}"#, "url"), (#"{"url": "https://h/ x"}"#, "url"),
        (#"{"url": "https://h/#f"}"#, "url"), (#"{"url": "https://h/\r\nX: y"}"#, "url"),
        (#"{"url": "https://h", "headers": {"A b": "x"}}"#, "headers.A b"),
        (#"{"url": "https://h", "headers": {"A": "x\ny"}}"#, "headers.A"),
        (#"{"url": "https://h", "headers": {"Host": "x"}}"#, "headers.Host"),
        (#"{"url": "https://h", "transport": "carrier-pigeon"}"#, "transport"),
        (#"{"url": "https://h", "env": {}}"#, "env"),
    ])
func wrongCustom(_ value: String, _ property: String) throws {
    let found = try mistakes("{\"my-own\": \(value)}")
    #expect(found.count == 1 && found[0].hasPrefix("my-own.\(property): "), "\(found)")
}

@Test(
    "names that may not stand before a tool's name are refused",
    arguments: ["-x", ".x", "a b", "a/b", "é", ""])
func wrongNames(_ name: String) throws {
    #expect(try mistakes("{\"\(name)\": {\"command\": [\"x\"]}}").count == 1)
    let longest = String(repeating: "x", count: CatalogLimits.customNameBytesMax)
    #expect(try mistakes("{\"\(longest)\": {\"command\": [\"x\"]}}").isEmpty)
    #expect(try mistakes("{\"\(longest)x\": {\"command\": [\"x\"]}}").count == 1)
}

@Test("two names with one tool prefix are refused")
func samePrefix() throws {
    let found = try mistakes(#"{"github/a/b": {"runCmd": "x"}, "github_a_b": {"command": ["x"]}}"#)
    #expect(found == ["github_a_b: its tools would have the same prefix as those of github/a/b"])
}

@Test("where the operator does not allow them, servers of the caller's own are refused, whatever is in them")
func notAllowed() throws {
    let closed = PlanPolicy()
    for value in [#"{"command": ["x"]}"#, #"{"url": "https://h"}"#, #"{"command": 5}"#] {
        #expect(
            try mistakes("{\"my-own\": \(value)}", policy: closed)
                == ["my-own: this gateway's operator does not allow servers that are not in its catalog"])
    }
    #expect(
        try mistakes(#"{"github/a/b": {"runCmd": "x"}}"#, policy: closed)
            == ["github/a/b: this gateway's operator does not allow repositories"])
    #expect(try mistakes(#"{"time": {}}"#, policy: closed).isEmpty)
}

@Test("a command under a name of the catalog is the caller's own server")
func taken() throws {
    #expect(try mistakes(#"{"time": {"command": ["x"]}}"#).isEmpty)
    #expect(try !mistakes(#"{"time": {"command": ["x"]}}"#, policy: PlanPolicy()).isEmpty)
}

@Test("more servers than one sandbox may have are refused")
func tooMany() throws {
    let many = (0...CatalogLimits.serversMax).map { "\"s\($0)\": {\"command\": [\"x\"]}" }
    #expect(try mistakes("{\(many.joined(separator: ","))}") == ["mcp: has 129 servers, more than 128"])
}

// MARK: Repositories

@Test("E2B's repositories are taken in both spellings, split into words")
func repositories() throws {
    for (run, install, env) in [("runCmd", "installCmd", "envs"), ("run_cmd", "install_cmd", "env")] {
        let plan = try plan(
            #"{"github/octo-cat/my.repo": {"\#(run)": "npx -y 'a b'", "\#(install)": "npm install", "\#(env)": {"TOKEN": "t"}}}"#
        )
        #expect(plan.name == "github/octo-cat/my.repo")
        #expect(
            plan.source
                == .repository(
                    Repository(
                        owner: "octo-cat", name: "my.repo", installCommand: ["npm", "install"],
                        runCommand: ["npx", "-y", "a b"])))
        #expect(plan.environment == [.init(name: "TOKEN", value: "t")] && plan.secrets == ["t"])
    }
    guard case .repository(let bare) = try plan(#"{"github/a/b": {"runCmd": ["x", "y z"]}}"#).source else {
        Issue.record("not a repository")
        return
    }
    #expect(bare.installCommand == nil && bare.runCommand == ["x", "y z"])
}

@Test(
    "a wrong repository is refused",
    arguments: [
        (#"{"github/a": {"runCmd": "x"}}"#, "github/a: must be"),
        (#"{"github/a/..": {"runCmd": "x"}}"#, "github/a/..: must be"),
        (#"{"github/-a/b": {"runCmd": "x"}}"#, "github/-a/b: must be"),
        (#"{"github/a/-b": {"runCmd": "x"}}"#, "github/a/-b: must be"),
        (#"{"github/a/b/c": {"runCmd": "x"}}"#, "github/a/b/c: must be"),
        (#"{"github/a/b?c": {"runCmd": "x"}}"#, "github/a/b?c: must be"),
        (#"{"github/a/b": {}}"#, "github/a/b.runCmd: required"),
        (#"{"github/a/b": true}"#, "github/a/b: must be an object"),
        (#"{"github/a/b": {"runCmd": ""}}"#, "github/a/b.runCmd: required"),
        (#"{"github/a/b": {"runCmd": "a 'b"}}"#, "github/a/b.runCmd: must be a command"),
        (#"{"github/a/b": {"run_cmd": 5}}"#, "github/a/b.run_cmd: must be a command"),
        (#"{"github/a/b": {"runCmd": "x", "run_cmd": "y"}}"#, "github/a/b.run_cmd: given twice"),
        (#"{"github/a/b": {"runCmd": "x", "ref": "main"}}"#, "github/a/b.ref: unknown property"),
        (
            #"{"github/a/b": {"runCmd": "x", "runcmd": "y"}}"#,
            #"github/a/b.runcmd: unknown property; did you mean "runCmd""#
        ),
    ])
func wrongRepositories(_ mcp: String, _ beginning: String) throws {
    let found = try mistakes(mcp)
    #expect(found.count == 1 && found[0].hasPrefix(beginning), "\(found)")
}

@Test(
    "a command line is split as a shell splits it",
    arguments: [
        ("node index.js", ["node", "index.js"]), ("  a   b\t", ["a", "b"]),
        (#"a "b c" 'd "e'"#, ["a", "b c", "d \"e"]),
        (#"a\ b "c\"d" "e\f""#, ["a b", "c\"d", "e\\f"]), ("a ''", ["a", ""]), ("a'b'c", ["abc"]),
        ("--x=1 y", ["--x=1", "y"]),
        ("cmd --opt=a=b", ["cmd", "--opt=a=b"]), ("a\n", ["a"]),
        ("npm ci && npm run build", ["/bin/sh", "-c", "npm ci && npm run build"]),
        ("A=1 node x", ["/bin/sh", "-c", "A=1 node x"]), ("echo $HOME", ["/bin/sh", "-c", "echo $HOME"]),
        ("echo '$HOME'", ["echo", "$HOME"]), ("echo \"$X\"", ["/bin/sh", "-c", "echo \"$X\""]),
        ("a; b", ["/bin/sh", "-c", "a; b"]), ("a\nb", ["/bin/sh", "-c", "a\nb"]),
        ("ls *.py", ["/bin/sh", "-c", "ls *.py"]),
        ("a | b > c", ["/bin/sh", "-c", "a | b > c"]), ("~/x", ["/bin/sh", "-c", "~/x"]),
        ("x a~b c#d", ["x", "a~b", "c#d"]),
    ])
func commandLines(_ text: String, _ words: [String]) { #expect(CommandLine.words(text) == words) }

@Test(
    "a command line with an open quote or nothing in it is none", arguments: ["", "  ", "'", "a \"b", "a\\"])
func noCommandLine(_ text: String) { #expect(CommandLine.words(text) == nil) }

// MARK: Options

@Test("options of the sandbox are read")
func options() throws {
    func options(_ value: String) throws -> GatewayOptions {
        try builtIn.check(try json("{\"time\": {}, \"$gateway\": \(value)}"), policy: policy).get().options
    }
    #expect(try options("{}") == GatewayOptions())
    for choice in PrefixChoice.allCases {
        #expect(try options("{\"prefix\": \"\(choice.rawValue)\"}").prefix == choice)
    }
    let tools = try options(#"{"tools": {"include": ["time_*"], "exclude": ["time_convert*", "x?"]}}"#)
    #expect(tools.include == ["time_*"] && tools.exclude == ["time_convert*", "x?"])
    #expect(try options(#"{"tools": {"exclude": ["a"]}}"#).include == nil)
}

@Test(
    "wrong options are refused",
    arguments: [
        ("[]", "$gateway: must be an object, not an array"),
        (#"{"prefix": "sometimes"}"#, #"$gateway.prefix: must be one of "always", "on-collision", "none""#),
        (#"{"prefix": 1}"#, #"$gateway.prefix: must be one of "always", "on-collision", "none""#),
        (#"{"prefx": "none"}"#, #"$gateway.prefx: unknown option; did you mean "prefix"?"#),
        (#"{"nonsense": 1}"#, "$gateway.nonsense: unknown option"),
        (#"{"tools": []}"#, "$gateway.tools: must be an object, not an array"),
        (
            #"{"tools": {"includes": []}}"#,
            #"$gateway.tools.includes: unknown option; did you mean "include"?"#
        ),
        (#"{"tools": {"include": []}}"#, "$gateway.tools.include: is empty; leave it out to show every tool"),
        (
            #"{"tools": {"include": "a*"}}"#,
            "$gateway.tools.include: must be an array of at most 256 tool name patterns"
        ),
        (
            #"{"tools": {"exclude": [1]}}"#,
            "$gateway.tools.exclude: each pattern must be a string of 1 to 256 bytes"
        ),
        (
            #"{"tools": {"exclude": [""]}}"#,
            "$gateway.tools.exclude: each pattern must be a string of 1 to 256 bytes"
        ),
    ])
func wrongOptions(_ value: String, _ message: String) throws {
    #expect(try mistakes("{\"$gateway\": \(value)}") == [message])
}
