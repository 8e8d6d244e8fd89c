import Testing
import Wire

@testable import MCP

private let key = [UInt8](repeating: 5, count: 32)
private let seal = StateSeal(key: key, sandbox: "sb1", purpose: "task")
private let owner = TaskID.Owner(high: 1, low: 2)

private func place(_ id: String, server: Int = 3, process: UInt32 = 4) -> RelayedTasks.Place {
    RelayedTasks.Place(server: server, process: process, id: id)
}

private func open(_ text: [UInt8], _ seal: StateSeal = seal) -> TaskID? {
    text.withUnsafeBytes { TaskID(opening: $0, seal) }
}

@Test(
    "a task's id gives back what was sealed, as a JSON string without escapes",
    arguments: ["t", "", #"a"\b/é"#, String(repeating: "x", count: BridgeLimits.taskIDBytesMax)])
func taskIDRoundTrip(_ id: String) throws {
    let task = TaskID(place: place(id, server: .max, process: .max), owner: owner)
    let text = task.sealed(seal)
    #expect(open(text) == task)
    let parsed = try JSONValue.parse(text).stringValue
    #expect(parsed?.utf8.count == text.count - 2)
    #expect(parsed?.utf8.allSatisfy { (0x21...0x7E).contains($0) } == true)
}

@Test("a task's id is nothing elsewhere, and nothing when it was touched")
func taskIDForeign() {
    let text = TaskID(place: place("t"), owner: owner).sealed(seal)
    #expect(open(text, StateSeal(key: key, sandbox: "sb2", purpose: "task")) == nil)
    #expect(open(text, StateSeal(key: key, sandbox: "sb1")) == nil)
    for at in 1..<(text.count - 1) {
        var touched = text
        touched[at] = touched[at] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        #expect(open(touched) == nil)
    }
    for count in 0..<text.count { #expect(open(Array(text.prefix(count))) == nil) }
    for wrong in [#""""#, #""t1.""#, #""t1.AAAA""#, "5", "null", #""t""#] {
        #expect(open(Array(wrong.utf8)) == nil)
    }
    let huge = "\"t1." + String(repeating: "A", count: 1 << 20) + "\""
    #expect(open(Array(huge.utf8)) == nil)
}

private func entry(_ id: String, session: UInt64 = 1, call: UInt64 = 0) -> RelayedTasks.Entry {
    RelayedTasks.Entry(place: place(id), exposed: Array("\"\(id)\"".utf8), session: session, call: call)
}

@Test("tasks are found by what their server, their call and their session know")
func relayedTasks() {
    var tasks = RelayedTasks()
    #expect(tasks.isEmpty)
    tasks.add(entry("a", session: 1, call: 10))
    tasks.add(entry("b", session: 2, call: 11))
    tasks.add(entry("c", session: 1, call: 12))
    #expect(tasks[place("b")]?.session == 2 && tasks[place("b", process: 5)] == nil)
    #expect(tasks.of(call: 12)?.place.id == "c" && tasks.of(call: 13) == nil)
    #expect(tasks.of(session: 1).map(\.place.id) == ["a", "c"])
    tasks.leave(session: 1)
    #expect(tasks.of(session: 1).isEmpty && tasks[place("a")] == nil)
    tasks.ended(server: 3, process: 5)
    #expect(tasks[place("b")] != nil)
    tasks.ended(server: 3, process: 4)
    #expect(tasks.isEmpty)
    tasks.add(entry("d"))
    tasks.forget(place("d"))
    #expect(tasks.isEmpty)
}

@Test("a task that is over makes room first, then the oldest, of the session before all")
func relayedTasksBounds() {
    var tasks = RelayedTasks()
    for number in 0..<BridgeLimits.tasksPerSessionMax { tasks.add(entry("t\(number)")) }
    #"{"status":"completed"}"#.raw { tasks.told(place("t7"), $0) }
    #"{"status":"working"}"#.raw { tasks.told(place("t8"), $0) }
    #"{"status":5}"#.raw { tasks.told(place("t9"), $0) }
    #expect(tasks[place("t7")]?.isOver == true && tasks[place("t8")]?.isOver == false)
    tasks.add(entry("other", session: 2))
    tasks.add(entry("x"))
    #expect(tasks[place("t7")] == nil && tasks[place("t0")] != nil && tasks[place("other")] != nil)
    tasks.add(entry("y"))
    #expect(tasks[place("t0")] == nil && tasks[place("other")] != nil)
    let sessions = 3..<(3 + UInt64(BridgeLimits.tasksMax))
    for session in sessions { tasks.add(entry("s\(session)", session: session)) }
    #expect(tasks[place("y")] == nil)
    #expect((1..<sessions.upperBound).reduce(0) { $0 + tasks.of(session: $1).count } == BridgeLimits.tasksMax)
}

private func exchanged(_ text: String, _ id: String = "own") throws -> String {
    try Message(text).with {
        String(decoding: TaskRewriter.exchange(id, for: Array(#""t1.new""#.utf8), $0, $1), as: UTF8.self)
    }
}

@Test("a server's task id is exchanged where messages name their task, and nowhere else")
func taskExchange() throws {
    #expect(
        try exchanged(
            #"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"own","x":"own"},"content":[{"taskId":"own"}]}}"#
        )
            == #"{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"t1.new","x":"own"},"content":[{"taskId":"own"}]}}"#
    )
    #expect(
        try exchanged(
            #"{"jsonrpc":"2.0","id":1,"result":{"taskId":"\u006fwn","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"own"}}}}"#
        )
            == #"{"jsonrpc":"2.0","id":1,"result":{"taskId":"t1.new","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t1.new"}}}}"#
    )
    let other = #"{"jsonrpc":"2.0","id":1,"result":{"taskId":"another","task":5,"_meta":[]}}"#
    #expect(try exchanged(other) == other)
    #expect(
        try exchanged(#"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"own"}}"#)
            == #"{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t1.new"}}"#)
}

@Test("an answer begins a task in the words of its server's era alone")
func taskBegun() throws {
    func begun(_ result: String, _ era: Era) throws -> String? {
        try Message(#"{"jsonrpc":"2.0","id":1,"result":\#(result)}"#).with {
            TaskRewriter.begun($0, $1, by: era)
        }
    }
    #expect(try begun(#"{"resultType":"task","taskId":"a\/b"}"#, .modern) == "a/b")
    #expect(try begun(#"{"resultType":"task","taskId":"a"}"#, .legacy) == nil)
    #expect(try begun(#"{"resultType":"complete","taskId":"a"}"#, .modern) == nil)
    #expect(try begun(#"{"task":{"taskId":"a"}}"#, .legacy) == "a")
    #expect(try begun(#"{"task":{"taskId":"a"}}"#, .modern) == nil)
    #expect(try begun(#"{"task":{"taskId":5}}"#, .legacy) == nil)
    #expect(try begun(#"{"content":[]}"#, .legacy) == nil)
}

@Test("progress of a task grows, whoever tells it")
func taskProgress() {
    func told(_ progress: inout TaskProgress, _ number: String) -> Bool {
        #"{"params":{"progress":\#(number)}}"#.raw { progress.isNews($0) }
    }
    var progress = TaskProgress()
    #expect(progress.step() == 1 && progress.step() == 2)
    #expect(!told(&progress, "1") && !told(&progress, "2") && told(&progress, "2.5"))
    // The server speaks for itself.
    #expect(progress.step() == nil)
    #expect(progress.step() == 3)
    #expect(!told(&progress, "\"x\"") && told(&progress, "50"))
    #expect(progress.step() == nil && progress.step() == 51)
    #expect(told(&progress, "1e300"))
    #expect(progress.step() == nil && progress.step() == nil)
}

@Test("a question of a task names it as the client does")
func taskAsk() throws {
    let ask = try #require(
        try Message(
            #"{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"message":"?","requestedSchema":{},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"own"}}}}"#
        ).with { Ask($0, $1) })
    #expect(ask.relatedTask == "own")
    let written = try json {
        ask.writeRequest(
            id: Array("\"g\"".utf8), revision: .v2025_11_25, elicitationID: "", task: Array(#""t1.x""#.utf8),
            into: &$0)
    }
    #expect(
        written["params"]?["_meta"]?["io.modelcontextprotocol/related-task"]?["taskId"]?.stringValue == "t1.x"
    )
    let plain = try json {
        ask.writeRequest(id: Array("\"g\"".utf8), revision: .v2025_11_25, elicitationID: "", into: &$0)
    }
    #expect(plain["params"]?["_meta"] == nil)
}

@Test("tasks are offered in the words of the client's revision, when there are any")
func taskOffers() throws {
    let answers = Answers(Implementation(name: "g", title: "G", version: "1"))
    func capabilities(_ revision: Revision, _ tasks: TaskOffer) throws -> JSONValue? {
        try json { out in
            "1".raw { answers.initialize(id: $0, revision: revision, tasks: tasks, into: &out) }
        }["result"]?["capabilities"]
    }
    let running = TaskOffer.running(isCancellable: true)
    #expect(try capabilities(.v2025_11_25, running)?["tasks"]?["requests"]?["tools"]?["call"] != nil)
    #expect(try capabilities(.v2025_11_25, running)?["tasks"]?["cancel"] != nil)
    #expect(try capabilities(.v2025_11_25, .running(isCancellable: false))?["tasks"]?["cancel"] == nil)
    #expect(try capabilities(.v2025_11_25, .none)?["tasks"] == nil)
    #expect(try capabilities(.v2025_06_18, running)?["tasks"] == nil)
    for (offer, isThere) in [(running, true), (.none, false)] {
        let found = try json { out in "1".raw { answers.discover(id: $0, tasks: offer, into: &out) } }
        let extensions = found["result"]?["capabilities"]?["extensions"]
        #expect((extensions?["io.modelcontextprotocol/tasks"] != nil) == isThere)
    }
}

@Test("a server offers tasks when tools/call can begin them")
func taskProfile() throws {
    func offers(_ capabilities: String) throws -> ChildProfile.Offers {
        try #"{"protocolVersion":"2025-11-25","capabilities":\#(capabilities)}"#.raw {
            try ChildProfile(result: $0).offers
        }
    }
    #expect(try offers(#"{"tasks":{"requests":{"tools":{"call":{}}}}}"#) == .tasks)
    #expect(
        try offers(#"{"tasks":{"cancel":{},"requests":{"tools":{"call":{}}}}}"#) == [
            .tasks, .taskCancellation,
        ]
    )
    #expect(try offers(#"{"tasks":{"list":{}}}"#) == [])
    #expect(try offers(#"{"tasks":{"requests":{"tools":5}}}"#) == [])
}

@Test("a task among what is watched is told from every URI", arguments: ["t", "", "a/b", "é", "a.b"])
func taskKey(_ id: String) {
    let key = TaskKey(process: .max, id: id)
    #expect(TaskKey(key.text) == key)
    #expect(!key.text.contains("/"))
    for uri in ["file:///a", "", "1.dA", "\u{1}", "\u{1}x.dA", "\u{1}1", "\u{1}1.!", "\u{1}99999999999.dA"] {
        #expect(TaskKey(uri) == nil)
    }
}

@Test("a listen stream is told of a task by the ids that its client knows")
func taskTold() throws {
    let written = try json { out in
        #"{"taskId":"own","status":"working","_meta":{"io.modelcontextprotocol/subscriptionId":9}}"#.raw {
            params in
            "\"L\"".raw {
                TaskRewriter.writeTold(params, as: Array(#""t1.x""#.utf8), subscription: $0, into: &out)
            }
        }
    }
    let params = try #require(written["params"])
    #expect(written["method"]?.stringValue == "notifications/tasks")
    #expect(params["taskId"]?.stringValue == "t1.x" && params["status"]?.stringValue == "working")
    #expect(params["_meta"]?["io.modelcontextprotocol/subscriptionId"]?.stringValue == "L")
    let wish = #"{"taskIds":["a","a",5,"b"],"resourceSubscriptions":["u"]}"#.raw { ListenWish(object: $0) }
    #expect(wish.tasks == ["a", "b"] && wish.uris == ["u"])
    let line = text {
        ModernLine.listen(
            .tools, uris: [], tasks: [Array(#""own""#.utf8)], id: 1,
            envelope: ModernEnvelope(
                client: Implementation(name: "g", title: "G", version: "1"), capabilities: []),
            into: &$0)
    }
    #expect(line.contains(#""notifications":{"toolsListChanged":true,"taskIds":["own"]}"#))
}
