/// Reads the date-times of RFC 3339 (`2026-01-02T03:04:05.678+02:00`), as the SDK sends `startedAfter`.
enum Timestamp {
    /// Milliseconds since 1970, UTC; nil when `text` is no date-time.
    static func unixMilliseconds(_ text: String) -> Int? {
        let bytes = Array(text.utf8)
        guard bytes.count >= 20, bytes.count <= 40, bytes[4] == dash, bytes[7] == dash,
            [UInt8(ascii: "T"), UInt8(ascii: "t"), 0x20].contains(bytes[10]),
            bytes[13] == colon, bytes[16] == colon,
            let year = digits(bytes, 0, 4), let month = digits(bytes, 5, 2), let day = digits(bytes, 8, 2),
            let hour = digits(bytes, 11, 2), let minute = digits(bytes, 14, 2),
            let second = digits(bytes, 17, 2),
            (1...12).contains(month), (1...31).contains(day), hour < 24, minute < 60, second <= 60
        else { return nil }
        var position = 19
        let milliseconds = fraction(bytes, &position)
        guard let offset = offsetMinutes(bytes, position), let milliseconds else { return nil }
        let minutes = (daysSince1970(year, month, day) * 24 + hour) * 60 + minute - offset
        return (minutes * 60 + second) * 1000 + milliseconds
    }

    private static let dash = UInt8(ascii: "-")
    private static let colon = UInt8(ascii: ":")

    /// The decimal number of `count` digits at `start`.
    private static func digits(_ bytes: [UInt8], _ start: Int, _ count: Int) -> Int? {
        guard start + count <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[start..<start + count] {
            guard (0x30...0x39).contains(byte) else { return nil }
            value = value * 10 + Int(byte - 0x30)
        }
        return value
    }

    /// The milliseconds of a fraction, if one is there; digits after the third are dropped.
    private static func fraction(_ bytes: [UInt8], _ position: inout Int) -> Int? {
        guard position < bytes.count, bytes[position] == UInt8(ascii: ".") else { return 0 }
        position += 1
        var value = 0
        var count = 0
        while position < bytes.count, (0x30...0x39).contains(bytes[position]) {
            if count < 3 { value = value * 10 + Int(bytes[position] - 0x30) }
            count += 1
            position += 1
        }
        guard count > 0 else { return nil }
        for _ in min(count, 3)..<3 { value *= 10 }
        return value
    }

    /// `Z` or `+HH:MM`. A plus that a form decoder turned into a space counts as one.
    private static func offsetMinutes(_ bytes: [UInt8], _ start: Int) -> Int? {
        guard start < bytes.count else { return nil }
        switch bytes[start] {
        case UInt8(ascii: "Z"), UInt8(ascii: "z"):
            return start + 1 == bytes.count ? 0 : nil
        case UInt8(ascii: "+"), 0x20, dash:
            guard start + 6 == bytes.count, bytes[start + 3] == colon,
                let hours = digits(bytes, start + 1, 2), let minutes = digits(bytes, start + 4, 2),
                hours < 24, minutes < 60
            else { return nil }
            return (bytes[start] == dash ? -1 : 1) * (hours * 60 + minutes)
        default:
            return nil
        }
    }

    /// Days of the proleptic Gregorian calendar, counted from March so that a leap day ends its year.
    private static func daysSince1970(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let marchYear = month > 2 ? year : year - 1
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return marchYear * 365 + floored(marchYear, 4) - floored(marchYear, 100) + floored(marchYear, 400)
            + dayOfYear - 719_468
    }

    private static func floored(_ value: Int, _ divisor: Int) -> Int {
        value >= 0 ? value / divisor : -((divisor - 1 - value) / divisor)
    }
}
