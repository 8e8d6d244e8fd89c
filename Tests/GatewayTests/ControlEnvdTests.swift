import System
import Testing
import Wire

@testable import Gateway

@Suite struct ControlEnvdTests {
    private static let streaming = "application/connect+json"
    private static let token = "0b7e1c1e-6a52-4f57-9a57-3f6b6f3a2d11"

    /// One frame of a Connect stream: flags, big-endian length, JSON.
    private func frame(_ value: JSONValue, flags: UInt8 = 0) -> [UInt8] {
        let bytes = value.serialized()
        let length = (0..<4).map { UInt8(truncatingIfNeeded: bytes.count >> (24 - 8 * $0)) }
        return [flags] + length + bytes
    }

    private func command(_ text: String, token: String? = Self.token) -> [UInt8] {
        let variables: JSONValue = token.map { ["GATEWAY_ACCESS_TOKEN": .string($0)] } ?? [:]
        return frame([
            "process": ["cmd": "/bin/bash", "args": ["-l", "-c", .string(text)], "envs": variables],
            "stdin": false,
        ])
    }

    /// The messages of a stream's answer; the last one must be the end of the stream.
    private func messages(_ response: ControlResponse) throws -> [JSONValue] {
        #expect(response.status == 200)
        #expect(response.contentType == Self.streaming)
        var messages: [JSONValue] = []
        var rest = response.body[...]
        while !rest.isEmpty {
            try #require(rest.count >= 5)
            let flags = rest[rest.startIndex]
            let length = rest.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(5)
            try #require(rest.count >= length)
            messages.append(try JSONValue.parse(Array(rest.prefix(length))))
            rest = rest.dropFirst(length)
            #expect(flags == (rest.isEmpty ? 2 : 0))
        }
        return messages
    }

    /// The exit code and standard error of a command's answer.
    private func outcome(_ response: ControlResponse) throws -> (code: Int, stderr: String) {
        let messages = try messages(response)
        try #require(messages.count >= 3)
        #expect((messages[0]["event"]?["start"]?["pid"]?.intValue ?? 0) > 0)
        #expect(messages.last == [:])
        let end = try #require(messages[messages.count - 2]["event"]?["end"])
        #expect(end["exited"] == true)
        let stderr = messages.compactMap { $0["event"]?["data"]?["stderr"]?.stringValue }.map(decoded)
            .joined()
        return (try #require(end["exitCode"]?.intValue), stderr)
    }

    private func decoded(_ base64: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var bits = 0
        var value = 0
        var bytes: [UInt8] = []
        for character in base64 where character != "=" {
            value = (value << 6 | (alphabet.firstIndex(of: character) ?? 0)) & 0xFFFF
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: value >> bits))
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func start(_ desk: ControlDesk, _ sandbox: JSONValue, _ body: [UInt8]) throws -> ExchangeID {
        desk.sendEnvd(
            "POST", "/process.Process/Start", sandbox: try sandbox.id,
            token: try sandbox.text("envdAccessToken"),
            contentType: Self.streaming, body)
    }

    // MARK: Reaching a sandbox

    @Test("a live sandbox is healthy without a token, a dead one is not found, in E2B's words")
    func health() throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        #expect(try desk.answer(desk.sendEnvd("GET", "/health", sandbox: id, token: nil)).status == 204)
        desk.send("DELETE", "/sandboxes/\(id)")
        for path in ["/health", "/files", "/process.Process/Start", "/anything"] {
            let dead = try desk.answer(desk.sendEnvd("POST", path, sandbox: id, token: nil))
            #expect(dead.status == 502)
            #expect(
                try dead.value == [
                    "sandboxId": .string(id), "message": "The sandbox was not found", "code": 502,
                ])
        }
    }

    @Test("a port that nothing serves is told apart from a dead sandbox", arguments: ["49999", "80"])
    func closedPort(port: String) throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        let response = try desk.answer(desk.sendEnvd("GET", "/health", sandbox: id, port: port, token: nil))
        #expect(response.status == 502)
        #expect(try response.value.text("message").contains("port is not open"))
    }

    @Test("a port that is none is refused", arguments: [nil, "", "x", "0", "65536", "-1"])
    func wrongPort(port: String?) throws {
        let desk = ControlDesk()
        let id = try desk.sandbox().id
        _ = try desk.answer(desk.sendEnvd("GET", "/health", sandbox: id, port: port, token: nil))
            .message(status: 400)
    }

    @Test("a missing, wrong or foreign access token is refused")
    func accessToken() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox(#"{"mcp":{"time":{}}}"#)
        let foreign = try desk.sandbox(key: ControlDesk.bob).text("envdAccessToken")
        for token in [nil, "", "x", foreign, try sandbox.text("mcpToken"), ControlDesk.alice] {
            let file = desk.sendEnvd(
                "GET", "/files", sandbox: try sandbox.id, query: "path=/etc/mcp-gateway/.token", token: token)
            _ = try desk.answer(file).message(status: 401)
            let command = desk.sendEnvd(
                "POST", "/process.Process/Start", sandbox: try sandbox.id, token: token,
                contentType: Self.streaming, command("mcp-gateway --config '{}'"))
            _ = try desk.answer(command).message(status: 401)
        }
        #expect(desk.plane.tokens.isEmpty)
    }

    // MARK: The token file

    @Test("the token file holds the token and nothing else")
    func tokenFile() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox(#"{"mcp":{"time":{}}}"#)
        let response = try desk.answer(
            desk.sendEnvd(
                "GET", "/files", sandbox: try sandbox.id,
                query: "path=%2Fetc%2Fmcp-gateway%2F.token&username=root",
                token: try sandbox.text("envdAccessToken")))
        #expect(response.status == 200)
        #expect(response.contentType == "application/octet-stream")
        #expect(response.body == Array(try sandbox.text("mcpToken").utf8))
    }

    @Test("other files, and the token file of a sandbox without servers, do not exist")
    func otherFiles() throws {
        let desk = ControlDesk()
        let plain = try desk.sandbox()
        let served = try desk.sandbox(#"{"mcp":{}}"#)
        func get(_ sandbox: JSONValue, _ method: String, _ query: String) throws -> ControlResponse {
            try desk.answer(
                desk.sendEnvd(
                    method, "/files", sandbox: try sandbox.id, query: query,
                    token: try sandbox.text("envdAccessToken")))
        }
        _ = try get(plain, "GET", "path=/etc/mcp-gateway/.token").message(status: 404)
        _ = try get(served, "GET", "path=/etc/passwd").message(status: 404)
        _ = try get(served, "GET", "path=/etc/mcp-gateway/../mcp-gateway/.token").message(status: 404)
        _ = try get(served, "GET", "").message(status: 400)
        _ = try get(served, "POST", "path=/x").message(status: 501)
        _ = try get(served, "DELETE", "path=/x").message(status: 405)
    }

    // MARK: The start command

    @Test("the SDK's command sets its token and keeps the servers that the create has started")
    func gateway() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox(#"{"mcp": {"time": {}}}"#)
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"time": {}}'"#))
        #expect(try outcome(desk.answer(exchange)).code == 0)
        #expect(desk.plane.replacedCount == 0)
        #expect(desk.plane.tokens.map(\.digest) == [Secret.digest(Self.token)])
        let connected = try desk.call("POST", "/v2/sandboxes/\(try sandbox.id)/connect", "{}").value
        #expect(try connected.text("mcpToken") == Self.token)
    }

    @Test("another configuration than the create's replaces the servers, and the command waits for them")
    func otherConfiguration() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"time":{}}'"#))
        #expect(!desk.isAnswered(exchange))
        desk.step(seconds: 44)
        #expect(!desk.isAnswered(exchange))
        desk.replacedReady(0)
        #expect(try outcome(desk.answer(exchange)).code == 0)
        // The same again finds it running.
        let again = try start(desk, sandbox, command(#"mcp-gateway --config '{"time":{}}'"#))
        #expect(try outcome(desk.answer(again)).code == 0)
        #expect(desk.plane.replacedCount == 1)
    }

    @Test("the command is acknowledged after 45 s, though servers still start")
    func slowStart() throws {
        let desk = ControlDesk()
        let create = desk.send("POST", "/v2/sandboxes", #"{"mcp":{"time":{}}}"#)
        desk.step(seconds: 20)
        let sandbox = try desk.answer(create).value
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"time":{}}'"#))
        desk.step(seconds: 44)
        #expect(!desk.isAnswered(exchange))
        desk.step(seconds: 1)
        #expect(try outcome(desk.answer(exchange)).code == 0)
    }

    @Test("a wrong configuration ends the command with 1 and names server and property")
    func wrongConfiguration() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox(#"{"mcp":{"time":{}}}"#)
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"git":{"bad":1}}'"#))
        let (code, stderr) = try outcome(desk.answer(exchange))
        #expect(code == 1)
        #expect(stderr.contains("git.bad"))
        #expect(desk.plane.replacedCount == 0 && desk.plane.tokens.isEmpty)
    }

    @Test(
        "an unusable token ends the command with 1 and changes nothing",
        arguments: ["", "short", "a b\nc, a long one"])
    func unusableToken(token: String) throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"time":{}}'"#, token: token))
        let (code, stderr) = try outcome(desk.answer(exchange))
        #expect(code == 1)
        #expect(stderr.contains("GATEWAY_ACCESS_TOKEN"))
        #expect(desk.plane.replacedCount == 0 && desk.plane.tokens.isEmpty)
    }

    @Test("without a token in its environment the command leaves the sandbox's own")
    func noToken() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox(#"{"mcp":{}}"#)
        let exchange = try start(desk, sandbox, command("mcp-gateway --config '{}'", token: nil))
        #expect(try outcome(desk.answer(exchange)).code == 0)
        #expect(desk.plane.tokens.isEmpty)
    }

    @Test(
        "a command line is read as a shell would, without a shell",
        arguments: [
            (#"mcp-gateway --config '{"time":{}}'"#, 0),
            (#"  mcp-gateway   --config  '{"time":{}}'  "#, 0),
            (#"mcp-gateway --config "{\"time\":{}}""#, 0),
            (#"mcp-gateway --config {\"time\":\{\}}"#, 0),
            (#"mcp-gateway --config '{"time":{"a":"it'"'"'s"}}'"#, 0),
            (#"mcp-gateway --config '{"time":{"a":"it'\''s"}}'"#, 0),
            // Older SDKs did not escape: one quote, two, and two with a blank between.
            (#"mcp-gateway --config '{"time":{"a":"it's"}}'"#, 0),
            (#"mcp-gateway --config '{"time":{"a":"x'y'z"}}'"#, 0),
            (#"mcp-gateway --config '{"time":{"a":"a'b c'd; rm -rf /"}}'"#, 0),
            (#"mcp-gateway --config '{"time":{"a":"$(id) `id` | & ;"}}'"#, 0),
            (#"mcp-gateway --config 'null'"#, 1), (#"mcp-gateway --config '[]'"#, 1),
            (#"mcp-gateway --config '{"time":'"#, 64), ("mcp-gateway", 64), ("mcp-gateway --config", 64),
            ("mcp-gateway pull time", 64), (#"mcp-gateway --config '{}' '{}'"#, 64),
            (#"mcp-gateway --config '{}'; id"#, 64), (#"mcp-gateway --config "$(id)""#, 64),
            ("mcp-gateway --config {} && id", 64), ("mcp-gateway --config '{}' > /tmp/x", 64),
            ("echo hello", 127), ("", 127), ("id; mcp-gateway --config '{}'", 127),
            ("mcp-gatewayx --config '{}'", 127), ("./mcp-gateway --config '{}'", 127),
        ])
    func commandLines(text: String, expected: Int) throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let exchange = try start(desk, sandbox, command(text))
        if desk.plane.replacedCount > 0 { desk.replacedReady(0) }
        let (code, stderr) = try outcome(desk.answer(exchange))
        #expect(code == expected)
        #expect(stderr.isEmpty == (expected == 0))
        #expect(desk.plane.tokens.count == (expected == 0 ? 1 : 0))
    }

    @Test("any other command says that commands are not offered")
    func otherCommand() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let (code, stderr) = try outcome(desk.answer(start(desk, sandbox, command("python3 -c 'print(1)'"))))
        #expect(code == 127)
        #expect(stderr.contains("not offered"))
        #expect(stderr.contains(try sandbox.text("mcpUrl")))
        let direct = try start(desk, sandbox, frame(["process": ["cmd": "ls", "args": ["-l"]]]))
        #expect(try outcome(desk.answer(direct)).code == 127)
    }

    @Test("a sandbox that ends while its command waits answers as a dead one")
    func endWhileStarting() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let exchange = try start(desk, sandbox, command(#"mcp-gateway --config '{"time":{}}'"#))
        desk.send("DELETE", "/sandboxes/\(try sandbox.id)")
        #expect(try desk.answer(exchange).status == 502)
    }

    // MARK: Hostile streams

    @Test("a broken frame or message ends the stream with a Connect error")
    func brokenFrames() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        let good = command("mcp-gateway --config '{}'")
        let broken: [([UInt8], String)] = [
            ([], "invalid_argument"), ([0, 0, 0], "invalid_argument"),
            (Array(good.dropLast()), "invalid_argument"),
            (good + [0], "invalid_argument"), (good + good, "invalid_argument"),
            ([0, 0xFF, 0xFF, 0xFF, 0xFF], "invalid_argument"), (frame([:], flags: 1), "unimplemented"),
            (frame([:], flags: 2), "invalid_argument"), (frame([]), "invalid_argument"),
            (frame([:]), "invalid_argument"), ([0, 0, 0, 0, 1, 0x7B], "invalid_argument"),
            (frame(["process": ["cmd": 7]]), "invalid_argument"),
            (frame(["process": ["cmd": "bash", "args": [7]]]), "invalid_argument"),
            (frame(["process": "bash"]), "invalid_argument"),
            ([UInt8](repeating: 0x20, count: ControlLimits.bodyBytes + 1), "resource_exhausted"),
        ]
        for (body, code) in broken {
            let messages = try messages(desk.answer(start(desk, sandbox, body)))
            #expect(messages.count == 1)
            #expect(messages.first?["error"]?["code"] == .string(code))
        }
        #expect(desk.plane.replacedCount == 0)
    }

    @Test("calls that are not offered answer in Connect's form, for streams and for single messages")
    func notOffered() throws {
        let desk = ControlDesk()
        let sandbox = try desk.sandbox()
        func call(_ method: String, _ path: String, _ type: String) throws -> ControlResponse {
            try desk.answer(
                desk.sendEnvd(
                    method, path, sandbox: try sandbox.id, token: try sandbox.text("envdAccessToken"),
                    contentType: type, Array("{}".utf8)))
        }
        let single = try call("POST", "/process.Process/List", "application/json")
        #expect(single.status == 501)
        #expect(try single.value["code"] == "unimplemented")
        #expect(try call("POST", "/filesystem.Filesystem/Stat", "application/json").status == 501)
        let stream = try messages(call("POST", "/process.Process/Connect", Self.streaming))
        #expect(stream.first?["error"]?["code"] == "unimplemented")
        _ = try call("POST", "/process.Process/Start", "application/json").message(status: 415)
        _ = try call("POST", "/process.Process/Start", "application/connect+proto").message(status: 415)
        _ = try call("GET", "/process.Process/Start", Self.streaming).message(status: 405)
        for path in ["/init", "/freeze", "/envs", "/", "/metrics"] {
            _ = try call("POST", path, "application/json").message(status: 404)
        }
    }
}
