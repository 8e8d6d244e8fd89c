import System
import Testing
import Wire

@testable import MCP

private let start = Instant(nanoseconds: 1_000_000_000)
private let linger = BridgeLimits.unsubscribeMilliseconds

extension Watches {
    fileprivate mutating func watch(_ client: UInt64, _ uri: String, server: Int = 0) -> Outcome {
        watch(client, server: server, uri: uri, exposed: uri)
    }

    fileprivate func clients(_ uri: String, server: Int = 0) -> [UInt64] {
        hearers(server: server, uri: uri).map(\.client)
    }
}

@Test("a server is told of a resource once, however many watch it, and again only when it was let go")
func watchesUnion() {
    var watches = Watches()
    #expect(watches.watch(1, "a://x") == .watching(.subscribe(server: 0, uri: "a://x")))
    #expect(watches.watch(2, "a://x") == .watching(nil))
    #expect(watches.watch(1, "a://x") == .watching(nil))
    #expect(watches.watch(1, "a://x", server: 1) == .watching(.subscribe(server: 1, uri: "a://x")))
    watches.unwatch(1, server: 0, uri: "a://x", now: start)
    watches.unwatch(1, server: 0, uri: "a://x", now: start)
    #expect(watches.nextTick == nil)
    watches.unwatch(2, server: 0, uri: "a://x", now: start)
    #expect(watches.tick(now: start.advanced(milliseconds: linger - 1)).isEmpty)
    // Somebody comes back in time: the server never hears of it.
    #expect(watches.watch(3, "a://x") == .watching(nil))
    #expect(watches.tick(now: start.advanced(milliseconds: linger)).isEmpty)
    watches.leave(3, now: start)
    #expect(
        watches.tick(now: start.advanced(milliseconds: linger)) == [.unsubscribe(server: 0, uri: "a://x")])
    watches.leave(1, now: start)
    #expect(
        watches.tick(now: start.advanced(milliseconds: linger)) == [.unsubscribe(server: 1, uri: "a://x")])
    #expect(watches.isEmpty)
}

@Test("a change reaches who watches the resource or what it lies in, and nobody else")
func watchesHearers() {
    var watches = Watches()
    _ = watches.watch(1, "file:///a")
    _ = watches.watch(2, "file:///a/b")
    _ = watches.watch(3, "file:///a/")
    _ = watches.watch(4, "file:///ab")
    _ = watches.watch(5, "file:///a", server: 1)
    #expect(watches.clients("file:///a") == [1])
    #expect(watches.clients("file:///a/b") == [1, 2, 3])
    #expect(watches.clients("file:///a/b/c") == [1, 2, 3])
    #expect(watches.clients("file:///ab/c") == [4])
    #expect(watches.clients("file:///abc") == [])
    #expect(watches.clients("file:///a", server: 1) == [5])
    #expect(
        watches.hearers(server: 0, uri: "file:///a/b").map(\.uri) == Array(repeating: "file:///a/b", count: 3)
    )
}

@Test("a client hears the URI under which it knows the resource")
func watchesMapped() {
    var watches = Watches()
    _ = watches.watch(1, server: 0, uri: "a://x", exposed: "mcpgw+s:a%3A%2F%2Fx")
    #expect(watches.hearers(server: 0, uri: "a://x").map(\.uri) == ["mcpgw+s:a%3A%2F%2Fx"])
    #expect(watches.hearers(server: 0, uri: "a://x/y").map(\.uri) == ["mcpgw+s:a%3A%2F%2Fx"])
}

@Test("clients and sandboxes watch only so much")
func watchesLimits() {
    var watches = Watches()
    for i in 0..<BridgeLimits.watchedPerClientMax { _ = watches.watch(1, "a://\(i)") }
    #expect(watches.watch(1, "a://more") == .full)
    #expect(watches.watch(1, "a://0") == .watching(nil))
    var client: UInt64 = 2
    var count = BridgeLimits.watchedPerClientMax
    while count < BridgeLimits.watchedMax {
        for i in 0..<BridgeLimits.watchedPerClientMax { _ = watches.watch(client, "b://\(client)/\(i)") }
        client += 1
        count += BridgeLimits.watchedPerClientMax
    }
    #expect(watches.watch(9999, "c://more") == .full)
    #expect(watches.watch(9999, "a://0") == .watching(nil))
}

@Test("a server that starts anew is told everything; one that is removed is forgotten")
func watchesRestart() {
    var watches = Watches()
    _ = watches.watch(1, "a://y")
    _ = watches.watch(2, "a://x")
    _ = watches.watch(2, "a://z", server: 1)
    #expect(watches.uris(of: 0) == ["a://x", "a://y"])
    watches.remove(server: 0)
    #expect(watches.uris(of: 0) == [])
    #expect(watches.clients("a://z", server: 1) == [2])
    watches.leave(1, now: start)
    #expect(watches.tick(now: start.advanced(milliseconds: linger)).isEmpty)
}

@Test("the wishes of a listen request are read whatever else is in it")
func listenWish() {
    let wish =
        #"{"toolsListChanged":true,"promptsListChanged":false,"resourceSubscriptions":["a://x",7,"a://\u0078","b"],"x":1}"#
        .raw { ListenWish(object: $0) }
    #expect(wish.lists == .tools)
    #expect(wish.uris == ["a://x", "b"])
    #expect("7".raw { ListenWish(object: $0) }.uris.isEmpty)
    #expect(#"{"resourceSubscriptions":{}}"#.raw { ListenWish(object: $0) }.uris.isEmpty)
}

@Test("what waits for a stream waits once, and not without end")
func pendingChanges() {
    var pending = PendingChanges()
    #expect(pending.isEmpty)
    #expect(pending.note(.tools) == .noted)
    #expect(pending.note(.tools) == .known)
    #expect(pending.note(uri: "a") == .noted)
    #expect(pending.note(uri: "a") == .known)
    let taken = pending.take()
    #expect(taken.lists == .tools)
    #expect(taken.uris == ["a"])
    #expect(pending.isEmpty)
    for i in 0..<BridgeLimits.pendingChangesMax { #expect(pending.note(uri: "\(i)") == .noted) }
    #expect(pending.note(uri: "more") == .overflow)
    #expect(pending.note(.prompts) == .noted)
}

@Test("a change of a resource is told with the listen request's id, or without for a session")
func resourceUpdated() throws {
    let modern = try json { sink in
        #""L1""#.raw { id in #""a://x""#.raw { ListChange.updated(uri: $0, subscription: id, into: &sink) } }
    }
    #expect(modern["method"] == "notifications/resources/updated")
    #expect(
        modern["params"] == ["_meta": ["io.modelcontextprotocol/subscriptionId": "L1"], "uri": "a://x"])
    let legacy = try json { sink in
        #""a://x""#.raw { ListChange.updated(uri: $0, subscription: nil, into: &sink) }
    }
    #expect(legacy["params"] == ["uri": "a://x"])
    let acknowledged = try json { sink in
        "7".raw {
            ListChange.acknowledge(.tools, uris: [Array(#""a""#.utf8)], subscription: $0, into: &sink)
        }
    }
    #expect(
        acknowledged["params"]?["notifications"] == [
            "toolsListChanged": true, "resourceSubscriptions": ["a"],
        ])
}
