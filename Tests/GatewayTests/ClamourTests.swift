import System
import Testing

@testable import Gateway

@Suite("Clamour")
struct ClamourTests {
    static let start = Instant(nanoseconds: 1_000_000_000)

    @Test("a server may send so many messages at once, and one more is too many")
    func burst() {
        var clamour = Clamour(now: Self.start)
        #expect(clamour.spend(messages: Limits.clamourUnits, bytes: 0, now: Self.start) == 0)
        #expect(clamour.spend(messages: 1, bytes: 0, now: Self.start) == 1)
    }

    @Test("it is read again when it has credit, and no earlier")
    func credit() {
        var clamour = Clamour(now: Self.start)
        let pause = clamour.spend(messages: Limits.clamourUnits * 3 / 2, bytes: 0, now: Self.start)
        #expect(pause == 500)
        var early = clamour
        let before = Self.start.advanced(milliseconds: pause - 10)
        #expect(early.spend(messages: 0, bytes: 0, now: before) == 10)
        #expect(clamour.spend(messages: 0, bytes: 0, now: Self.start.advanced(milliseconds: pause)) == 0)
    }

    @Test("bytes cost too, and less than messages")
    func bytes() {
        var clamour = Clamour(now: Self.start)
        let most = Limits.clamourUnits * Limits.clamourUnitBytes
        #expect(clamour.spend(messages: 0, bytes: most, now: Self.start) == 0)
        #expect(clamour.spend(messages: 0, bytes: Limits.clamourUnitBytes, now: Self.start) == 1)
    }

    @Test("credit is not saved beyond the limit, and no read costs more than four seconds")
    func bounds() {
        var clamour = Clamour(now: Self.start)
        let later = Self.start.advanced(milliseconds: 3_600_000)
        #expect(clamour.spend(messages: .max / 2, bytes: 0, now: later) == 3000)
    }

    @Test("a clock that goes back gives no credit")
    func clock() {
        var clamour = Clamour(now: Self.start)
        _ = clamour.spend(messages: Limits.clamourUnits, bytes: 0, now: Self.start)
        #expect(clamour.spend(messages: 4, bytes: 0, now: Instant(nanoseconds: 0)) == 1)
    }
}
