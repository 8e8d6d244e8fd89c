import System
import Wire

/// The newest events of a legacy session's streams, for a client whose connection broke: it comes back with
/// `Last-Event-ID` and gets what that one stream said since. Ids are `<tag>-<stream>-<number>`, so they say which.
public struct Replay: Sendable {
    public struct Event: Sendable, Equatable {
        public var id: [UInt8]
        public var data: [UInt8]
    }

    /// What a client that comes back is given.
    public struct Resumption: Sendable, Equatable {
        public var stream: Int
        public var events: [Event]
        /// Its last event has been said: nothing follows.
        public var isFinished: Bool
        /// Events between its last one and these are kept no more.
        public var hasGap: Bool
    }

    private struct Stream: Sendable {
        var last = 0
        /// In order of their numbers.
        var events: [(number: Int, data: [UInt8], at: Instant)] = []
        /// The highest number that was dropped.
        var dropped = 0
        var isFinished = false
    }

    private var streams: [Int: Stream] = [:]
    private var lastStream = 0
    private var bytes = 0
    private var count = 0
    /// What ids begin with.
    private let tag: [UInt8]

    /// The stream for what no request asked for, over all of its connections.
    public static let unsolicited = 0

    /// - Parameter tag: tells the ids of this session from those that it was given before the gateway was started
    ///   anew; at most eight letters and digits.
    public init(tag: [UInt8] = []) {
        self.tag = tag.prefix(8) + (tag.isEmpty ? [] : [UInt8(ascii: "-")])
        streams[Self.unsolicited] = Stream()
    }

    public var isEmpty: Bool { streams.count == 1 && count == 0 }

    public var heldBytes: Int { bytes }

    /// A new stream: the answer to a POST, or a GET.
    public mutating func open() -> Int {
        lastStream += 1
        streams[lastStream] = Stream()
        return lastStream
    }

    /// The id of an event without content. It primes a stream (2025-11-25): from now on its client can resume.
    public mutating func prime(_ stream: Int) -> [UInt8] {
        guard streams[stream] != nil else { return [] }
        streams[stream]?.last += 1
        let number = streams[stream]?.last ?? 0
        return id(stream, number)
    }

    /// Keeps an event and gives it its id; the oldest make room.
    public mutating func append(_ data: UnsafeRawBufferPointer, to stream: Int, now: Instant) -> [UInt8] {
        let id = prime(stream)
        guard let number = streams[stream]?.last else { return [] }
        guard data.count <= BridgeLimits.replayBytesMax else {
            streams[stream]?.dropped = number
            return id
        }
        streams[stream]?.events.append((number, Array(data), now))
        bytes += data.count
        count += 1
        while bytes > BridgeLimits.replayBytesMax || count > BridgeLimits.replayEventsMax { dropOldest() }
        return id
    }

    /// The stream has said its last.
    public mutating func finish(_ stream: Int) { streams[stream]?.isFinished = true }

    /// What came after `lastID`, raw from the header. Nil for an id that was never given here.
    public func after(_ lastID: UnsafeRawBufferPointer) -> Resumption? {
        guard let (number, at) = parse(lastID), let stream = streams[number], at <= stream.last else {
            return nil
        }
        let events = stream.events.filter { $0.number > at }
            .map { Event(id: id(number, $0.number), data: $0.data) }
        return Resumption(
            stream: number, events: events, isFinished: stream.isFinished, hasGap: stream.dropped > at)
    }

    /// Forgets all events; what is said from now on is kept again.
    public mutating func forget() {
        for (number, stream) in streams {
            guard let last = stream.events.last else { continue }
            streams[number]?.dropped = last.number
            streams[number]?.events.removeAll()
            if stream.isFinished { streams[number] = nil }
        }
        bytes = 0
        count = 0
    }

    /// Forgets what is too old; streams that are finished go with their last event.
    public mutating func expire(now: Instant) {
        for (number, stream) in streams {
            let old = stream.events.prefix { Self.isOld($0.at, now) }
            guard !old.isEmpty || stream.isFinished else { continue }
            bytes -= old.reduce(0) { $0 + $1.data.count }
            count -= old.count
            streams[number]?.events.removeFirst(old.count)
            if let last = old.last { streams[number]?.dropped = last.number }
            if stream.isFinished, stream.events.count == old.count { streams[number] = nil }
        }
    }

    private static func isOld(_ then: Instant, _ now: Instant) -> Bool {
        now.milliseconds(since: then) > BridgeLimits.replaySeconds * 1000
    }

    private mutating func dropOldest() {
        let oldest = streams.filter { !$0.value.events.isEmpty }
            .min { a, b in
                guard let left = a.value.events.first, let right = b.value.events.first else { return false }
                return left.at < right.at || (left.at == right.at && a.key < b.key)
            }
        guard let number = oldest?.key, let event = streams[number]?.events.first else {
            bytes = 0
            count = 0
            return
        }
        streams[number]?.events.removeFirst()
        streams[number]?.dropped = event.number
        bytes -= event.data.count
        count -= 1
        if streams[number]?.isFinished == true, streams[number]?.events.isEmpty == true {
            streams[number] = nil
        }
    }

    /// Whether the id is one of the unsolicited stream, though of another process of the gateway: its client wants
    /// such a stream, whatever it has missed.
    public static func isUnsolicited(_ id: UnsafeRawBufferPointer) -> Bool {
        guard id.count <= 56, let last = id.lastIndex(of: UInt8(ascii: "-")) else { return false }
        let head = id.piece(0, last)
        let start = head.lastIndex(of: UInt8(ascii: "-")).map { $0 + 1 } ?? 0
        return digits(head.piece(start, head.count)) == unsolicited
            && digits(id.piece(last + 1, id.count)) != nil
    }

    private func id(_ stream: Int, _ number: Int) -> [UInt8] { tag + Array("\(stream)-\(number)".utf8) }

    private func parse(_ id: UnsafeRawBufferPointer) -> (stream: Int, number: Int)? {
        guard id.count <= 56, id.count > tag.count, id.piece(0, tag.count).elementsEqual(tag) else {
            return nil
        }
        let rest = id.piece(tag.count, id.count)
        guard let dash = rest.firstIndex(of: UInt8(ascii: "-")),
            let stream = Self.digits(rest.piece(0, dash)),
            let number = Self.digits(rest.piece(dash + 1, rest.count))
        else { return nil }
        return (stream, number)
    }

    private static func digits(_ text: UnsafeRawBufferPointer) -> Int? {
        guard !text.isEmpty, text.count <= 18 else { return nil }
        var value = 0
        for byte in text {
            guard byte >= 48, byte <= 57 else { return nil }
            value = value * 10 + Int(byte - 48)
        }
        return value
    }
}
