/// The numbers of this module.
public enum SystemLimits {
    /// Bytes of a pooled outgoing chunk, its header included: four pages, so that one `writev` of 64 carries
    /// 1 MiB, the most that a Linux pipe holds.
    public static let chunkBytes = 16 * 1024
    /// Bytes of the first chunk of an outbox that was empty: one message of the common kind. Busy turns fill
    /// one for each peer; whole pages each would lie on the same few sets of the first-level cache.
    public static let smallChunkBytes = 1024 + 64
    /// Free chunks of each size that a pool keeps: 1 MiB per loop, the output of a busy turn.
    public static let freeChunksMax = 64
    /// Pieces from this size on leave by reference. Below it a copy is cheaper than one more iovec
    /// (measured: 32 pieces of 200 bytes take 3.2 us by `writev`, 1.6 us copied and written).
    public static let referenceBytesMin = 4096
    /// Pieces of one `writev`; the kernel takes 1024, but 64 already fill any socket buffer.
    public static let piecesPerWrite = 64
    /// Memory that an empty `ByteQueue` keeps: idle connections are many, and malloc takes 25 ns.
    public static let idleQueueBytes = 2048
    /// Smallest allocation of a `ByteQueue`.
    public static let queueBytesMin = 512
    /// CPUs looked at (CPU_SETSIZE of glibc).
    public static let cpusMax = 1024
}
