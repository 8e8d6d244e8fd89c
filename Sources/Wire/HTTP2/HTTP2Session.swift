import CEpollShim
import System

/// What a session tells its connection. Only ids: an event may be about a stream that has gone since.
public enum HTTP2Event: Sendable, Equatable {
    /// A whole request has come; `take` it.
    case request(UInt32)
    /// A request that is not served: answer it with the refusal.
    case refused(UInt32, Refusal)
    /// The peer, or a deadline, ended an exchange that was taken and not answered to its end. Follow with
    /// `release` unless its answer will come all the same.
    case reset(UInt32, HTTP2ErrorCode)
    /// What waited on a congested stream has halved.
    case writable(UInt32)
}

/// A whole request. Its bytes may be kept and may cross threads.
public struct HTTP2Request: Sendable {
    /// Ranges count from the start of `headBytes`.
    public let head: RequestHead
    public let bytes: OwnedBytes

    /// The head as HTTP/1.1 would spell it.
    public var headBytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.bytes.prefix(head.length))
    }

    public var body: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes.bytes.dropFirst(head.length))
    }
}

/// The server side of one HTTP/2 connection (RFC 9113), without I/O: bytes in, events out, answers in, bytes out.
/// nghttp2 frames, compresses and keeps the windows; here are the requests, the answers, and the bounds that
/// nghttp2 1.52 lacks. One thread owns it.
///
/// A turn of its connection: `receive`, `nextEvent` until nil, `collectOutput`, and once a second `tick`.
public final class HTTP2Session {
    /// Nil only if there was no memory for it.
    private(set) var native: OpaquePointer?
    let pool: ChunkPool
    let bodyBytesMax: Int
    let idleMilliseconds: Int

    // Streams

    /// By slot; nghttp2 keeps slot + 1 as the stream's tag.
    var slots: ContiguousArray<HTTP2Stream?> = []
    var freeSlots: ContiguousArray<Int> = []
    /// Streams with a slot.
    var streamCount = 0
    /// Exchanges whose stream is gone while they are worked on. They count as streams: otherwise a client that
    /// resets what it has just asked for could have any number of them (CVE-2023-44487).
    var orphans: ContiguousArray<UInt32> = []
    var closedStreams = ClosedStreams()
    /// The highest stream the peer has opened.
    var lastStream: UInt32 = 0

    // Reading

    var cursor = FrameCursor()
    var assembly = HeadAssembly()
    var room: BodyRoom
    var continuations = 0
    var fieldBlockBytes = 0
    /// When the last field section that began must have ended.
    var fieldDeadline: Instant
    /// When the first SETTINGS must have come.
    let settingsDeadline: Instant
    var hasSettings = false

    // Writing

    var block = FieldBlock()
    /// Where frames go; non-nil exactly while `collectOutput` runs.
    var sink: UnsafeMutablePointer<Outbox>?
    var sinkLimit = 0

    // Life

    enum Life: Equatable {
        case open
        /// The peer was told that the end comes; new streams are still served.
        case announced(at: Instant)
        /// New streams are refused; open ones go on.
        case draining
        /// GOAWAY with an error was submitted; nothing more is read.
        case failed
    }

    var life = Life.open
    /// Set where the connection must end but cannot at once: inside nghttp2.
    var doom: HTTP2ErrorCode?
    var glitches = Glitches()
    var events: ContiguousArray<HTTP2Event> = []
    private var nextEventIndex = 0
    var now: Instant
    var idleSince: Instant

    /// - Parameters:
    ///   - pool: of the loop; outgoing bytes wait in its chunks.
    ///   - bodyBytesMax: bytes of one request body; more is refused with 413.
    ///   - idleSeconds: seconds without a stream after which the connection ends.
    public init(
        pool: ChunkPool, bodyBytesMax: Int, idleSeconds: Int = HTTP2Limits.idleSeconds, now: Instant
    ) {
        self.pool = pool
        self.bodyBytesMax = bodyBytesMax
        idleMilliseconds = idleSeconds * 1000
        self.now = now
        idleSince = now
        settingsDeadline = now.advanced(milliseconds: HTTP2Limits.headSeconds * 1000)
        fieldDeadline = settingsDeadline
        room = BodyRoom(bytesMax: max(HTTP2Limits.heldBodyBytes, bodyBytesMax))
        open()
    }

    deinit { ce_http2_close(native) }

    private func open() {
        var settings = ce_http2_settings()
        settings.streams_max = UInt32(HTTP2Limits.streamsMax)
        settings.header_list_bytes = UInt32(HTTP2Limits.fieldSectionBytesMax)
        settings.connection_window = UInt32(HTTP2Limits.connectionWindowBytes)
        // nghttp2 counts each piece in which a frame header arrives; `judge` counts frames.
        settings.continuations_max =
            UInt32(CE_HTTP2_FRAME_HEADER_BYTES) * UInt32(HTTP2Limits.continuationsMax + 1)
        settings.settings_entries_max = UInt32(HTTP2Limits.settingsEntriesMax)
        settings.acknowledgements_max = UInt32(HTTP2Limits.acknowledgementsMax)
        settings.encoder_table_bytes = UInt32(HTTP2Limits.encoderTableBytes)
        let owner = Unmanaged.passUnretained(self).toOpaque()
        if ce_http2_open(&settings, HTTP2Callbacks.table, owner, &native) != 0 { life = .failed }
    }

    // MARK: Events

    /// The next thing that happened, in order; nil when there is nothing more to tell.
    public func nextEvent() -> HTTP2Event? {
        while nextEventIndex < events.count {
            let event = events[nextEventIndex]
            nextEventIndex += 1
            switch event {
            // Reset before it was looked at: as if it had never come.
            case .request(let id) where stream(id)?.phase != .queued: continue
            case .refused(let id, _) where stream(id)?.phase != .refused: continue
            default: return event
            }
        }
        events.removeAll(keepingCapacity: events.capacity <= HTTP2Limits.streamsMax)
        nextEventIndex = 0
        return nil
    }

    // MARK: Streams

    func stream(_ id: UInt32) -> HTTP2Stream? {
        guard let native else { return nil }
        let tag = Int(bitPattern: ce_http2_tag(native, id))
        guard tag > 0, tag <= slots.count, let stream = slots[tag - 1], stream.id == id else { return nil }
        return stream
    }

    func insert(_ stream: HTTP2Stream) {
        guard let native else { return }
        let slot: Int
        if let free = freeSlots.popLast() {
            slots[free] = stream
            slot = free
        } else {
            slot = slots.count
            slots.append(stream)
        }
        streamCount += 1
        _ = ce_http2_set_tag(native, stream.id, UInt(slot + 1))
    }

    func remove(_ stream: HTTP2Stream) {
        guard let native else { return }
        let tag = Int(bitPattern: ce_http2_tag(native, stream.id))
        guard tag > 0, tag <= slots.count, slots[tag - 1] === stream else { return }
        slots[tag - 1] = nil
        freeSlots.append(tag - 1)
        streamCount -= 1
        if streamCount == 0 { idleSince = now }
    }

    /// Exchanges that the connection counts against `streamsMax`.
    var chargedStreams: Int { streamCount + orphans.count }

    /// No answer will come to `stream`, whose reset was reported: its work has ended.
    public func release(_ stream: UInt32) {
        if let index = orphans.firstIndex(of: stream) { orphans.remove(at: index) }
    }

    /// Streams that are open.
    public var openStreams: Int { streamCount }

    // MARK: Glitches

    func note(_ kind: Glitches.Kind) { obey(glitches.note(kind, at: now)) }

    func obey(_ verdict: Glitches.Verdict) {
        switch verdict {
        case .fine: return
        case .leave: if life == .open { drain() }
        case .close: if doom == nil { doom = .enhanceYourCalm }
        }
    }

    // MARK: Endings

    /// True when all is said: the connection sends what it has and closes.
    public var isFinished: Bool {
        guard let native else { return true }
        return ce_http2_is_open(native) == 0
    }

    /// No new streams are wanted: GOAWAY now, and again with the last stream's number after a moment; the
    /// session is finished when its open streams are.
    public func drain() {
        guard let native, life == .open else { return }
        life = .announced(at: now)
        _ = ce_http2_announce_end(native)
    }

    func refuseStreams() {
        guard let native else { return }
        life = .draining
        _ = ce_http2_refuse_streams(native)
    }

    /// Ends everything with `code`. What was answered before still leaves first.
    public func fail(_ code: HTTP2ErrorCode) {
        guard let native, life != .failed else { return }
        life = .failed
        doom = nil
        _ = ce_http2_terminate(native, code.rawValue)
        abandon()
    }

    /// Carries out what a callback could only wish for.
    func settle() {
        if let code = doom { fail(code) }
    }

    /// The connection is gone: reports every exchange that is worked on, and forgets those that are not yet.
    public func abandon() {
        for case let stream? in slots {
            if stream.phase == .working || stream.phase == .answering {
                events.append(.reset(stream.id, .cancel))
            }
            stream.phase = .ended
        }
    }
}
