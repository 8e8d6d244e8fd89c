import Testing

@testable import System

@Suite("Clocks")
struct ClockTests {
    @Test(
        "moments are written as RFC 3339",
        arguments: [
            (0, "1970-01-01T00:00:00.000Z"), (-1, "1969-12-31T23:59:59.999Z"),
            (1_767_323_045_678, "2026-01-02T03:04:05.678Z"), (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_399_000, "2100-02-28T23:59:59.000Z"), (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ])
    func iso(milliseconds: Int, text: String) {
        #expect(WallClock.iso8601(unixMilliseconds: milliseconds) == text)
    }

    @Test(
        "moments are written as IMF-fixdate (RFC 9110 §5.6.7)",
        arguments: [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"), (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
        ])
    func http(seconds: Int, text: String) {
        #expect(WallClock.httpDate(unixSeconds: seconds) == text)
    }

    @Test("both readings of the wall clock agree")
    func readings() {
        let before = WallClock.unixSeconds()
        let milliseconds = WallClock.unixMilliseconds()
        let after = WallClock.unixSeconds()
        #expect(milliseconds / 1000 >= before && milliseconds / 1000 <= after)
    }

    @Test("an instant moves both ways and saturates")
    func instants() {
        let start = Instant(nanoseconds: 5_000_000)
        #expect(start.advanced(milliseconds: 7).milliseconds(since: start) == 7)
        #expect(start.advanced(milliseconds: -3) == Instant(nanoseconds: 2_000_000))
        #expect(start.milliseconds(since: start.advanced(milliseconds: 9)) == -9)
        #expect(start.advanced(milliseconds: -6) == Instant(nanoseconds: 0))
        #expect(start.advanced(milliseconds: .max) == Instant(nanoseconds: .max))
        #expect(start.advanced(milliseconds: .min) == Instant(nanoseconds: 0))
    }

    @Test("the monotonic clock does not go back")
    func monotonic() {
        let first = Instant.now()
        #expect(Instant.now() >= first)
    }
}
