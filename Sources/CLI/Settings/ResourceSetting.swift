import System

/// What one source says of a limit of sandboxes: the value of those whose creators say nothing, and the most that
/// they may ask for.
struct ResourceSetting: Sendable, Equatable {
    var standard: UInt64
    var maximum: UInt64

    /// Reads `2GiB`, which is both, or `2GiB..8GiB`.
    static func read(_ text: String, _ limit: ResourceLimit) throws(SettingMistake) -> ResourceSetting {
        let parts = text.split(separator: "..", maxSplits: 1, omittingEmptySubsequences: false)
        let standard = try value(String(parts.first ?? ""), limit, of: text)
        guard parts.count == 2 else { return ResourceSetting(standard: standard, maximum: standard) }
        let maximum = try value(String(parts[1]), limit, of: text)
        guard standard <= maximum || isNone(maximum, limit) else {
            throw SettingMistake(message: "\"\(text)\" has a maximum below its default")
        }
        guard !isNone(standard, limit) || isNone(maximum, limit) else {
            throw SettingMistake(message: "\"\(text)\" has a default without a limit, and a maximum")
        }
        return ResourceSetting(standard: standard, maximum: maximum)
    }

    private static func value(
        _ text: String, _ limit: ResourceLimit, of whole: String
    ) throws(SettingMistake) -> UInt64 {
        guard let value = limit.value(of: text) else {
            throw SettingMistake(
                message: "\"\(whole)\" must be \(limit.form), or a default and a maximum with .. between them"
            )
        }
        guard limit.range.contains(value) || isNone(value, limit) else {
            let (least, most) = (limit.range.lowerBound, limit.range.upperBound)
            throw SettingMistake(
                message: "\"\(whole)\" must be from \(limit.text(of: least)) to \(limit.text(of: most))")
        }
        return value
    }

    /// The disk of the state directory, without a limit.
    private static func isNone(_ value: UInt64, _ limit: ResourceLimit) -> Bool {
        limit == .sandboxDisk && value == 0
    }
}

extension ResourcePolicy {
    init(_ settings: [ResourceLimit: ResourceSetting]) {
        self.init()
        for (limit, setting) in settings {
            standard[limit] = setting.standard
            maximum[limit] = setting.maximum
        }
    }
}
