import Testing

@testable import Telemetry

@Suite("LogLine")
struct LogLineTests {
    static let line = LogLine(
        unixMilliseconds: 0, level: .warning, message: "it\nfailed",
        fields: [("id", "a1"), ("reason", "two words \"quoted\"\u{1B}[0m"), ("empty", "")])

    @Test("text is one line, with values quoted where they need it")
    func text() {
        let text = String(decoding: Self.line.bytes(.text), as: UTF8.self)
        #expect(
            text == "1970-01-01T00:00:00.000Z warning it\\nfailed id=a1 "
                + "reason=\"two words \\\"quoted\\\"\\u001b[0m\" empty=\"\"\n")
    }

    @Test("JSON is one object with the same in it")
    func json() {
        let text = String(decoding: Self.line.bytes(.json), as: UTF8.self)
        #expect(
            text == #"{"time":"1970-01-01T00:00:00.000Z","level":"warning","message":"it\nfailed","id":"a1","#
                + #""reason":"two words \"quoted\"\u001b[0m","empty":""}"# + "\n")
    }

    @Test("a value from outside cannot fill the disk")
    func long() {
        let line = LogLine(
            unixMilliseconds: 0, level: .info, message: "m",
            fields: [("v", String(repeating: "x", count: TelemetryLimits.fieldBytes + 1))])
        #expect(line.bytes(.text).count < TelemetryLimits.fieldBytes + 100)
    }

    @Test("levels are ordered by how much they tell")
    func levels() {
        #expect(LogLevel.error < .warning && LogLevel.warning < .info && LogLevel.debug < .trace)
    }
}
