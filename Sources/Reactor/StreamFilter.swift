import System

/// Stands between a source and its descriptor and turns bytes into others on their way: TLS. Confined to the
/// source's loop, like it.
open class StreamFilter {
    /// Bytes for the descriptor.
    public final var wire: Outbox
    /// Who gets what the peer's bytes mean. A connection that becomes another one takes its filter along.
    public final unowned(unsafe) var source: Source

    public init(for source: Source, loop: Loop) {
        self.source = source
        wire = Outbox(pool: loop.pool)
    }

    /// Bytes from the descriptor: calls `received` and `ended` of `source` with what they mean.
    open func received(_ bytes: UnsafeRawBufferPointer) {}

    /// The descriptor has ended.
    open func ended() {}

    /// Moves what may leave from `plain` to `wire`.
    open func flush(_ plain: inout Outbox, now: Instant) {}

    /// Our direction ends: the last words for the peer, once.
    open func finish() {}
}
