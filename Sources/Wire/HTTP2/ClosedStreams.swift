/// The streams of a connection that ended last, to judge frames that still come for them (RFC 9113 §5.1):
/// after a reset of ours such frames may have been on their way and are ignored; after anything else they are
/// forbidden. A ring; who is no longer in it is as one that never was.
struct ClosedStreams {
    enum Ending {
        /// We reset or refused it.
        case resetByUs
        /// Both sides had said everything, or the peer reset it.
        case forGood
    }

    /// Stream id, negated when it was reset by us; 0 while unused.
    private var ring = InlineArray<64, Int32>(repeating: 0)
    private var next = 0

    mutating func insert(_ stream: UInt32, _ ending: Ending) {
        let id = Int32(truncatingIfNeeded: stream & 0x7FFF_FFFF)
        ring[next] = ending == .resetByUs ? -id : id
        next = (next + 1) % HTTP2Limits.closedStreamsMax
    }

    /// Linear: asked only about frames that should not have come.
    func ending(of stream: UInt32) -> Ending? {
        let id = Int32(truncatingIfNeeded: stream & 0x7FFF_FFFF)
        for i in 0..<HTTP2Limits.closedStreamsMax {
            if ring[i] == id { return .forGood }
            if ring[i] == -id { return .resetByUs }
        }
        return nil
    }
}
