import System
import Testing
import Wire

@testable import Gateway

@Suite struct ControlSandboxesTests {
    // MARK: Keys and routes

    @Test(
        "every route wants a key and says what to do",
        arguments: [
            ("POST", "/v2/sandboxes"), ("POST", "/sandboxes"), ("GET", "/v2/sandboxes"),
            ("GET", "/sandboxes"),
            ("GET", "/sandboxes/x"), ("DELETE", "/sandboxes/x"), ("POST", "/sandboxes/x/timeout"),
            ("POST", "/v2/sandboxes/x/connect"), ("POST", "/sandboxes/x/connect"),
            ("POST", "/sandboxes/x/mcp/token"), ("PUT", "/sandboxes/x/mcp"), ("GET", "/sandboxes/x/metrics"),
            ("POST", "/sandboxes/x/pause"),
        ])
    func keyIsNeeded(method: String, path: String) throws {
        let desk = ControlDesk()
        #expect(try desk.call(method, path, key: nil, "{}").message(status: 401).contains("X-API-KEY"))
        #expect(try desk.call(method, path, key: "", "{}").message(status: 401).contains("X-API-KEY"))
        #expect(try desk.call(method, path, key: "e2b_no", "{}").message(status: 401).contains("not valid"))
        #expect(desk.plane.opened.isEmpty)
    }

    @Test(
        "a path that is no resource answers 404",
        arguments: [
            "/", "", "/v2", "/v3/sandboxes", "/sandboxes/", "/sandboxes/x/", "/sandboxes//timeout/y",
            "/sandboxes/x/mcp/", "/sandboxes/x/mcp/token/more", "/sandboxes/x/a/b/c/d/e/f/g", "/v2/snapshots",
            "/v2/sandboxes/x", "/nodes", "/%73andboxes", "/sandboxes/x/unknown",
        ])
    func noResource(path: String) throws {
        _ = try ControlDesk().call("GET", path).message(status: 404)
    }

    @Test(
        "a wrong method answers 405 with those that are right",
        arguments: [
            ("PUT", "/v2/sandboxes", "GET, HEAD, POST"), ("POST", "/sandboxes/x", "GET, HEAD, DELETE"),
            ("GET", "/sandboxes/x/timeout", "POST"), ("DELETE", "/v2/sandboxes/x/connect", "POST"),
            ("GET", "/sandboxes/x/mcp/token", "POST"), ("POST", "/sandboxes/x/mcp", "PUT"),
            ("POST", "/sandboxes/x/metrics", "GET, HEAD"),
        ])
    func wrongMethod(method: String, path: String, allowed: String) throws {
        let response = try ControlDesk().call(method, path)
        _ = try response.message(status: 405)
        #expect(response.header("Allow") == allowed)
    }

    @Test(
        "what E2B has and we have not answers 501",
        arguments: ["pause", "resume", "fork", "snapshots", "network", "logs"])
    func unsupported(what: String) throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        _ = try desk.call("POST", "/sandboxes/\(id)/\(what)", "{}").message(status: 501)
        _ = try desk.call("POST", "/sandboxes/\(id)/\(what)", key: ControlDesk.bob, "{}").message(status: 404)
        _ = try desk.call("GET", "/snapshots").message(status: 501)
    }

    @Test("another owner's sandbox answers as one that never was, on every route")
    func ownersAreApart() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let other = String(repeating: "0", count: 22)
        let routes = [
            ("GET", "", ""), ("DELETE", "", ""), ("POST", "/timeout", #"{"timeout":9}"#),
            ("POST", "/connect", "{}"), ("POST", "/mcp/token", ""), ("PUT", "/mcp", "{}"),
            ("GET", "/metrics", ""),
        ]
        for (method, rest, body) in routes {
            let foreign = try desk.call(method, "/sandboxes/\(id)\(rest)", key: ControlDesk.bob, body)
            let unknown = try desk.call(method, "/sandboxes/\(other)\(rest)", key: ControlDesk.bob, body)
            let message = try foreign.message(status: 404)
            #expect(try unknown.message(status: 404) == message.replacing(id, with: other))
        }
        #expect(try desk.call("GET", "/v2/sandboxes", key: ControlDesk.bob).value == [])
        #expect(desk.plane.closed.isEmpty && desk.plane.tokens.isEmpty && desk.plane.replacedCount == 0)
    }

    // MARK: List

    @Test("a listed sandbox has every field that the SDK requires")
    func listed() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"timeout":60,"metadata":{"user":"a b"}}"#).id
        for path in ["/v2/sandboxes", "/sandboxes"] {
            let items = try #require(try desk.call("GET", path).value.arrayValue)
            #expect(items.count == 1)
            let item = try #require(items.first)
            #expect(try item.id == id)
            #expect(try item.text("startedAt") == "2026-01-02T03:04:05.000Z")
            #expect(try item.text("endAt") == "2026-01-02T03:05:05.000Z")
            #expect(try item.text("state") == "running")
            #expect(item["metadata"] == ["user": "a b"])
            for name in ["templateID", "clientID", "envdVersion"] { _ = try item.text(name) }
            for name in ["cpuCount", "memoryMB", "diskSizeMB"] { #expect((item[name]?.intValue ?? 0) > 0) }
            #expect(item["mcpToken"] == nil && item["envdAccessToken"] == nil)
        }
    }

    @Test("pages follow one another without gap or repetition, though sandboxes come and go")
    func paging() throws {
        let desk = ControlDesk()
        var ids: [String] = []
        for number in 0..<7 {
            ids.append(try desk.sandbox().id)
            if number % 2 == 0 { desk.clock.step(milliseconds: 1) }
        }
        func page(_ query: String) throws -> (ids: [String], next: String?) {
            let response = try desk.call("GET", "/v2/sandboxes", query: query)
            #expect(response.status == 200)
            let items = try #require(try response.value.arrayValue)
            return (try items.map { try $0.id }, response.header("X-Next-Token"))
        }
        let first = try page("limit=3&order=asc")
        #expect(first.ids.count == 3)
        // The page's last sandbox goes, and a new one comes: the next page begins where this one ended.
        desk.send("DELETE", "/sandboxes/\(first.ids[2])")
        desk.clock.step(milliseconds: 1)
        ids.append(try desk.sandbox().id)
        let second = try page("limit=3&order=asc&nextToken=\(try #require(first.next))")
        let third = try page("limit=3&order=asc&nextToken=\(try #require(second.next))")
        #expect(third.next == nil)
        #expect(Set(first.ids + second.ids + third.ids) == Set(ids))
        #expect((first.ids + second.ids + third.ids).count == 8)
        let newest = try page("limit=2")
        #expect(newest.ids.first == ids.last)
        let older = try page("limit=100&nextToken=\(try #require(newest.next))")
        #expect(older.ids.count == 5 && older.next == nil)
    }

    @Test("the list is filtered by state, metadata, template and start")
    func filters() throws {
        let desk = ControlDesk()
        let plain = try desk.sandbox(#"{"metadata":{"user":"ann","k&=":"a b%+ü"}}"#).id
        desk.clock.step(milliseconds: 5000)
        let other = try desk.sandbox(#"{"templateID":"t/2","metadata":{"user":"ben"}}"#).id
        func ids(_ query: String) throws -> [String] {
            try #require(try desk.call("GET", "/v2/sandboxes", query: query).value.arrayValue).map {
                try $0.id
            }
        }
        #expect(try ids("state=running") == [other, plain])
        #expect(try ids("state=running,paused") == [other, plain])
        #expect(try ids("state=running%2Cpaused") == [other, plain])
        #expect(try ids("state=paused") == [])
        #expect(try ids("metadata=user%3Dann") == [plain])
        #expect(try ids("metadata=user%3Dann%26k%3Dx") == [])
        // quote, urlencode, and the parameter's own encoding, as the SDK does it: k&= and "a b%+ü".
        #expect(
            try ids("metadata=k%252526%25253D%3Da%252520b%252525%25252B%2525C3%2525BC") == [plain])
        #expect(try ids("template=t%2F2") == [other])
        #expect(try ids("startedAfter=2026-01-02T03:04:06%2B00:00") == [other])
        #expect(try ids("startedAfter=2026-01-02T03:04:10Z") == [])
        #expect(try ids("unknown=1&metadata=") == [other, plain])
    }

    @Test(
        "a list that is asked for in the wrong way says what is right",
        arguments: [
            "limit=0", "limit=-1", "limit=x", "limit=1001", "limit=99999999999999999999", "limit=",
            "nextToken=abc", "nextToken=1_2_3", "nextToken=x_0000000000000000000000", "order=up",
            "state=dead", "startedAfter=yesterday", "metadata=%25zz", "limit=%", "limit=%4", "a=%FF",
        ])
    func wrongQuery(query: String) throws {
        _ = try ControlDesk().call("GET", "/v2/sandboxes", query: query).message(status: 400)
    }

    // MARK: Detail

    @Test("the detail shows the servers, and their failures")
    func detail() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"mcp":{"time":{}}}"#).id
        desk.plane.show([
            ServerStatus(
                name: "time", key: "time", state: "ready", sinceMilliseconds: 1_767_323_045_000,
                era: "legacy", tools: 2, pid: 42, restarts: 0,
                lastError: nil, stderrTail: []),
            ServerStatus(
                name: "git", key: "git", state: "crash_loop", era: "", tools: 0, pid: nil, restarts: 4,
                lastError: "exit code 1", stderrTail: ["no such repository"]),
        ])
        let value = try desk.call("GET", "/sandboxes/\(id)").value
        #expect(try value.id == id)
        #expect(
            value["mcp"]?["servers"] == [
                [
                    "name": "time", "key": "time", "state": "ready", "since": "2026-01-02T03:04:05.000Z",
                    "era": "legacy", "tools": 2, "pid": 42, "restarts": 0,
                ],
                [
                    "name": "git", "key": "git", "state": "crash_loop", "since": "1970-01-01T00:00:00.000Z",
                    "era": "", "tools": 0, "restarts": 4,
                    "lastError": "exit code 1", "stderrTail": ["no such repository"],
                ],
            ])
        #expect(value["mcpToken"] == nil)
        desk.plane.show(nil)
        #expect(try desk.call("GET", "/sandboxes/\(id)").status == 404)
    }

    @Test("metrics are an empty list")
    func metrics() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        #expect(try desk.call("GET", "/sandboxes/\(id)/metrics", query: "start=1&end=2").value == [])
    }

    // MARK: Time

    @Test("a sandbox is killed at its timeout, which begins with the answer of its create")
    func expiry() throws {
        let desk = ControlDesk()
        let exchange = desk.send("POST", "/v2/sandboxes", #"{"timeout":5,"mcp":{"time":{}}}"#)
        desk.step(seconds: 19)
        #expect(desk.plane.closed.isEmpty)
        desk.ready(0)
        let id = try desk.answer(exchange).value.id
        desk.step(seconds: 4)
        #expect(desk.plane.closed.isEmpty)
        desk.step(seconds: 1)
        #expect(desk.plane.closed == [id])
        #expect(try desk.call("GET", "/sandboxes/\(id)").status == 404)
        #expect(try desk.call("GET", "/v2/sandboxes").value == [])
        desk.gone(0)
        #expect(desk.control.sandboxCount == 0)
        #expect(desk.log.events.last == .ended(id: id, owner: "alice", cause: .expired))
    }

    @Test("a timeout counts from now, and may shorten")
    func setTimeout() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"timeout":100}"#).id
        let response = try desk.call("POST", "/sandboxes/\(id)/timeout", #"{"timeout":200}"#)
        #expect(response.status == 204 && response.body.isEmpty && response.contentType.isEmpty)
        desk.step(seconds: 150)
        #expect(desk.plane.closed.isEmpty)
        #expect(try desk.call("POST", "/sandboxes/\(id)/timeout", #"{"timeout":3}"#).status == 204)
        desk.step(seconds: 3)
        #expect(desk.plane.closed == [id])
    }

    @Test("a timeout that is moved a thousand times leaves one alarm")
    func alarmsDoNotPile() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let before = desk.control.alarms.count
        for seconds in 1...1000 {
            _ = try desk.call("POST", "/sandboxes/\(id)/timeout", "{\"timeout\":\(seconds)}")
        }
        #expect(desk.control.alarms.count == before)
    }

    @Test(
        "a wrong timeout is refused and changes nothing",
        arguments: ["", "{}", #"{"timeout":-1}"#, #"{"timeout":86401}"#, #"{"timeout":"9"}"#, "[", "null"])
    func wrongTimeout(body: String) throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"timeout":10}"#).id
        _ = try desk.call("POST", "/sandboxes/\(id)/timeout", body).message(status: 400)
        desk.step(seconds: 10)
        #expect(desk.plane.closed == [id])
    }

    @Test("a timeout of 0 ends the sandbox at once")
    func zeroTimeout() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        #expect(try desk.call("POST", "/sandboxes/\(id)/timeout", #"{"timeout":0}"#).status == 204)
        desk.step(seconds: 0)
        #expect(desk.plane.closed == [id])
    }

    @Test("connect shows the sandbox and only ever extends its time", arguments: ["/v2", ""])
    func connect(prefix: String) throws {
        let desk = ControlDesk()
        let created = try desk.sandbox(#"{"timeout":100}"#)
        let id = try created.id
        let response = try desk.call("POST", "\(prefix)/sandboxes/\(id)/connect", #"{"timeout":5}"#)
        #expect(response.status == 200)
        #expect(try response.value == created)
        desk.step(seconds: 99)
        #expect(desk.plane.closed.isEmpty)
        _ = try desk.call("POST", "\(prefix)/sandboxes/\(id)/connect", #"{"timeout":50}"#)
        desk.step(seconds: 49)
        #expect(desk.plane.closed.isEmpty)
        // Without a timeout: the default one.
        _ = try desk.call("POST", "\(prefix)/sandboxes/\(id)/connect", "{}")
        desk.step(seconds: 299)
        #expect(desk.plane.closed.isEmpty)
        desk.step(seconds: 1)
        #expect(desk.plane.closed == [id])
        #expect(try desk.call("POST", "\(prefix)/sandboxes/\(id)/connect", "{}").status == 404)
    }

    // MARK: Ending

    @Test("a DELETE is answered when every process is gone, and so is a second one meanwhile")
    func delete() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let first = desk.send("DELETE", "/sandboxes/\(id)")
        let second = desk.send("DELETE", "/sandboxes/\(id)")
        #expect(!desk.isAnswered(first) && !desk.isAnswered(second))
        #expect(desk.plane.closed == [id])
        #expect(try desk.call("GET", "/sandboxes/\(id)").status == 404)
        #expect(try desk.call("POST", "/sandboxes/\(id)/timeout", #"{"timeout":9}"#).status == 404)
        desk.gone(0)
        #expect(try desk.answer(first).status == 204)
        #expect(try desk.answer(second).status == 204)
        _ = try desk.call("DELETE", "/sandboxes/\(id)").message(status: 404)
        desk.step(seconds: 1000)
        #expect(desk.plane.answers(first).count == 1)
        #expect(desk.control.nextAlarm == nil)
    }

    @Test("a DELETE whose processes will not die is answered with an error, and can be repeated")
    func endingTakesLong() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let first = desk.send("DELETE", "/sandboxes/\(id)")
        desk.step(seconds: 30)
        _ = try desk.answer(first).message(status: 500)
        let second = desk.send("DELETE", "/sandboxes/\(id)")
        desk.gone(0)
        #expect(try desk.answer(second).status == 204)
        #expect(desk.plane.closed.count == 1)
    }

    @Test("an expired sandbox that is deleted while it ends is answered at its end")
    func deleteAfterExpiry() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"timeout":1}"#).id
        desk.step(seconds: 1)
        let exchange = desk.send("DELETE", "/sandboxes/\(id)")
        desk.gone(0)
        #expect(try desk.answer(exchange).status == 204)
        #expect(desk.plane.closed.count == 1)
    }

    @Test("a shutdown refuses creates for good, ends every sandbox and then reports")
    func shutDown() throws {
        let desk = ControlDesk()
        _ = try desk.sandbox()
        _ = try desk.sandbox(key: ControlDesk.bob)
        let isDone = EventLog()
        desk.control.shutDown { isDone.append(.created(id: "", owner: "", servers: 0)) }
        let refused = try desk.call("POST", "/v2/sandboxes", "{}")
        _ = try refused.message(status: 503)
        #expect(refused.header("Should-Retry") == "false")
        desk.gone(0)
        #expect(isDone.events.isEmpty)
        desk.gone(1)
        #expect(isDone.events.count == 1)
        desk.control.shutDown { isDone.append(.created(id: "", owner: "", servers: 0)) }
        #expect(isDone.events.count == 2)
    }

    @Test("a hundred sandboxes that come and go leave nothing behind")
    func nothingIsLeft() throws {
        let desk = ControlDesk()
        for index in 0..<100 {
            let id = try desk.sandbox(#"{"mcp":{"time":{}}}"#).id
            let exchange = desk.send("DELETE", "/sandboxes/\(id)")
            desk.gone(index)
            #expect(try desk.answer(exchange).status == 204)
        }
        #expect(desk.control.sandboxCount == 0)
        #expect(desk.control.owned.isEmpty && desk.control.creations.isEmpty)
        #expect(desk.control.creationCount == 0)
        #expect(desk.control.loads.allSatisfy { $0 == 0 })
        #expect(desk.control.alarms.count == 0)
    }
}
