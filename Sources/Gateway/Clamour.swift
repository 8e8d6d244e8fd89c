import System

/// How much a server may say that nobody has asked for: junk, stray answers, requests and notices of its own, lines of
/// its log. What a loop spends on them, the calls of its other servers wait for.
///
/// A credit that grows with time. A server that has used it up is not read until it has some again, and waits at its
/// own full pipe; answers to calls cost nothing.
struct Clamour {
    private var credit = Limits.clamourUnits
    private var since: Instant

    init(now: Instant) { since = now }

    /// - Parameters:
    ///   - messages: that cost more than their bytes.
    ///   - bytes: of theirs, and of what is skipped.
    /// - Returns: milliseconds for which it should not be read; 0 is none.
    mutating func spend(messages: Int, bytes: Int, now: Instant) -> Int {
        let milliseconds = min(max(now.milliseconds(since: since), 0), 1000)
        since = now
        credit = min(credit + milliseconds * Limits.clamourUnits / 1000, Limits.clamourUnits)
        // What one read can bring, so that a single one is never more than a few seconds' worth.
        credit -= min(messages + bytes / Limits.clamourUnitBytes, Limits.clamourUnits * 4)
        return credit >= 0 ? 0 : max(-credit * 1000 / Limits.clamourUnits, 1)
    }
}
