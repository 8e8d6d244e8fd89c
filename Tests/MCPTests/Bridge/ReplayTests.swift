import System
import Testing

@testable import MCP

private let start = Instant(nanoseconds: 1_000_000_000)

extension Replay {
    fileprivate mutating func append(_ text: String, to stream: Int, at now: Instant = start) -> String {
        String(decoding: text.raw { append($0, to: stream, now: now) }, as: UTF8.self)
    }

    fileprivate func after(_ id: String) -> Resumption? { id.raw { after($0) } }

    fileprivate func texts(after id: String) -> [String]? {
        after(id)?.events.map { String(decoding: $0.data, as: UTF8.self) }
    }
}

@Test("a client that comes back gets what its own stream has said since, under the same ids")
func replayAfter() {
    var replay = Replay()
    let one = replay.open()
    let two = replay.open()
    let primed = String(decoding: replay.prime(one), as: UTF8.self)
    let a = replay.append("a", to: one)
    _ = replay.append("x", to: two)
    let b = replay.append("b", to: one)
    #expect(Set([primed, a, b]).count == 3)
    #expect(replay.texts(after: primed) == ["a", "b"])
    #expect(replay.texts(after: a) == ["b"])
    #expect(replay.texts(after: b) == [])
    #expect(replay.after(a)?.events.first?.id == Array(b.utf8))
    #expect(replay.after(a)?.stream == one)
    #expect(replay.after(a)?.isFinished == false)
    replay.finish(one)
    #expect(replay.after(a)?.isFinished == true)
    #expect(replay.after(a)?.hasGap == false)
}

@Test(
    "ids that were never given are unknown",
    arguments: ["", "-", "1", "1-", "-1", "1-99", "9-1", "1-x", "01234567890123456789-1"])
func replayForeign(_ id: String) {
    var replay = Replay()
    _ = replay.append("a", to: replay.open())
    #expect(replay.after(id) == nil)
}

@Test("memory is bounded in events and bytes; what was dropped is known to be missing")
func replayBounds() {
    var replay = Replay()
    let stream = replay.open()
    let first = replay.append("0", to: stream)
    for i in 1...BridgeLimits.replayEventsMax { _ = replay.append("\(i)", to: stream) }
    #expect(replay.after("\(stream)-0")?.events.count == BridgeLimits.replayEventsMax)
    #expect(replay.after("\(stream)-0")?.hasGap == true)
    #expect(replay.after(first)?.hasGap == false)
    let half = String(repeating: "x", count: BridgeLimits.replayBytesMax / 2 + 1)
    _ = replay.append(half, to: stream)
    let last = replay.append(half, to: stream)
    #expect(replay.heldBytes <= BridgeLimits.replayBytesMax)
    #expect(replay.after(first)?.events.map(\.id) == [Array(last.utf8)])
    _ = replay.append(half + half, to: stream)
    #expect(replay.after(last)?.events == [])
    #expect(replay.after(last)?.hasGap == true)
}

@Test("old events go; a finished stream goes with its last one, an open one stays")
func replayExpire() {
    var replay = Replay()
    let done = replay.open()
    let open = replay.open()
    let a = replay.append("a", to: done)
    let b = replay.append("b", to: open)
    replay.finish(done)
    replay.expire(now: start.advanced(milliseconds: BridgeLimits.replaySeconds * 1000))
    #expect(replay.after(a) != nil)
    let late = start.advanced(milliseconds: BridgeLimits.replaySeconds * 1000 + 1)
    replay.expire(now: late)
    #expect(replay.after(a) == nil)
    #expect(replay.after(b)?.hasGap == false)
    #expect(replay.heldBytes == 0)
    _ = replay.append("c", to: open, at: late)
    #expect(replay.texts(after: b) == ["c"])
}

@Test("ids of another process of the gateway are unknown, but those of an unsolicited stream are told apart")
func replayTag() {
    var replay = Replay(tag: Array("k3".utf8))
    let unsolicited = String(decoding: replay.prime(Replay.unsolicited), as: UTF8.self)
    let stream = replay.open()
    let one = replay.append("a", to: stream)
    #expect(stream != Replay.unsolicited)
    #expect(unsolicited == "k3-0-1")
    #expect(one == "k3-1-1")
    #expect(replay.after(one)?.stream == stream)
    #expect(replay.after(unsolicited)?.stream == Replay.unsolicited)
    #expect(replay.after("1-1") == nil)
    #expect(replay.after("k4-1-1") == nil)
    for (id, isUnsolicited) in [
        ("k4-0-7", true), ("0-7", true), ("k4-1-7", false), ("k4-0-", false), ("0", false), ("", false),
        ("k4-x-7", false), ("--", false),
    ] {
        #expect(id.raw { Replay.isUnsolicited($0) } == isUnsolicited, "\(id)")
    }
}

@Test("a replay that forgets knows what is missing, and keeps what comes after")
func replayForget() {
    var replay = Replay()
    #expect(replay.isEmpty)
    let (one, two) = (replay.open(), replay.open())
    let first = replay.append("a", to: one)
    _ = replay.append("b", to: one)
    let other = replay.append("x", to: two)
    replay.finish(two)
    replay.forget()
    #expect(replay.heldBytes == 0)
    #expect(replay.after(first)?.hasGap == true)
    #expect(replay.after(other) == nil)
    _ = replay.append("c", to: one)
    #expect(replay.texts(after: first) == ["c"])
}
