import System

/// Something a loop watches: a connection, a listener, an end of a pipe, a pidfd. Confined to its loop's
/// thread. The loop's slot table holds the strong reference from `Loop.attach` to `detached()`.
///
/// The methods to override are called by the loop, never by the code that caused them, so that no object is
/// surprised in the middle of its own work.
open class Source {
    enum State {
        case detached
        case attached
        /// `Loop.close` was called: no event comes any more; the descriptor closes at the end of the turn.
        case closing
    }

    /// `.none` when detached.
    public final internal(set) var handle = Handle.none
    /// Owned: the loop closes it after the turn in which the source was closed. -1 when detached.
    public final internal(set) var descriptor: Int32 = -1
    /// Bytes to be sent. After appending, call `Loop.flushLater`.
    public final var outbox: Outbox
    /// Nil while the descriptor's bytes are the source's own.
    public final var filter: StreamFilter?
    /// Ask for `willFlush()`.
    public final var fillsBeforeFlush = false
    /// Ask for `drained()` after each flush that leaves the outbox empty.
    public final var wantsDrained = false
    public final var outboxSoftBytes = ReactorLimits.outboxSoftBytes
    public final var outboxHardBytes = ReactorLimits.outboxHardBytes

    final var state = State.detached
    /// True exactly while the source is in the loop's list of dirty ones.
    final var isDirty = false
    /// True from a send that came short to the event that it may go on.
    final var isBlocked = false
    /// True from `failed` on: the poller does not watch it any more.
    final var hasFailed = false
    /// True from `Loop.closeAfterFlush` on: bytes that still arrive are dropped.
    final var closesWhenDrained = false
    /// True when the writing side is to be shut down as soon as the outbox is empty.
    final var endsWhenDrained = false
    /// Set by the default `overflowed()`; the loop then closes the source.
    final var hasOverflowed = false
    public final internal(set) var isReadingPaused = false

    public init(loop: Loop) {
        outbox = Outbox(pool: loop.pool)
    }

    /// True when the peer takes bytes more slowly than they come: a good moment to pause their producer.
    public final var isOverSoftLimit: Bool { outbox.count > outboxSoftBytes }

    public final var isAttached: Bool { state == .attached }

    /// Stream data; valid only during the call.
    open func received(_ bytes: UnsafeRawBufferPointer) {}

    /// The peer has ended its direction; the writing side may still be open. Comes once.
    open func ended() {}

    /// A read or write error, or a reset. The loop has stopped watching: close the source.
    open func failed(_ error: Errno) {}

    /// A listener's new connection; `fd` is non-blocking, close-on-exec and TCP_NODELAY, and now yours.
    open func accepted(_ fd: Int32) {}

    /// A readiness source has become readable. Comes once per change: read until nothing is left.
    open func ready() {}

    /// Before a flush, when `fillsBeforeFlush` is set: the last moment to append to the outbox.
    open func willFlush() {}

    /// The outbox was empty after a flush; only when `wantsDrained` is set.
    open func drained() {}

    /// More than `outboxHardBytes` wait after a flush: the peer does not read. Closes unless overridden.
    open func overflowed() { hasOverflowed = true }

    /// True when a send is all that a flush would do.
    final var sendsFreely: Bool {
        !(isDirty || isBlocked || hasFailed || wantsDrained || endsWhenDrained || closesWhenDrained
            || fillsBeforeFlush || filter != nil)
    }

    /// The last call, at the end of the turn in which the source was closed: the descriptor is gone.
    open func detached() {}
}
