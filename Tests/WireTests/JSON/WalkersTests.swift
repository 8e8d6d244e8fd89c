import Testing
import Wire

private func members(_ text: String) -> [[String]] {
    withBytes(text) { bytes in
        var walker = ObjectWalker(bytes)
        var found: [[String]] = []
        while let member = walker.next() {
            found.append(
                [member.key, member.value, member.whole].map { String(decoding: $0.of(bytes), as: UTF8.self) }
            )
        }
        return found
    }
}

private func elements(_ text: String) -> [String] {
    withBytes(text) { bytes in
        var walker = ArrayWalker(bytes)
        var found: [String] = []
        while let element = walker.next() { found.append(String(decoding: element.of(bytes), as: UTF8.self)) }
        return found
    }
}

@Suite struct WalkersTests {
    @Test("an object gives its members in order, as they are written")
    func objects() {
        #expect(
            members(#" { "a" : 1 ,"b\n":[{"c":2}], "":"x" } "#) == [
                ["a", "1", #""a" : 1"#], [#"b\n"#, #"[{"c":2}]"#, #""b\n":[{"c":2}]"#],
                ["", "\"x\"", "\"\":\"x\""],
            ])
        #expect(members("{}").isEmpty && members(" { } ").isEmpty)
    }

    @Test("an array gives its elements in order")
    func arrays() {
        #expect(elements(#"[ 1 , "a]" ,[2,3],{"b":[]} ]"#) == ["1", "\"a]\"", "[2,3]", #"{"b":[]}"#])
        #expect(elements("[]").isEmpty)
    }

    @Test(
        "over what is not theirs they yield what they can and end",
        arguments: [
            "", " ", "1", "[1,2", #"{"a":1"#, #"{"a""#, #"{"a":1,}"#, "[1,,2]", "[", "{", "null",
        ])
    func others(_ text: String) {
        #expect(members(text).count <= 1)
        #expect(elements(text).count <= 2)
    }

    @Test("seeded variations never lead out of the text", arguments: [31, 32] as [UInt64])
    func mutations(_ seed: UInt64) {
        var random = Random64(state: seed)
        let seeds = [#"{"a":[1,{"b":"c"}],"d":null}"#, #"[{"a":1},"b",[[]]]"#].map { Array($0.utf8) }
        let spice = ["\"", "\\", "{", "}", "[", "]", ",", ":"].map { Array($0.utf8) }
        for _ in 0..<3000 {
            let text = mutated(seeds.randomElement(using: &random) ?? [], &random, spice: spice)
            withExactBytes(text) { bytes in
                var object = ObjectWalker(bytes)
                while let member = object.next() { #expect(member.whole.end <= text.count) }
                var array = ArrayWalker(bytes)
                while let element = array.next() { #expect(element.end <= text.count) }
            }
        }
    }
}
