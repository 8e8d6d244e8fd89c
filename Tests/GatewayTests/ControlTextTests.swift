import System
import Testing

@testable import Gateway

@Suite struct ControlTextTests {
    @Test(
        "words are split as POSIX says",
        arguments: [
            ("", []), ("  \t ", []), ("a", ["a"]), (" a  b\tc ", ["a", "b", "c"]), ("''", [""]),
            ("a''b", ["ab"]),
            ("'a b'", ["a b"]), ("'a'\"b\"c", ["abc"]), (#"a\ b"#, ["a b"]), (#"\'"#, ["'"]),
            (#"'a\b'"#, [#"a\b"#]), (#""a\b\\\"\$\`""#, [#"a\b\"$`"#]), ("a\\\nb", ["ab"]),
            (#"'it'"'"'s'"#, ["it's"]), ("a#b ü", ["a#b", "ü"]), ("--x={a,b}", ["--x={a,b}"]),
        ] as [(String, [String])])
    func words(text: String, expected: [String]) throws {
        #expect(try ShellWords.split(text, wordsMax: 10) == expected)
    }

    @Test(
        "what a shell would do more than split is refused",
        arguments: [
            "a;b", "a&b", "a|b", "a<b", "a>b", "(a)", "$a", "`a`", "a*", "a?", "[a]", "a\nb", "'a", "\"a",
            "a\\",
            "\"$a\"", "\"`a`\"", "~/a", "#a", "!a", "a\0b",
        ])
    func refusedWords(text: String) {
        #expect(throws: ShellWords.Refusal.self) { try ShellWords.split(text, wordsMax: 10) }
    }

    @Test("a word too many is refused")
    func tooManyWords() throws {
        #expect(try ShellWords.split("a b ", wordsMax: 2).count == 2)
        #expect(throws: ShellWords.Refusal.self) { try ShellWords.split("a b c ", wordsMax: 2) }
        #expect(throws: ShellWords.Refusal.self) { try ShellWords.split("a b c", wordsMax: 2) }
    }

    @Test(
        "a date-time becomes its instant",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-01-02T03:04:05Z", 1_767_323_045_000),
            ("2026-01-02T03:04:05.678Z", 1_767_323_045_678), ("2026-01-02T03:04:05.6Z", 1_767_323_045_600),
            ("2026-01-02T03:04:05.678999+00:00", 1_767_323_045_678),
            ("2026-01-02T05:04:05+02:00", 1_767_323_045_000),
            ("2026-01-02T02:34:05-00:30", 1_767_323_045_000),
            ("2026-01-02T05:04:05 02:00", 1_767_323_045_000), ("2000-02-29T12:00:00Z", 951_825_600_000),
            ("1969-12-31T23:59:59Z", -1000), ("2024-12-31t23:59:60z", 1_735_689_600_000),
        ])
    func timestamps(text: String, expected: Int) {
        #expect(Timestamp.unixMilliseconds(text) == expected)
    }

    @Test(
        "what is no date-time is none",
        arguments: [
            "", "2026", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-01-32T03:04:05Z",
            "2026-01-02T24:04:05Z", "2026-01-02T03:60:05Z", "2026-01-02T03:04:61Z", "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05Zx", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05+02:60",
            "+026-01-02T03:04:05Z",
            "2026-01-02T03:04:05.99999999999999999999999Z", "2026-01-02T03:04:05+aa:bb",
        ])
    func wrongTimestamps(text: String) {
        #expect(Timestamp.unixMilliseconds(text) == nil)
    }

    @Test(
        "base64 is RFC 4648's",
        arguments: [
            ("", "", ""), ("f", "Zg==", "Zg"), ("fo", "Zm8=", "Zm8"), ("foo", "Zm9v", "Zm9v"),
            ("foob", "Zm9vYg==", "Zm9vYg"), ("\u{3f}\u{3f}>~", "Pz8+fg==", "Pz8-fg"),
        ])
    func base64(text: String, padded: String, urlSafe: String) {
        #expect(Base64Text.padded(Array(text.utf8)) == padded)
        #expect(Base64Text.urlSafe(Array(text.utf8)) == urlSafe)
    }

    @Test("an id names its home, whatever the number of loops", arguments: [1, 2, 3, 7, 64, 1296])
    func homes(loopCount: Int) {
        for home in [0, loopCount / 2, loopCount - 1] {
            let id = SandboxID.mint(home: home, loopCount: loopCount)
            #expect(SandboxID.isWellFormed(id))
            #expect(SandboxID.home(of: id, loopCount: loopCount) == home)
        }
    }

    @Test(
        "what is no id has no home",
        arguments: ["", "a", String(repeating: "A", count: 22), "../../../../../etc/pas"])
    func noHome(id: String) {
        #expect(SandboxID.home(of: id, loopCount: 2) == nil)
    }

    @Test("a digest is SHA-256, and secrets are equal only when they are the same")
    func digests() {
        let hex = Secret.digest("abc").map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(hex == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Secret.areEqual("a", "a"))
        #expect(!Secret.areEqual("a", "b"))
        #expect(!Secret.areEqual([1], [1, 2]))
        #expect(Secret.mcpToken() != Secret.mcpToken())
    }

    // MARK: Key files

    @Test("a key file has a name and a key on each line, comments and empty lines apart")
    func keyFile() throws {
        let keys = try APIKeys.parse(Array("# keys\nalice e2b_1\n\n  bob\te2b_2  \r\nalice e2b_3".utf8))
        #expect(keys.count == 3)
        #expect(keys.owner(of: "e2b_1") == "alice")
        #expect(keys.owner(of: "e2b_2") == "bob")
        #expect(keys.owner(of: "e2b_3") == "alice")
        for key in ["", "e2b", "e2b_1 ", "E2B_1", "e2b_4", String(repeating: "x", count: 10_000)] {
            #expect(keys.owner(of: key) == nil)
        }
    }

    @Test(
        "a wrong line is named by its number, without its key",
        arguments: [
            ("alice\n", 1), ("a e2b_secret more\n", 1), ("a k\nb\n", 2), ("a e2b_secret\nb e2b_secret\n", 2),
            ("a é\n", 1), ("a \u{1}\n", 1),
        ])
    func wrongKeyFile(text: String, line: Int) {
        do {
            _ = try APIKeys.parse(Array(text.utf8))
            Issue.record("accepted")
        } catch {
            #expect(error.line == line)
            #expect(!error.message.contains("secret"))
        }
    }

    // MARK: Alarms

    @Test("alarms come in the order of their time, cancelled ones not at all")
    func alarmOrder() {
        var generator = SeededGenerator(seed: 7)
        var heap = AlarmHeap<Int>()
        var expected: [(due: Int, value: Int)] = []
        var ids: [AlarmHeap<Int>.ID] = []
        for value in 0..<500 {
            let due = Int.random(in: 0..<100, using: &generator)
            ids.append(heap.add(value, due: Instant(nanoseconds: UInt64(due))))
            expected.append((due, value))
        }
        for value in stride(from: 0, to: 500, by: 3) {
            heap.cancel(ids[value])
            heap.cancel(ids[value])
        }
        expected = expected.filter { $0.value % 3 != 0 }.sorted { ($0.due, $0.value) < ($1.due, $1.value) }
        #expect(heap.count == expected.count)
        var fired: [Int] = []
        for now in 0..<100 {
            while let value = heap.popDue(Instant(nanoseconds: UInt64(now))) { fired.append(value) }
        }
        #expect(fired == expected.map(\.value))
        #expect(heap.earliest == nil)
    }
}

/// SplitMix64: the same numbers on every run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
