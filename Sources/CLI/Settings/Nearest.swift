/// Finds what a mistyped word may have meant.
enum Nearest {
    /// Bytes of a word that is compared; the work grows with the square.
    private static let bytesMax = 64

    /// `; did you mean "workers"?`, or nothing when no word is close.
    static func hint(_ text: String, _ words: [String]) -> String {
        guard let word = find(text, words) else { return "" }
        return "; did you mean \"\(word)\"?"
    }

    /// The closest of `words`, when at most a third of its letters and never more than three would change.
    static func find(_ text: String, _ words: [String]) -> String? {
        let wanted = Array(text.lowercased().utf8)
        guard wanted.count <= bytesMax else { return nil }
        let rated = words.map { (word: $0, changes: changes(wanted, Array($0.utf8))) }
        guard let best = rated.min(by: { $0.changes < $1.changes }) else { return nil }
        return best.changes <= min(3, max(1, best.word.utf8.count / 3)) ? best.word : nil
    }

    /// Insertions, removals, replacements and swaps of neighbours that lead from `a` to `b`.
    static func changes(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var before: [Int] = []
        var last = Array(0...b.count)
        for (i, byte) in a.enumerated() {
            var row = [i + 1]
            for (j, other) in b.enumerated() {
                var cost = min(last[j] + (byte == other ? 0 : 1), last[j + 1] + 1, row[j] + 1)
                if i > 0, j > 0, byte == b[j - 1], a[i - 1] == other { cost = min(cost, before[j - 1] + 1) }
                row.append(cost)
            }
            before = last
            last = row
        }
        return last[b.count]
    }
}
