import System
import Testing
import Wire

@testable import Gateway

@Suite struct ControlCreateTests {
    @Test("a create answers 201 with all that the SDK and a plain client need")
    func created() throws {
        let desk = ControlDesk()
        let value = try desk.sandbox(#"{"templateID":"mcp-gateway","mcp":{"time":{}}}"#)
        let id = try value.id
        #expect(id.utf8.count == 22)
        #expect(id.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x7a).contains($0) })
        #expect(try value.text("templateID") == "mcp-gateway")
        #expect(try value.text("clientID") == "local")
        #expect(try value.text("envdVersion") == "0.6.7")
        #expect(try value.text("domain") == "e2b.localhost:8080")
        #expect(try !value.text("envdAccessToken").isEmpty)
        #expect(try value.text("mcpUrl") == "http://127.0.0.1:8080/sandbox/\(id)/mcp")
        let token = try value.text("mcpToken")
        #expect(token.hasPrefix("mcp_") && token.utf8.count == 47)
        let specification = try #require(desk.plane.opened.first)
        #expect(specification.tokenDigest == Secret.digest(token))
        #expect(specification.sessionKey.count == 32)
        #expect(specification.owner == "alice")
        #expect(specification.home == SandboxID.home(of: id, loopCount: 2))
    }

    @Test("the answer waits for the servers")
    func waits() throws {
        let desk = ControlDesk()
        let exchange = desk.send("POST", "/sandboxes", #"{"mcp":{"time":{}}}"#)
        desk.step(seconds: 19)
        #expect(!desk.isAnswered(exchange))
        desk.ready(0)
        #expect(try desk.answer(exchange).status == 201)
        desk.step(seconds: 10)
        #expect(desk.plane.answers(exchange).count == 1)
    }

    @Test("servers that need longer than 20 s keep starting, and the create is answered")
    func slowServers() throws {
        let desk = ControlDesk()
        let exchange = desk.send("POST", "/v2/sandboxes", #"{"mcp":{"time":{}}}"#)
        desk.step(seconds: 20)
        #expect(try desk.answer(exchange).status == 201)
        #expect(desk.plane.closed.isEmpty)
        desk.ready(0)
        #expect(desk.plane.answers(exchange).count == 1)
    }

    @Test("an empty object makes an empty sandbox with E2B's defaults; an empty body is refused")
    func defaults() throws {
        let desk = ControlDesk()
        _ = try desk.call("POST", "/v2/sandboxes", "").message(status: 400)
        let value = try desk.sandbox("{}")
        #expect(try value.text("templateID") == "base")
        let withServers = try desk.sandbox(#"{"mcp":{}}"#)
        #expect(try withServers.text("templateID") == "mcp-gateway")
        desk.step(seconds: 299)
        #expect(desk.plane.closed.isEmpty)
        desk.step(seconds: 1)
        #expect(desk.plane.closed.count == 2)
    }

    @Test("a configuration mistake answers 400 with server and property, and nothing is started")
    func mistakes() throws {
        let desk = ControlDesk()
        let response = try desk.call("POST", "/v2/sandboxes", #"{"mcp":{"time":{"bad":1},"nope":{}}}"#)
        let message = try response.message(status: 400)
        #expect(message.contains("time.bad"))
        #expect(message.contains("nope"))
        #expect(desk.plane.opened.isEmpty)
        #expect(desk.control.sandboxCount == 0)
    }

    @Test(
        "a field of the wrong form is named, and nothing is started",
        arguments: [
            (#"{"timeout":0}"#, "timeout"), (#"{"timeout":-1}"#, "timeout"), (#"{"timeout":1.5}"#, "timeout"),
            (#"{"timeout":"60"}"#, "timeout"), (#"{"timeout":86401}"#, "86400"),
            (#"{"timeout":true}"#, "timeout"), (#"{"templateID":7}"#, "templateID"),
            (#"{"templateID":""}"#, "templateID"), (#"{"templateID":"a\nb"}"#, "templateID"),
            (#"{"mcp":[]}"#, "mcp"), (#"{"mcp":"time"}"#, "mcp"), (#"{"metadata":[]}"#, "metadata"),
            (#"{"metadata":{"a":1}}"#, "metadata.a"), (#"{"metadata":{"":"x"}}"#, "metadata"),
            (#"{"envVars":{"1A":"x"}}"#, "envVars.1A"), (#"{"envVars":{"A=B":"x"}}"#, "envVars.A=B"),
            (#"{"envVars":{"A":"x\u0000y"}}"#, "envVars.A"), (#"{"envVars":{"A":null}}"#, "envVars.A"),
            (#"{"autoPause":true}"#, "autoPause"),
            (#"{"volumeMounts":[{"name":"v","path":"/v"}]}"#, "volumeMounts"),
            (#"{"network":{"denyOut":["0.0.0.0/0"]}}"#, "network"), ("[]", "object"), ("7", "object"),
            ("{", "JSON"), (#"{"timeout":1,"timeout":2}"#, "JSON"), ("{} x", "JSON"), ("\u{0}", "JSON"),
        ])
    func wrongFields(body: String, names: String) throws {
        let desk = ControlDesk()
        let message = try desk.call("POST", "/v2/sandboxes", body).message(status: 400)
        #expect(message.contains(names))
        #expect(desk.plane.opened.isEmpty)
    }

    @Test("what the SDKs send by habit is accepted")
    func habits() throws {
        let desk = ControlDesk()
        _ = try desk.sandbox(
            #"{"templateID":"base","metadata":{},"envVars":{},"secure":true,"autoPause":false,"#
                + #""autoResume":{"enabled":false},"allow_internet_access":true,"#
                + #""network":{},"volumeMounts":[]}"#
        )
    }

    @Test("one entry, one byte or one body over a limit is refused")
    func limits() throws {
        let desk = ControlDesk()
        func refused(_ body: String, _ status: Int = 400) throws {
            _ = try desk.call("POST", "/v2/sandboxes", body).message(status: status)
        }
        let many = (0...ControlLimits.metadataEntries).map { "\"k\($0)\":\"\"" }.joined(separator: ",")
        try refused("{\"metadata\":{\(many)}}")
        let long = String(repeating: "x", count: ControlLimits.metadataValueBytes + 1)
        try refused("{\"metadata\":{\"k\":\"\(long)\"}}")
        try refused("{\"metadata\":{\"\(long)\":\"k\"}}")
        let variables = (0...ControlLimits.variables).map { "\"K\($0)\":\"\"" }.joined(separator: ",")
        try refused("{\"envVars\":{\(variables)}}")
        let template = String(repeating: "t", count: ControlLimits.templateIDBytes + 1)
        try refused("{\"templateID\":\"\(template)\"}")
        try refused(String(repeating: " ", count: ControlLimits.bodyBytes + 1), 413)
        try refused(String(repeating: "[", count: 100_000))
        #expect(desk.plane.opened.isEmpty)
    }

    @Test("a sandbox reaches what it asks for, else what the operator gives; no internet access is nothing")
    func network() throws {
        let desk = ControlDesk { $0.network = .proxy }
        let bodies = [
            "{}", #"{"mcp":{"$gateway":{"network":"listed"}}}"#, #"{"allow_internet_access":false}"#,
            #"{"allowInternetAccess":false,"mcp":{"$gateway":{"network":"none"}}}"#,
        ]
        let ids = try bodies.map { try desk.sandbox($0).id }
        #expect(desk.plane.opened.map(\.network) == [.proxy, .listed, .none, .none])
        for (id, network) in zip(ids, ["proxy", "listed", "none", "none"]) {
            let detail = try desk.call("GET", "/sandboxes/\(id)").value
            #expect(detail["mcp"]?["network"]?.stringValue == network)
            #expect(detail["allowInternetAccess"] == .bool(network == "proxy"))
        }
        let both = #"{"allowInternetAccess":false,"mcp":{"$gateway":{"network":"host"}}}"#
        let message = try desk.call("POST", "/v2/sandboxes", both).message(status: 400)
        #expect(message.contains(#"allowInternetAccess is false and $gateway.network is "host""#))
    }

    @Test("where no sandbox can have less than the host's network, no internet access is refused")
    func noNetworks() throws {
        let desk = ControlDesk { $0.networkObstacle = "they need root" }
        for field in ["allow_internet_access", "allowInternetAccess"] {
            let message = try desk.call("POST", "/v2/sandboxes", #"{"\#(field)":false}"#).message(status: 400)
            #expect(message.contains("\(field): false") && message.contains("they need root"))
        }
    }

    @Test("environment variables reach the sandbox")
    func environment() throws {
        let desk = ControlDesk()
        _ = try desk.sandbox(#"{"envVars":{"A":"1","_b2":"x y"}}"#)
        let environment = try #require(desk.plane.opened.first).environment
        #expect(environment.map(\.0) == ["A", "_b2"])
        #expect(environment.map(\.1) == ["1", "x y"])
    }

    @Test("sandboxes spread over the loops")
    func placement() throws {
        let desk = ControlDesk(loopCount: 3)
        for _ in 0..<9 { _ = try desk.sandbox() }
        for loop in 0..<3 {
            #expect(desk.plane.opened.filter { $0.home == loop }.count == 3)
        }
        // The loop that loses one is the next one's home.
        let first = desk.plane.opened[4]
        desk.send("DELETE", "/sandboxes/\(first.id)")
        desk.gone(0)
        _ = try desk.sandbox()
        #expect(desk.plane.opened[9].home == first.home)
    }

    // MARK: Limits on the number

    @Test("a key that has its share of sandboxes is told to wait, and another is not")
    func sandboxesPerKey() throws {
        let desk = ControlDesk { $0.limits.sandboxesPerKey = 1 }
        let first = try desk.sandbox()
        let refused = try desk.call("POST", "/v2/sandboxes", "{}")
        _ = try refused.message(status: 429)
        #expect(refused.header("Retry-After") == "10")
        _ = try desk.sandbox(key: ControlDesk.bob)
        // What is ending still counts: its processes may live.
        desk.send("DELETE", "/sandboxes/\(try first.id)")
        #expect(try desk.call("POST", "/v2/sandboxes", "{}").status == 429)
        desk.gone(0)
        _ = try desk.sandbox()
    }

    @Test("a full gateway says so")
    func sandboxesMax() throws {
        let desk = ControlDesk { $0.limits.sandboxes = 1 }
        _ = try desk.sandbox()
        let refused = try desk.call("POST", "/v2/sandboxes", key: ControlDesk.bob, "{}")
        _ = try refused.message(status: 429)
        #expect(refused.header("Retry-After") != nil)
    }

    @Test("creations under way are limited, for all and for each key")
    func creations() throws {
        let desk = ControlDesk {
            $0.limits.creations = 2
            $0.limits.creationsPerKey = 1
        }
        desk.send("POST", "/v2/sandboxes", "{}")
        #expect(try desk.call("POST", "/v2/sandboxes", "{}").status == 429)
        desk.send("POST", "/v2/sandboxes", key: ControlDesk.bob, "{}")
        #expect(desk.plane.opened.count == 2)
        desk.ready(0)
        #expect(!desk.isAnswered(desk.send("POST", "/v2/sandboxes", "{}")))
        #expect(desk.plane.opened.count == 3)
    }

    // MARK: Idempotency

    @Test("a repeated create with the same key gets the same answer and no second sandbox")
    func idempotent() throws {
        let desk = ControlDesk()
        func create(_ body: String = #"{"timeout":60}"#, key: String = ControlDesk.alice) -> ExchangeID {
            desk.send("POST", "/v2/sandboxes", key: key, idempotencyKey: "k-1", body)
        }
        let first = create()
        let second = create()
        desk.ready(0)
        let third = create()
        #expect(desk.plane.opened.count == 1)
        let body = try desk.answer(first).body
        #expect(try desk.answer(second).body == body)
        #expect(try desk.answer(third).body == body)
        #expect(try desk.answer(create(#"{"timeout":61}"#)).status == 422)
        // Another owner's key is another key.
        let other = create(key: ControlDesk.bob)
        #expect(!desk.isAnswered(other))
        #expect(desk.plane.opened.count == 2)
        desk.step(seconds: ControlLimits.idempotencySeconds - 1)
        #expect(try desk.answer(create()).body == body)
        desk.step(seconds: 1)
        #expect(!desk.isAnswered(create()))
    }

    @Test("a refused create leaves its key free")
    func idempotentRefusal() throws {
        let desk = ControlDesk()
        let refused = desk.send("POST", "/sandboxes", idempotencyKey: "k", #"{"timeout":0}"#)
        #expect(try desk.answer(refused).status == 400)
        #expect(!desk.isAnswered(desk.send("POST", "/sandboxes", idempotencyKey: "k", "{}")))
    }

    @Test("a create that is killed under way answers, and leaves its key free")
    func killedUnderWay() throws {
        let desk = ControlDesk()
        let exchange = desk.send("POST", "/sandboxes", idempotencyKey: "k", "{}")
        let id = try #require(desk.plane.opened.first).id
        desk.send("DELETE", "/sandboxes/\(id)")
        _ = try desk.answer(exchange).message(status: 409)
        desk.ready(0)
        #expect(desk.plane.answers(exchange).count == 1)
        #expect(!desk.isAnswered(desk.send("POST", "/sandboxes", idempotencyKey: "k", "{}")))
        #expect(desk.plane.opened.count == 2)
    }

    @Test("an idempotency key of the wrong form is refused", arguments: ["", "a b", "é"])
    func wrongKey(key: String) throws {
        _ = try ControlDesk().call("POST", "/sandboxes", idempotencyKey: key, "{}").message(status: 400)
    }

    @Test("the ledger keeps a bounded number of keys, the youngest")
    func ledgerIsBounded() {
        var ledger = IdempotencyLedger()
        let now = Instant(nanoseconds: 0)
        for number in 0...ControlLimits.idempotencyKeys {
            ledger.begin(
                IdempotencyLedger.Key(owner: "a", text: "\(number)"), bodyDigest: [], sandbox: "s", now: now)
        }
        #expect(ledger.count == ControlLimits.idempotencyKeys)
        #expect(ledger[IdempotencyLedger.Key(owner: "a", text: "0")] == nil)
        #expect(ledger[IdempotencyLedger.Key(owner: "a", text: "1")] != nil)
        ledger.forget(now: now.advanced(milliseconds: ControlLimits.idempotencySeconds * 1000))
        #expect(ledger.count == 0)
        #expect(ledger.nextForgotten == nil)
    }

    @Test("no secret is told to the observer")
    func observer() throws {
        let desk = ControlDesk()
        let value = try desk.sandbox(#"{"mcp":{"time":{}}}"#)
        let told = "\(desk.log.events)"
        #expect(told.contains(try value.id))
        #expect(!told.contains(try value.text("mcpToken")))
        #expect(!told.contains(try value.text("envdAccessToken")))
        #expect(!told.contains(ControlDesk.alice))
    }
}
