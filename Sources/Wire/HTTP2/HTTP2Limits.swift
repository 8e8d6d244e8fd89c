/// Every number that bounds one HTTP/2 connection, with its unit and its reason.
public enum HTTP2Limits {
    // What is announced

    /// Streams a client may have open: nginx's number. An idle stream costs less than 1 KiB here.
    public static let streamsMax = 128
    /// Bytes of a decoded field section by RFC 9113 §6.5.2: names, values and 32 for each line. The same as
    /// for an HTTP/1.1 head; more is answered with 431.
    public static let fieldSectionBytesMax = WireLimits.headBytesMax
    /// The same, from which on it is an attack and ends the connection: a client was told the number above.
    public static let hostileSectionBytes = 4 * fieldSectionBytesMax
    /// Bytes that may be in flight to one stream before it is read (RFC 9113 §6.9.2, the initial value).
    public static let streamWindowBytes = 65_535
    /// Bytes that may be in flight to all streams of a connection. Given back at once: what bounds memory is
    /// the windows of the streams.
    public static let connectionWindowBytes = 1024 * 1024
    /// Bytes of the table that compresses our fields (RFC 7541 §4.2): the dozen that repeat fit.
    public static let encoderTableBytes = 1024

    // What is held

    /// Bytes of request bodies that may be held beyond the first window of each stream. Bodies that need more
    /// than a window take turns, oldest first, so that all get through.
    public static let heldBodyBytes = 8 * 1024 * 1024
    /// Bytes of a stream's window after which a body of unknown length asks for room to go on.
    public static let unannouncedBodyBytes = 32 * 1024
    /// Bytes of a body that are read and dropped beyond the limit, when its request was answered before its end.
    public static let droppedBodyBytes = 16 * 1024 * 1024
    /// Bytes that may wait in the connection's outbox before no more is taken from the streams: two full
    /// socket buffers, so that a slow reader's backlog stays in its streams, where it is counted.
    public static let outputBytes = 256 * 1024
    /// Bytes waiting on a stream from which on its writer should pause; it hears of half of it.
    public static let congestedStreamBytes = 256 * 1024
    /// Frames other than DATA that may wait to be sent. nghttp2 1.52 has no such limit; later ones 5000.
    public static let queuedFramesMax = 1000
    /// Streams that are remembered after their end, to tell a late frame from a forbidden one.
    public static let closedStreamsMax = 64

    // What is too much

    /// CONTINUATION frames of one field section (VU#421644).
    public static let continuationsMax = 8
    /// Bytes of a field section as it is sent. Its fields are decoded even when they are dropped, as the
    /// table demands, and one byte may stand for 4 KiB (HPACK bomb).
    public static let fieldBlockBytesMax = 32 * 1024
    /// Entries of one SETTINGS frame; there are eight settings.
    public static let settingsEntriesMax = 32
    /// PING and SETTINGS acknowledgements that may wait to be sent (CVE-2019-9512).
    public static let acknowledgementsMax = 500

    /// Resets, theirs and ours: at once and per second, as in nghttp2 and SwiftNIO (CVE-2023-44487,
    /// CVE-2025-8671).
    public static let resetsBurst = 200
    public static let resetsPerSecond = 33
    /// Frames that carry nothing: SETTINGS, PING, PRIORITY, WINDOW_UPDATE beyond what our DATA accounts for,
    /// unknown ones, any on a closed stream.
    public static let controlsBurst = 200
    public static let controlsPerSecond = 100
    /// Breaches of protocol that do not end the connection: malformed requests, refused frames, empty DATA.
    public static let slipsBurst = 200
    public static let slipsPerSecond = 5
    /// Per cent of a budget from which on the connection is asked to end in peace (HAProxy's number).
    public static let softPercent = 75
    /// WINDOW_UPDATE frames that one DATA frame of ours accounts for: one for the stream, one for the
    /// connection.
    public static let windowUpdatesPerData = 2
    /// Such frames that may be owed.
    public static let windowUpdatesOwedMax = 8192
    /// Bytes of a DATA frame of ours; smaller ones that the peer's window made so small account for nothing.
    public static let worthyDataBytes = 1024

    // Time

    /// Seconds until the connection's first SETTINGS, and the rest of a field section, must have come.
    public static let headSeconds = 10
    /// Seconds until a request's whole body must have come: base, and one more for each so many bytes.
    public static let bodySecondsBase = 30
    public static let bodyBytesPerSecond = 16 * 1024
    /// Seconds for which the rest of such a body is read.
    public static let lingerSeconds = 10
    /// Seconds in which an answer must get on by `progressBytes` or end: zero and one-byte windows.
    public static let stalledSeconds = 30
    public static let progressBytes = 1024
    /// Seconds a connection without streams is kept.
    public static let idleSeconds = 620
    /// Milliseconds between the announcement of the end and the refusal of new streams: more than a round
    /// trip (RFC 9113 §6.8).
    public static let drainMilliseconds = 1000
}
