import System

/// How much plaintext the next record carries. A peer can use a record only when all of it has come, so the
/// first ones after a silence fit a segment each; each next one is a segment longer, up to the largest, which
/// costs least per byte.
struct RecordSize {
    private var records = 0
    private var last = Instant(nanoseconds: 0)

    /// For a record that leaves `now`.
    mutating func next(_ now: Instant) -> Int {
        if now.milliseconds(since: last) >= TLSLimits.restartMilliseconds { records = 0 }
        last = now
        let size = (records + 1) * TLSLimits.segmentBytes
        guard size < TLSLimits.recordBytesMax else { return TLSLimits.recordBytesMax }
        records += 1
        return size
    }
}
