import System
import Testing
import Wire

@testable import Gateway

@Suite struct ControlServersTests {
    @Test("a rotated token reaches the loop as a digest, and the owner as text")
    func rotate() throws {
        let desk = ControlDesk()
        let created = try desk.sandbox(#"{"mcp":{"time":{}}}"#)
        let id = try created.id
        let token = try desk.call("POST", "/sandboxes/\(id)/mcp/token").value.text("mcpToken")
        #expect(token != (try created.text("mcpToken")))
        let told = try #require(desk.plane.tokens.first)
        #expect(told.id == id)
        #expect(told.home == SandboxID.home(of: id, loopCount: 2))
        #expect(told.digest == Secret.digest(token))
        let connected = try desk.call("POST", "/sandboxes/\(id)/connect", "{}").value
        #expect(try connected.text("mcpToken") == token)
    }

    @Test("a new set of servers is answered when it is ready, with what it is")
    func replace() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"mcp":{"time":{}}}"#).id
        let exchange = desk.send("PUT", "/sandboxes/\(id)/mcp", #"{"git":{}}"#)
        #expect(!desk.isAnswered(exchange))
        desk.replacedReady(0)
        let response = try desk.answer(exchange)
        #expect(response.status == 200)
        #expect(try response.value == ["servers": []])
    }

    @Test("a new set that needs longer than 20 s is answered all the same")
    func replaceSlowly() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let exchange = desk.send("PUT", "/sandboxes/\(id)/mcp", #"{"git":{}}"#)
        desk.step(seconds: 20)
        #expect(try desk.answer(exchange).status == 200)
    }

    @Test(
        "a wrong set of servers changes nothing",
        arguments: [#"{"nope":{}}"#, "[]", "{", #"{"git":{"bad":1}}"#])
    func replaceWrongly(body: String) throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"mcp":{"time":{}}}"#).id
        _ = try desk.call("PUT", "/sandboxes/\(id)/mcp", body).message(status: 400)
        #expect(desk.plane.replacedCount == 0)
    }

    @Test("a running sandbox keeps its network, and a set of servers that wants another is refused")
    func otherNetwork() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox(#"{"mcp":{"$gateway":{"network":"listed"},"time":{}}}"#).id
        let wider = #"{"$gateway":{"network":"host"},"time":{}}"#
        let message = try desk.call("PUT", "/sandboxes/\(id)/mcp", wider).message(status: 400)
        #expect(
            message.contains(#""host" cannot be had any more"#) && message.contains(#"which is "listed""#))
        #expect(desk.plane.replacedCount == 0)
        for same in [#"{"git":{}}"#, #"{"$gateway":{"network":"listed"},"git":{}}"#] {
            let exchange = desk.send("PUT", "/sandboxes/\(id)/mcp", same)
            desk.replacedReady(desk.plane.replacedCount - 1)
            #expect(try desk.answer(exchange).status == 200)
        }
        #expect(try desk.call("GET", "/sandboxes/\(id)").value["mcp"]?["network"] == "listed")
    }

    @Test("news of an older set does not answer for a newer one")
    func staleReady() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        desk.send("PUT", "/sandboxes/\(id)/mcp", #"{"git":{}}"#)
        let second = desk.send("PUT", "/sandboxes/\(id)/mcp", #"{"time":{}}"#)
        desk.replacedReady(0)
        #expect(!desk.isAnswered(second))
        desk.replacedReady(1)
        #expect(try desk.answer(second).status == 200)
    }

    @Test("requests that wait for one sandbox are limited")
    func waitsAreLimited() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        for _ in 0..<ControlLimits.waitsPerSandbox {
            desk.send("PUT", "/sandboxes/\(id)/mcp", #"{"git":{}}"#)
        }
        let refused = try desk.call("PUT", "/sandboxes/\(id)/mcp", #"{"git":{}}"#)
        _ = try refused.message(status: 429)
        #expect(desk.plane.replacedCount == ControlLimits.waitsPerSandbox)
    }
}
