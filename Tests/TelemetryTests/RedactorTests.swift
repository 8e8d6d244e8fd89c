import Testing

@testable import Telemetry

@Suite("Redactor")
struct RedactorTests {
    @Test(
        "a secret is hidden as it is and as it travels",
        arguments: [
            ("s3cr3t/+ é\"", "token s3cr3t/+ é\" here"),
            ("s3cr3t/+ x", "url?a=s3cr3t%2F%2B%20x&b"), ("s3cr3t/+ x", "form a=s3cr3t%2f%2b+x"),
            ("s3cr3t\"/é", #"{"a":"s3cr3t\"/é"}"#), ("s3cr3t\"/é", #"{"a":"s3cr3t\"\/\u00e9"}"#),
            // user:hunter2hunter2, a:hunter2hunter2, ab:hunter2hunter2
            ("hunter2hunter2", "Basic dXNlcjpodW50ZXIyaHVudGVyMg=="),
            ("hunter2hunter2", "Basic YTpodW50ZXIyaHVudGVyMg=="),
            ("hunter2hunter2", "Basic YWI6aHVudGVyMmh1bnRlcjI="),
            ("-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----", "found MIIEvQIBADANBg in line 2"),
        ])
    func forms(secret: String, text: String) {
        let shown = Redactor([secret]).redact(text)
        #expect(shown.contains("[secret]"))
        for part in ["s3cr3t", "MIIEvQ", "odW50ZXIyaHVudGVy", "aHVudGVyMmh1bnRlc", "VudGVyMmh1bnR"] {
            #expect(!shown.contains(part), "\(shown)")
        }
    }

    @Test("a short secret is hidden as a whole word only")
    func short() {
        let redactor = Redactor(["1", "key"])
        #expect(
            redactor.redact("11 1 monkey key key1 (key)") == "11 [secret] monkey [secret] key1 ([secret])")
    }

    @Test("a secret that contains another one is hidden whole")
    func nested() {
        #expect(Redactor(["secret", "my-secret-value"]).redact("a my-secret-value b") == "a [secret] b")
    }

    @Test("text without a secret is not changed, nor is any text when there is none")
    func untouched() {
        #expect(Redactor(["hunter2"]).redact("žluťoučký \u{0} text") == "žluťoučký \u{0} text")
        #expect(Redactor([]).redact("anything") == "anything")
        #expect(Redactor([""]).redact("anything") == "anything")
    }
}
