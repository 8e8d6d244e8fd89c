import Testing
import Wire

@Suite struct ValueTests {
    static let values: [(String, JSONValue)] = [
        ("null", nil), ("true", true), ("false", false), ("0", 0), ("-0", .number(-0.0, text: "-0")),
        ("-12", -12),
        ("9223372036854775807", .integer(.max)), ("-9223372036854775808", .integer(.min)),
        ("1.5", .number(1.5, text: "1.5")), ("1e2", .number(100, text: "1e2")),
        (#""a\u0062""#, "ab"), ("[]", []), ("[1,[2]]", [1, [2]]), ("{}", [:]),
        (#"{"a":1,"b":{"c":null}}"#, ["a": 1, "b": ["c": nil]]),
    ]

    @Test("a text becomes the value it writes", arguments: values)
    func parses(_ text: String, _ value: JSONValue) throws {
        #expect(try JSONValue.parse(text) == value)
    }

    @Test("an integer that does not fit keeps its text")
    func large() throws {
        for text in ["9223372036854775808", "-9223372036854775809", "123456789012345678901234567890"] {
            let value = try JSONValue.parse(text)
            #expect(value.intValue == nil)
            #expect(String(decoding: value.serialized(), as: UTF8.self) == text)
        }
    }

    @Test(
        "a name that comes twice in one object is refused, however it is written",
        arguments: [
            #"{"a":1,"a":2}"#, #"{"a":1,"\u0061":2}"#, #"{"x":[{"b":1,"c":2,"b":3}]}"#, #"{"":1,"":1}"#,
            #"{"\/":1,"/":1}"#,
        ])
    func duplicates(_ text: String) {
        #expect(throws: JSONError.self) { try JSONValue.parse(text) }
    }

    @Test("a name may come again in another object, or in another case")
    func sameNames() throws {
        #expect(try JSONValue.parse(#"{"a":{"a":1},"A":[{"a":2},{"a":3}]}"#)["a"]?["a"] == 1)
    }

    @Test("of many members the duplicate is found as well")
    func manyMembers() throws {
        let members = (0..<200).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        let value = try JSONValue.parse("{\(members)}")
        #expect(value["k0"] == 0 && value["k199"] == 199 && value["k200"] == nil)
        for repeated in [0, 11, 12, 13, 199] {
            #expect(throws: JSONError.self) { try JSONValue.parse("{\(members),\"k\(repeated)\":1}") }
        }
    }

    @Test("an object keeps the order of its members while they come and go")
    func objects() {
        var object = JSONObject()
        for i in 0..<20 { object["k\(i)"] = .integer(i) }
        object["k3"] = nil
        object["k15"] = "new"
        object["k3"] = "again"
        #expect(object.names == (0..<20).filter { $0 != 3 }.map { "k\($0)" } + ["k3"])
        #expect(object["k15"] == "new" && object["k3"] == "again" && object["k4"] == 4)
        for i in 5..<20 { object["k\(i)"] = nil }
        #expect(object.names == ["k0", "k1", "k2", "k4", "k3"] && object["k4"] == 4)
    }

    @Test("a value is written compactly, or indented")
    func writes() throws {
        let value: JSONValue = ["a": [1, [], "é\n"], "b": [:], "c": ["d": nil]]
        #expect(
            String(decoding: value.serialized(), as: UTF8.self)
                == #"{"a":[1,[],"é\n"],"b":{},"c":{"d":null}}"#)
        let pretty = String(decoding: value.serialized(pretty: true), as: UTF8.self)
        #expect(pretty.contains("\n  \"a\": [\n    1,"))
        #expect(try JSONValue.parse(pretty) == value)
    }

    private func tree(_ random: inout Random64, depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth < 5 ? 8 : 6), using: &random) {
        case 0: nil
        case 1: .bool(Bool.random(using: &random))
        case 2: .integer(Int(truncatingIfNeeded: random.next()))
        case 3: .number(0.5, text: "5e-1")
        case 4: .string(String(repeating: "a\"é", count: Int.random(in: 0..<9, using: &random)))
        case 5: .string("")
        case 6:
            .array((0..<Int.random(in: 0..<5, using: &random)).map { _ in tree(&random, depth: depth + 1) })
        default:
            .object(
                (0..<Int.random(in: 0..<20, using: &random)).reduce(into: JSONObject()) { object, i in
                    object["\u{1F600}\(i)"] = tree(&random, depth: depth + 1)
                })
        }
    }

    @Test("what is written reads back as the same tree", arguments: [21, 22] as [UInt64])
    func roundTrip(_ seed: UInt64) throws {
        var random = Random64(state: seed)
        for _ in 0..<200 {
            let value = tree(&random, depth: 0)
            #expect(try JSONValue.parse(value.serialized()) == value, "seed \(seed)")
            #expect(try JSONValue.parse(value.serialized(pretty: true)) == value, "seed \(seed)")
        }
    }
}
