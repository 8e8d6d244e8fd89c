import Testing

@testable import Sandbox

@Suite("ConsoleScripts")
struct ConsoleScriptsTests {
    @Test("console scripts are read from an entry-points file, other groups are not")
    func parse() {
        let text =
            "[gui_scripts]\nno = a:b\n\n[console_scripts]\n# c\nfirst = a.b:main\n  second=a:b [extra]\n[other]\nx = y\n"
        #expect(ConsoleScripts.parse(text) == ["first", "second"])
        #expect(ConsoleScripts.parse("") == [])
    }

    @Test("the script called like the package comes first, then one with mcp in it, then the first")
    func order() {
        #expect(
            ConsoleScripts.ordered(["a", "my_package", "mcp-x"], package: "my_package").first == "my_package")
        #expect(ConsoleScripts.ordered(["a", "My-Package"], package: "my_package") == ["My-Package", "a"])
        #expect(ConsoleScripts.ordered(["a", "x-mcp"], package: "p") == ["x-mcp", "a"])
        #expect(ConsoleScripts.ordered(["a", "b"], package: "p") == ["a", "b"])
        #expect(ConsoleScripts.ordered([], package: "p") == [])
    }
}

@Suite("PythonRequirement")
struct PythonRequirementTests {
    @Test(
        "version specifiers hold or do not",
        arguments: [
            (">=3.10", "3.10.0", true), (">=3.10", "3.9.18", false), (">=3.10,<3.13", "3.13.0", false),
            (">=3.10, <3.13", "3.12.9", true), (">3.11", "3.11.0", false), ("~=3.11", "3.12.1", true),
            ("~=3.11.2", "3.12.0", false), ("==3.11.*", "3.11.7", true), ("!=3.11.*", "3.11.7", false),
            ("==3.11", "3.11.7", true), ("<=3.12", "3.12.0", true), (">=3.9", "3.11.2", true),
        ])
    func rules(requirement: String, version: String, holds: Bool) throws {
        let rule = try #require(PythonRequirement(requirement))
        #expect(rule.allows(try #require(PythonVersion(version))) == holds)
    }

    @Test(
        "what is no specifier is refused",
        arguments: ["", "3.11", ">=", ">=x", ">=3.*", "~=3", "=>3", ">=3.1.2.3"])
    func malformed(text: String) {
        // An empty one has no rule, and is not asked for.
        #expect(text.isEmpty || PythonRequirement(text) == nil)
    }
}
