import Testing

@testable import Gateway

@Suite struct SandboxKeyTests {
    @Test(
        "only 22 characters of [a-z0-9] are a sandbox id",
        arguments: [
            "", "0", "00abcdefghijklmnopqrs", "00abcdefghijklmnopqrstu", "00ABCDEFGHIJKLMNOPQRST",
            "00abcdefghijklmnopqrs-", "00abcdefghijklmnopqrs/", "00abcdefghijklmnopqr\u{e9}",
        ])
    func malformed(_ text: String) {
        #expect(SandboxKey(text) == nil)
    }

    @Test("ids that differ in any character are different keys")
    func everyCharacterCounts() throws {
        let id = Array("00abcdefghijklmnopqrst")
        let key = try #require(SandboxKey(String(id)))
        for i in id.indices {
            var other = id
            other[i] = id[i] == "9" ? "8" : "9"
            #expect(SandboxKey(String(other)) != key)
        }
    }

    @Test("the first two characters name the home, whatever the number of loops")
    func home() throws {
        let first = try #require(SandboxKey("00abcdefghijklmnopqrst"))
        let last = try #require(SandboxKey("zzabcdefghijklmnopqrst"))
        for loops in 1...9 {
            #expect(first.home(loops: loops) == 0)
            #expect(last.home(loops: loops) == 1295 % loops)
        }
    }
}
