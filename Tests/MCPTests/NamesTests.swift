import Testing

@testable import MCP

private func assign(_ servers: [(String, [String])], _ mode: PrefixMode) -> [String?] {
    let originals = servers.enumerated().flatMap { index, server in
        server.1.map { ExposedName.Original(server: index, name: Array($0.utf8)) }
    }
    return ExposedName.assign(originals, servers: servers.map { Array($0.0.utf8) }, mode: mode)
        .map { $0.map { String(decoding: $0, as: UTF8.self) } }
}

@Test(
    "names are prefixed with the server's name as its caller wrote it, once",
    arguments: [
        ("github", "search", "github_search"), ("github", "github_search", "github_search"),
        ("github", "githubsearch", "github_githubsearch"), ("my_db", "query", "my_db_query"),
        ("Notion", "notion_get", "Notion_notion_get"), ("a", "b.c-d_E", "a_b.c-d_E"),
        ("github/o/r", "run", "github_o_r_run"), ("a", "x/y z", "a_x_y_z"), ("a", "é!", "a___"),
        ("a", "日本", "a___"),
    ])
func prefixing(_ server: String, _ tool: String, _ expected: String) {
    #expect(assign([(server, [tool])], .always) == [expected])
}

@Test("a name over 64 bytes keeps 55 and gets a digest that never changes")
func longNames() throws {
    let long = String(repeating: "x", count: 70)
    let exposed = try #require(assign([("srv", [long, long + "y"])], .always) as? [String])
    #expect(exposed.allSatisfy { $0.utf8.count == 64 })
    #expect(exposed[0] != exposed[1])
    #expect(exposed[0].hasPrefix("srv_" + String(repeating: "x", count: 51) + "_"))
    // base32 of SHA-256("srv" NUL name), computed apart.
    #expect(exposed[0].hasSuffix("_7zwah2dg"))
    #expect(assign([("srv", [String(repeating: "x", count: 60)])], .always)[0]?.utf8.count == 64)
}

@Test("on-collision prefixes only names that several servers have")
func onCollision() {
    #expect(
        assign([("a", ["search", "one"]), ("b", ["search", "two"])], .onCollision)
            == ["a_search", "one", "b_search", "two"])
}

@Test("without prefixes names are what they are, and the second of two equals gets a digest")
func noPrefix() throws {
    let exposed = assign([("a", ["weird name/é", "x"]), ("b", ["x"])], .none)
    #expect(exposed[0] == "weird name/é")
    #expect(exposed[1] == "x")
    let third = try #require(exposed[2])
    #expect(third.hasPrefix("x_") && third.utf8.count == 10)
}

@Test("names that look alike in legal characters are all kept")
func alike() {
    let exposed = assign([("a/b", ["t"]), ("a_b", ["t"]), ("s", ["x y", "x_y", "x/y"])], .always)
    #expect(exposed.allSatisfy { $0 != nil })
    #expect(Set(exposed.compactMap(\.self)).count == 5)
}

@Test("the second of one server's equal names is dropped, as is an empty one")
func duplicates() {
    #expect(assign([("a", ["t", "t", ""])], .always) == ["a_t", nil, nil])
}

@Test("a table finds every name and no other, also when names begin alike")
func nameTable() {
    var table = NameTable()
    for i in 0..<3000 { #expect("tool_\(i)".raw { table.insert($0, Int32(i)) }) }
    #expect(table.count == 3000)
    for i in 0..<3000 { #expect("tool_\(i)".raw { table.value(of: $0) } == Int32(i)) }
    for i in 3000..<6000 { #expect("tool_\(i)".raw { table.value(of: $0) } == nil) }
    #expect(!"tool_7".raw { table.insert($0, 99) })
    #expect("tool_7".raw { table.value(of: $0) } == 7)
    #expect("".raw { table.value(of: $0) } == nil)
    #expect("".raw { table.insert($0, 5) })
    #expect("".raw { table.value(of: $0) } == 5)
    #expect("x".raw { NameTable().value(of: $0) } == nil)
}

@Test(
    "globs",
    arguments: [
        ("*", "", true), ("*", "abc", true), ("", "", true), ("", "a", false), ("a?c", "abc", true),
        ("a?c", "ac", false), ("a?c", "aéc", true), ("??", "é", false), ("github_*", "github_search", true),
        ("github_*", "gitlab_search", false), ("*_delete*", "a_delete_b", true), ("a*b*c", "aXbXbXc", true),
        ("a*b*c", "aXbXbX", false), ("**", "x", true), ("a", "A", false), ("[ab]", "a", false),
        ("*a", "aaaab", false),
    ])
func globs(_ pattern: String, _ name: String, _ expected: Bool) {
    #expect(name.raw { NamePattern(pattern).matches($0) } == expected)
}

@Test("exclude wins over include, and no include means all")
func filters() {
    let filter = ToolFilter(include: [NamePattern("a_*")], exclude: [NamePattern("*_rm")])
    #expect("a_ls".raw { filter.admits($0) })
    #expect(!"a_rm".raw { filter.admits($0) })
    #expect(!"b_ls".raw { filter.admits($0) })
    #expect("anything".raw { ToolFilter.all.admits($0) })
    #expect(!"x_rm".raw { ToolFilter(include: [], exclude: [NamePattern("*_rm")]).admits($0) })
}

@Test(
    "templates match what they could expand to",
    arguments: [
        ("test://template/{id}/data", "test://template/123/data", true),
        ("test://template/{id}/data", "test://template//data", false),
        ("test://template/{id}/data", "test://template/123/dat", false),
        ("test://template/{id}/data", "test://template/1/data/x", false),
        ("file:///{path}", "file:///a/b/c", true), ("file:///{path}", "file:///", false),
        ("db://{a}/{b}", "db://x/y", true), ("db://{a}/{b}", "db://x", false),
        ("s://{a}{b}", "s://x", false), ("s://{a}{b}", "s://xy", true), ("s://q{?x,y}", "s://q", true),
        ("s://q{?x}", "s://q?x=1", true), ("s://plain", "s://plain", true),
        ("s://plain", "s://plainer", false),
        ("{scheme}://x", "http://x", true), ("s://{a}aab{c}z", "s://1aaab2z", true),
    ])
func templates(_ template: String, _ uri: String, _ expected: Bool) throws {
    let parsed = try #require(URITemplate(Array(template.utf8)))
    #expect(uri.raw { parsed.matches($0) } == expected)
}

@Test("templates whose braces do not pair are no patterns", arguments: ["a{b", "a}b", "a{}b"])
func badTemplates(_ template: String) {
    #expect(URITemplate(Array(template.utf8)) == nil)
}
