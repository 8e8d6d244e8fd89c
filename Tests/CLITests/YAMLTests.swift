import Testing
import Wire

@testable import CLI

@Suite struct YAMLTests {
    @Test("plain scalars have YAML's core types") func types() throws {
        let node = try YAMLDocument.parse(Array("[1, -2.5, true, ~, '1', 0x1, yes, 1e3, {a: }]".utf8))
        let json = try node?.json().serialized()
        #expect(json == Array(#"[1,-2.5,true,null,"1","0x1","yes",1e3,{"a":null}]"#.utf8))
    }

    @Test("a key that is there twice is named with its line") func twice() throws {
        let node = try YAMLDocument.parse(Array("a: 1\nb: 2\na: 3\n".utf8))
        #expect(throws: YAMLError(line: 3, message: "a is there twice")) { try node?.json() }
    }

    @Test("a file of a foreign catalog is YAML or JSON; what is neither is named with its line")
    func foreign() throws {
        #expect(try ForeignCatalog.tree(Array(#"{"a": 1}"#.utf8), "f") == ["a": 1])
        #expect(try ForeignCatalog.tree(Array("a: 1".utf8), "f") == ["a": 1])
        #expect { try ForeignCatalog.tree(Array("a:\n\t- [".utf8), "f") } throws: {
            "\($0)".hasPrefix("f:2: ")
        }
    }
}
