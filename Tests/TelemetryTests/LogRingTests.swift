import Testing

@testable import Telemetry

@Suite("LogRing")
struct LogRingTests {
    static func line(_ message: String) -> LogLine {
        LogLine(unixMilliseconds: 0, level: .info, message: message, fields: [])
    }

    @Test("a full ring keeps the old lines, drops the new ones and counts them")
    func full() {
        let ring = LogRing(capacity: 2)
        for message in ["a", "b", "c", "d"] { ring.put(Self.line(message)) }
        let taken = ring.take()
        #expect(taken.lines.map(\.message) == ["a", "b"])
        #expect(taken.dropped == 2)
        ring.put(Self.line("e"))
        let next = ring.take()
        #expect(next.lines.map(\.message) == ["e"])
        #expect(next.dropped == 0)
    }

    @Test("draining an empty ring returns at once")
    func drain() {
        LogRing(capacity: 1).drain(seconds: 1000)
    }
}
