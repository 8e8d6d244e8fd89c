/// Which known name somebody may have meant.
public enum Nearest {
    /// Up to `limit` of `candidates`, the likeliest first. Case and punctuation do not count.
    public static func of(_ text: String, in candidates: [String], limit: Int) -> [String] {
        ranked(text, candidates.map { ($0, $0) }, limit: limit)
    }

    /// As `of`, over pairs of what is compared and what is suggested for it; no suggestion comes twice.
    static func ranked(_ text: String, _ candidates: [(name: String, meant: String)], limit: Int) -> [String]
    {
        let wanted = folded(text)
        guard !wanted.isEmpty, text.utf8.count <= CatalogLimits.comparedBytesMax else { return [] }
        var scores: [String: Int] = [:]
        for candidate in candidates {
            guard let score = score(wanted, folded(candidate.name)) else { continue }
            scores[candidate.meant] = min(scores[candidate.meant] ?? .max, score)
        }
        let order = scores.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        return order.prefix(limit).map(\.key)
    }

    /// `; did you mean "a" or "b"?`, or nothing.
    public static func question(_ names: [String]) -> String {
        names.isEmpty ? "" : "; did you mean " + names.map { "\"\($0)\"" }.joined(separator: " or ") + "?"
    }

    /// 0 for the same letters; nil for what is too far off to be meant.
    private static func score(_ wanted: [UInt8], _ name: [UInt8]) -> Int? {
        let most = wanted.count < 3 ? 0 : min(3, (wanted.count + 1) / 3)
        if abs(wanted.count - name.count) <= most {
            let distance = distance(wanted, name)
            if distance <= most { return distance }
        }
        // "postgresql" for "postgres", "maps" for "google-maps": the closer in length the better.
        let shorter = min(wanted.count, name.count)
        guard shorter >= 3, contains(wanted, name) || contains(name, wanted) else { return nil }
        return 4 + abs(wanted.count - name.count)
    }

    /// Letters and digits alone, lower-cased.
    private static func folded(_ text: String) -> [UInt8] {
        text.utf8.prefix(CatalogLimits.nameBytesMax).compactMap { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), 0x80...: byte
            default: nil
            }
        }
    }

    private static func contains(_ long: [UInt8], _ short: [UInt8]) -> Bool {
        guard !short.isEmpty, short.count <= long.count else { return false }
        return (0...(long.count - short.count)).contains { long[$0...].starts(with: short) }
    }

    /// Insertions, removals, replacements and swaps of neighbours (optimal string alignment).
    static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var above = Array(0...b.count)
        for i in a.indices {
            var row = [i + 1]
            row.reserveCapacity(b.count + 1)
            for j in b.indices {
                var best = min(above[j + 1] + 1, row[j] + 1, above[j] + (a[i] == b[j] ? 0 : 1))
                if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, before[j - 1] + 1) }
                row.append(best)
            }
            (before, above) = (above, row)
        }
        return above[b.count]
    }
}
