import System

/// One stream of a session. Without its queues it is about 400 bytes; both are empty while an event stream
/// is idle.
final class HTTP2Stream {
    enum Phase {
        /// The head is incomplete.
        case fields
        /// The body is incomplete.
        case body
        /// The request is whole, and not yet taken.
        case queued
        /// Refused; its answer is awaited.
        case refused
        /// Taken; its answer is awaited.
        case working
        /// The head of the answer is submitted, its body is open.
        case answering
        /// All of the answer is submitted, or the stream was reset by us.
        case ended
    }

    let id: UInt32
    var phase = Phase.fields
    /// The head as HTTP/1.1 text, then the body as far as it has come.
    var request = ByteQueue()
    var head = RequestHead()
    var bodyCount = 0
    /// Nothing more of the request will come.
    var requestEnded = false
    /// Late frames of it are to be ignored, not punished.
    var wasResetByUs = false
    /// When the rest of the body must have come; nil while it does not have to.
    var deadline: Instant?
    /// What it asked `BodyRoom` for; 0 before.
    var askedBytes = 0
    /// What it was granted; 0 before.
    var grantedBytes = 0
    /// Bytes of the body not yet given back to the stream's window.
    var unconsumed = 0

    /// The rest of the answer's body.
    var output: Outbox
    /// No more is written to `output`.
    var outputEnds = false
    /// nghttp2 was told to wait for more output.
    var isWaiting = false
    /// Lines that follow the body.
    var trailers: [UInt8] = []
    /// Its writer was told to pause, or has found so much waiting that it must.
    var isCongested = false
    /// Bytes sent since `stalledSince`; both hold while output waits.
    var progress = 0
    var stalledSince = Instant(nanoseconds: 0)

    init(id: UInt32, pool: ChunkPool) {
        self.id = id
        output = Outbox(pool: pool)
    }
}
