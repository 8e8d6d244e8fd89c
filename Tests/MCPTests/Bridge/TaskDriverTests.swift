import System
import Testing
import Wire

@testable import MCP

private let start = Instant(nanoseconds: 1_000_000_000)
private let id = Array(#""taskId":"t1""#.utf8)
private let ask = TaskDriver.Action.ask(.status, params: id)

private func response(_ result: String) -> String { #"{"jsonrpc":"2.0","id":1,"result":\#(result)}"# }

private func driver(_ era: Era, pause: Int = 500) throws -> TaskDriver? {
    let task =
        era == .modern
        ? #"{"resultType":"task","taskId":"t1","status":"working","pollIntervalMs":\#(pause)}"#
        : #"{"task":{"taskId":"t1","status":"working","pollInterval":\#(pause)}}"#
    return try Message(response(task)).with { TaskDriver($0, $1, from: era, now: start) }
}

extension TaskDriver {
    fileprivate mutating func answered(_ question: Question, _ text: String, at now: Instant = start) throws
        -> [Action]
    {
        try Message(text).with { answered(question, $0, $1, now: now) }
    }
}

@Test("a modern task is looked at in its pauses, and its inlined result answers the call")
func taskModern() throws {
    var task = try #require(try driver(.modern))
    #expect(task.tick(now: start.advanced(milliseconds: 499)).isEmpty)
    let due = start.advanced(milliseconds: 500)
    #expect(task.tick(now: due) == [ask])
    #expect(task.tick(now: due.advanced(milliseconds: 9999)).isEmpty)
    let working = response(#"{"taskId":"t1","status":"working","statusMessage":"half","pollIntervalMs":700}"#)
    #expect(try task.answered(.status, working, at: due) == [.progress(message: "half")])
    #expect(try task.answered(.status, working, at: due).isEmpty)
    #expect(task.pollAt == due.advanced(milliseconds: 700))
    let done = response(#"{"taskId":"t1","status":"completed","result":{"content":[],"isError":true}}"#)
    #expect(
        try task.answered(.status, done) == [.deliver(result: Array(#"{"content":[],"isError":true}"#.utf8))])
    #expect(task.pollAt == nil)
    #expect(try task.answered(.status, done).isEmpty)
}

@Test("a legacy task gives its result when it is asked for it")
func taskLegacy() throws {
    var task = try #require(try driver(.legacy))
    #expect(task.tick(now: start.advanced(milliseconds: 500)) == [ask])
    #expect(
        try task.answered(.status, response(#"{"taskId":"t1","status":"completed"}"#)) == [
            .ask(.result, params: id)
        ])
    #expect(
        try task.answered(.result, response(#"{"content":[]}"#)) == [
            .deliver(result: Array(#"{"content":[]}"#.utf8))
        ])
    var asking = try #require(try driver(.legacy))
    #expect(
        try asking.answered(.status, response(#"{"taskId":"t1","status":"input_required"}"#))
            == [.ask(.result, params: id)])
}

@Test("a modern task that asks goes on with what it is given")
func taskInput() throws {
    var task = try #require(try driver(.modern))
    let asks = response(
        #"{"taskId":"t1","status":"input_required","inputRequests":{"k":{"method":"roots/list"}}}"#)
    #expect(
        try task.answered(.status, asks) == [
            .needInput(requests: Array(#"{"k":{"method":"roots/list"}}"#.utf8))
        ])
    #expect(task.pollAt == nil)
    #expect(try task.answered(.status, asks).isEmpty)
    #expect(
        task.input(given: Array(#"{"k":{"roots":[]}}"#.utf8))
            == [.ask(.update, params: Array(#""taskId":"t1","inputResponses":{"k":{"roots":[]}}"#.utf8))])
    #expect(try task.answered(.update, response("{}")).isEmpty)
    #expect(task.pollAt != nil)
}

@Test("failures, cancellations and nonsense end the call")
func taskEnds() throws {
    let error = #"{"code":-32603,"message":"x"}"#
    var failed = try #require(try driver(.modern))
    #expect(
        try failed.answered(.status, response(#"{"status":"failed","error":\#(error)}"#)) == [
            .fail(error: Array(error.utf8))
        ])
    var unknown = try #require(try driver(.modern))
    #expect(
        try unknown.answered(.status, #"{"jsonrpc":"2.0","id":1,"error":\#(error)}"#) == [
            .fail(error: Array(error.utf8))
        ])
    for nonsense in [
        #"{"status":"cancelled"}"#, #"{"status":"odd"}"#, "{}", #"{"status":"completed"}"#,
        #"{"status":"input_required"}"#,
    ] {
        var task = try #require(try driver(.modern))
        guard case .refuse? = try task.answered(.status, response(nonsense)).first else {
            Issue.record("went on after \(nonsense)")
            continue
        }
    }
    var cancelled = try #require(try driver(.modern))
    #expect(cancelled.cancelled() == [.ask(.cancel, params: id)])
    #expect(cancelled.cancelled().isEmpty)
    #expect(cancelled.tick(now: start.advanced(milliseconds: 99_999)).isEmpty)
}

@Test("a question without an answer is put again, but not for ever; nor is a task followed for ever")
func taskPatience() throws {
    var task = try #require(try driver(.legacy))
    for _ in 1..<BridgeLimits.taskFailuresMax {
        #expect(task.failed(.status, now: start).isEmpty)
        #expect(task.tick(now: start.advanced(milliseconds: 500)) == [ask])
    }
    guard case .refuse? = task.failed(.result, now: start).first else {
        Issue.record("went on")
        return
    }
    var endless = try #require(try driver(.modern))
    let actions = endless.tick(now: start.advanced(milliseconds: BridgeLimits.taskMilliseconds))
    #expect(actions.first == .ask(.cancel, params: id))
    guard case .refuse? = actions.last else {
        Issue.record("went on")
        return
    }
}

@Test("a task is asked for with the time that it is waited for")
func taskRequest() {
    #expect("\(TaskDriver.request)" == "\"task\":{\"ttl\":\(BridgeLimits.taskMilliseconds)}")
}

@Test("a server of 2026-07-28 demands tasks by what its error says is lacking")
func taskDemand() throws {
    func isDemanded(_ code: Int, _ lacking: String) throws -> Bool {
        let data = #"{"requiredCapabilities":\#(lacking)}"#
        return try Message(
            #"{"jsonrpc":"2.0","id":1,"error":{"code":\#(code),"message":"m","data":\#(data)}}"#
        ).with { TaskDriver.isDemanded(by: $0, $1) }
    }
    let tasks = #"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#
    #expect(try isDemanded(-32021, tasks))
    #expect(try !isDemanded(-32602, tasks))
    #expect(try !isDemanded(-32021, #"{"sampling":{}}"#))
}

@Test("pauses are kept within reason, and what is no task is none")
func taskReading() throws {
    #expect(
        try driver(.modern, pause: 0)?.pollAt
            == start.advanced(milliseconds: BridgeLimits.pollMillisecondsMin))
    #expect(
        try driver(.legacy, pause: 9_999_999)?.pollAt
            == start.advanced(milliseconds: BridgeLimits.pollMillisecondsMax))
    for (text, era) in [
        (response(#"{"resultType":"complete","taskId":"t"}"#), Era.modern),
        (response(#"{"resultType":"task"}"#), .modern),
        (response(#"{"task":{"taskId":7}}"#), .legacy), (response(#"{"content":[]}"#), .legacy),
        (#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, .legacy),
    ] {
        #expect(try Message(text).with { TaskDriver($0, $1, from: era, now: start) } == nil)
    }
    for (support, found) in [
        ("required", TaskSupport.required), ("optional", .optional), ("forbidden", nil), ("x", nil),
    ] as [(String, TaskSupport?)] {
        #expect("{\"execution\":{\"taskSupport\":\"\(support)\"}}".raw { TaskSupport(tool: $0) } == found)
    }
    #expect("{}".raw { TaskSupport(tool: $0) } == nil)
}
