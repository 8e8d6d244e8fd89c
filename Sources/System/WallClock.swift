import Glibc

/// The civil clock and its two text forms, without Foundation or locale.
public enum WallClock {
    public static func unixSeconds() -> Int { read().tv_sec }

    public static func unixMilliseconds() -> Int {
        let time = read()
        return time.tv_sec * 1000 + time.tv_nsec / 1_000_000
    }

    private static func read() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
    public static func iso8601(unixMilliseconds: Int) -> String {
        let (seconds, milliseconds) = floorDivide(unixMilliseconds, 1000)
        let date = CivilTime(unixSeconds: seconds)
        return "\(padded(date.year, 4))-\(padded(date.month))-\(padded(date.day))T\(date.clockText)"
            + ".\(padded(milliseconds, 3))Z"
    }

    /// IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
    public static func httpDate(unixSeconds: Int) -> String {
        let date = CivilTime(unixSeconds: unixSeconds)
        return "\(weekdays[date.weekday]), \(padded(date.day)) \(months[date.month - 1]) "
            + "\(padded(date.year, 4)) \(date.clockText) GMT"
    }

    private static let weekdays = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}

private func padded(_ value: Int, _ width: Int = 2) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(width - text.utf8.count, 0)) + text
}

/// Seconds since 1970 as a date of the proleptic Gregorian calendar in UTC.
struct CivilTime {
    let year: Int
    /// 1...12.
    let month: Int
    let day: Int
    let hour: Int
    let minute: Int
    let second: Int
    /// 0 is Sunday.
    let weekday: Int

    /// `03:04:05`.
    var clockText: String { "\(padded(hour)):\(padded(minute)):\(padded(second))" }

    init(unixSeconds: Int) {
        let (days, time) = floorDivide(unixSeconds, 86_400)
        hour = time / 3600
        minute = time % 3600 / 60
        second = time % 60
        // 1 January 1970 was a Thursday.
        weekday = floorDivide(days + 4, 7).remainder
        // Howard Hinnant's civil_from_days: years begin in March, so that the leap day comes last.
        let (era, dayOfEra) = floorDivide(days + 719_468, 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        day = dayOfYear - (153 * marchMonth + 2) / 5 + 1
        month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    }
}

/// Division that rounds down, so that the remainder is never negative.
private func floorDivide(_ value: Int, _ by: Int) -> (quotient: Int, remainder: Int) {
    let remainder = value % by
    return remainder < 0 ? (value / by - 1, remainder + by) : (value / by, remainder)
}
