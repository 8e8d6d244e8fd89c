/// The numbers of this module. Those of the poller are in `ce_poll.h`.
public enum ReactorLimits {
    /// Waiting bytes from which on `Source.isOverSoftLimit` asks the producer to pause: two socket buffers.
    public static let outboxSoftBytes = 256 * 1024
    /// Waiting bytes, after a flush, that end a source (`Source.overflowed`): twice the largest answer.
    public static let outboxHardBytes = 64 * 1024 * 1024
    /// Messages of the mailbox run in one turn, so that a flood of them cannot keep sockets waiting.
    public static let jobsPerTurn = 1024
    /// Times that flushes and closes may cause each other in one turn; what is left waits for the next.
    public static let endRoundsPerTurn = 8
    /// A timer tick is 2^22 ns, about 4.2 ms: no deadline of the gateway is finer.
    static let tickShift: UInt64 = 22
    /// Buckets of the timer wheel; a power of two. One turn of it is 4.3 s.
    static let wheelBuckets = 1024
}
