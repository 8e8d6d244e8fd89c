import Testing
import Wire

@testable import MCP

/// A request as a test writes it: body, headers, revision of the session it names.
struct Probe: Sendable, CustomTestStringConvertible {
    var body: String
    var version: String?
    var method: String?
    var name: String?
    var isAmbiguous = false
    var session: Revision?
    var testDescription: String {
        body.prefix(100) + " V=\(version ?? "-") M=\(method ?? "-") N=\(name ?? "-")"
    }

    func classify() throws -> Classification {
        let message = try Message(body)
        return message.with { envelope, bytes in
            optional(version) { version in
                optional(method) { method in
                    optional(name) { name in
                        Classifier.classify(
                            envelope, bytes,
                            headers: RoutingHeaders(
                                version: version, method: method, name: name, isAmbiguous: isAmbiguous),
                            session: session)
                    }
                }
            }
        }
    }

    private func optional<R>(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> R) -> R {
        guard let text else { return body(nil) }
        return text.raw { body($0) }
    }

    func refusal() throws -> RPCFailure {
        guard case .refuse(let failure) = try classify() else { throw Unexpected(probe: self) }
        return failure
    }
}

struct Unexpected: Error { var probe: Probe }

private let modern = "2026-07-28"
private let caps = #""io.modelcontextprotocol/clientCapabilities":{}"#
private let envelope = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",\#(caps)}"#

private func request(_ method: String, _ params: String = "", meta: String = envelope) -> String {
    #"{"jsonrpc":"2.0","id":7,"method":"\#(method)","params":{\#(params)\#(params.isEmpty ? "" : ",")\#(meta)}}"#
}

private func call(
    _ name: String = "git_log", header: String? = "git_log", version: String? = modern,
    method: String? = "tools/call"
) -> Probe {
    Probe(
        body: request("tools/call", #""name":"\#(name)","arguments":{}"#), version: version, method: method,
        name: header)
}

private func label(_ classification: Classification) -> String {
    switch classification {
    case .legacyInitialize: "legacyInitialize"
    case .legacyRequest(let method): "legacyRequest \(method)"
    case .legacyNotification(let method): "legacyNotification \(method)"
    case .legacyResponse: "legacyResponse"
    case .legacyBatch: "legacyBatch"
    case .modernRequest(let method): "modernRequest \(method)"
    case .modernNotification: "modernNotification"
    case .refuse(let failure): "refuse \(failure.httpStatus) \(failure.code)"
    }
}

private let bare = #"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#
private let initialize =
    #"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}}"#
private let notification = #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#
private let response = #"{"jsonrpc":"2.0","id":"s-7","result":{}}"#

@Test(
    "the era is told from the claim in the body, then from the version header",
    arguments: [
        (Probe(body: bare), "legacyRequest toolsList"),
        (Probe(body: bare, version: "2025-06-18"), "legacyRequest toolsList"),
        (Probe(body: bare, version: modern), "refuse 400 -32602"),
        (Probe(body: bare, version: "nonsense"), "refuse 400 -32602"),
        (Probe(body: bare, version: ""), "refuse 400 -32602"),
        (Probe(body: initialize), "legacyInitialize"),
        (Probe(body: initialize, version: "2025-11-25"), "legacyInitialize"),
        (Probe(body: notification), "legacyNotification initialized"),
        (Probe(body: notification, version: "2025-03-26"), "legacyNotification initialized"),
        (Probe(body: notification, version: modern), "modernNotification"),
        (Probe(body: notification, version: "2027-01-01"), "refuse 400 -32022"),
        (Probe(body: response), "legacyResponse"),
        (Probe(body: response, version: "2025-11-25"), "legacyResponse"),
        (Probe(body: response, version: modern), "refuse 400 -32600"),
        (Probe(body: #"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#), "legacyRequest unknown"),
        (
            Probe(body: request("server/discover"), version: modern, method: "server/discover"),
            "modernRequest discover"
        ),
        (call(), "modernRequest toolsCall"),
    ])
func eras(_ probe: Probe, _ expected: String) throws {
    #expect(label(try probe.classify()) == expected)
}

@Test(
    "the modern ladder refuses in its order",
    arguments: [
        // 3: envelope keys
        (
            Probe(body: request("tools/list", meta: #""_meta":{}"#), version: modern, method: "tools/list"),
            400, -32602
        ),
        (
            Probe(
                body: request(
                    "tools/list", meta: #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#)),
            400, -32602
        ),
        (
            Probe(
                body: request(
                    "tools/list",
                    meta: #""_meta":{"io.modelcontextprotocol/protocolVersion":20260728,\#(caps)}"#),
                version: modern, method: "tools/list"), 400, -32602
        ),
        (
            Probe(
                body: request(
                    "tools/list",
                    meta:
                        ##""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":[]}"##
                ),
                version: modern, method: "tools/list"), 400, -32602
        ),
        (
            Probe(body: #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":[1]}"#, version: modern),
            400, -32602
        ),
        // 4: headers
        (call(version: nil), 400, -32020),
        (call(version: "2025-11-25"), 400, -32020),
        (call(version: "2026-07-29"), 400, -32020),
        (call(method: nil), 400, -32020),
        (call(method: "tools/Call"), 400, -32020),
        (call(method: "TOOLS/CALL"), 400, -32020),
        (call(method: "tools/list"), 400, -32020),
        (call(header: nil), 400, -32020),
        (call(header: ""), 400, -32020),
        (call(header: "git_Log"), 400, -32020),
        (call(header: "other"), 400, -32020),
        // 5: version
        (
            Probe(
                body: request(
                    "tools/list", meta: #""_meta":{"io.modelcontextprotocol/protocolVersion":"v9",\#(caps)}"#),
                version: "v9", method: "tools/list"), 400, -32022
        ),
        (
            Probe(
                body: request(
                    "tools/list",
                    meta: #""_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25",\#(caps)}"#),
                version: "2025-11-25", method: "tools/list"), 400, -32022
        ),
        // 6: methods, the removed ones too
        (Probe(body: request("initialize"), version: modern, method: "initialize"), 404, -32601),
        (Probe(body: request("ping"), version: modern, method: "ping"), 404, -32601),
        (Probe(body: request("logging/setLevel"), version: modern, method: "logging/setLevel"), 404, -32601),
        (
            Probe(body: request("resources/subscribe"), version: modern, method: "resources/subscribe"), 404,
            -32601
        ),
        (
            Probe(body: request("resources/unsubscribe"), version: modern, method: "resources/unsubscribe"),
            404, -32601
        ),
        (
            Probe(
                body: request("notifications/initialized"), version: modern,
                method: "notifications/initialized"), 404, -32601
        ),
        (Probe(body: request("tasks/result"), version: modern, method: "tasks/result"), 404, -32601),
        (Probe(body: request("tasks/list"), version: modern, method: "tasks/list"), 404, -32601),
        (Probe(body: request("no/such"), version: modern, method: "no/such"), 404, -32601),
        // 7: parameters
        (Probe(body: request("tasks/get"), version: modern, method: "tasks/get"), 400, -32602),
        (
            Probe(
                body: request("tasks/update", #""taskId":"t","inputResponses":[]"#), version: modern,
                method: "tasks/update", name: "t"), 400, -32602
        ),
        (
            Probe(
                body: request("tasks/get", #""taskId":"t""#), version: modern, method: "tasks/get",
                name: "u"), 400, -32020
        ),
        (
            Probe(body: request("tasks/get", #""taskId":"t""#), version: modern, method: "tasks/get"),
            400, -32020
        ),
        (Probe(body: request("tools/call"), version: modern, method: "tools/call"), 400, -32602),
        (
            Probe(
                body: request("tools/call", #""name":7"#), version: modern, method: "tools/call", name: "7"),
            400, -32602
        ),
        (
            Probe(
                body: request("tools/call", #""name":"a","arguments":[]"#), version: modern,
                method: "tools/call",
                name: "a"), 400, -32602
        ),
        (Probe(body: request("resources/read"), version: modern, method: "resources/read"), 400, -32602),
        (
            Probe(body: request("tools/list", #""cursor":"""#), version: modern, method: "tools/list"), 400,
            -32602
        ),
        (
            Probe(body: request("tools/list", #""cursor":3"#), version: modern, method: "tools/list"), 400,
            -32602
        ),
        (
            Probe(
                body: request("completion/complete", #""ref":{}"#), version: modern,
                method: "completion/complete"), 400, -32602
        ),
        (
            Probe(body: request("subscriptions/listen"), version: modern, method: "subscriptions/listen"),
            400, -32602
        ),
        (
            Probe(
                body: request(
                    "tools/list",
                    meta:
                        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",\#(caps),"io.modelcontextprotocol/logLevel":"loud"}"#
                ),
                version: modern, method: "tools/list"), 400, -32602
        ),
        (
            Probe(
                body: request(
                    "tools/list",
                    meta:
                        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",\#(caps),"progressToken":1.5}"#
                ),
                version: modern, method: "tools/list"), 400, -32602
        ),
    ])
func ladder(_ probe: Probe, _ status: Int, _ code: Int) throws {
    let failure = try probe.refusal()
    #expect(failure.httpStatus == status)
    #expect(failure.code == code, "\(failure.message)")
}

@Test(
    "a modern request without clientInfo, with a null cursor or null arguments is served",
    arguments: [
        (
            Probe(body: request("tools/list", #""cursor":null"#), version: modern, method: "tools/list"),
            "toolsList"
        ),
        (
            Probe(
                body: request("tools/call", #""name":"a","arguments":null"#), version: modern,
                method: "tools/call",
                name: "a"), "toolsCall"
        ),
        (
            Probe(
                body: request(
                    "prompts/list",
                    meta:
                        #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",\#(caps),"io.modelcontextprotocol/logLevel":"info","progressToken":"p"}"#
                ),
                version: modern, method: "prompts/list"), "promptsList"
        ),
        (
            Probe(
                body: request(
                    "completion/complete",
                    #""ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""}"#),
                version: modern, method: "completion/complete"), "complete"
        ),
        (
            Probe(
                body: request("subscriptions/listen", #""notifications":{}"#), version: modern,
                method: "subscriptions/listen"), "listen"
        ),
    ])
func served(_ probe: Probe, _ method: String) throws {
    #expect(label(try probe.classify()) == "modernRequest \(method)")
}

@Test(
    "Mcp-Name equals the body's name, plain or as canonical base64",
    arguments: [
        (#"git_log"#, "git_log", true), (#"git_log"#, "=?base64?Z2l0X2xvZw==?=", true),
        (#"z\u00fcrich"#, "=?base64?esO8cmljaA==?=", true), ("zürich", "=?base64?esO8cmljaA==?=", true),
        ("zürich", "=?base64?esO8cmljaA?=", false), ("zürich", "=?base64?esO8cmljaB==?=", false),
        ("zürich", "=?BASE64?esO8cmljaA==?=", false), ("zürich", "=?base64?esO8cmljaA==", false),
        ("=?base64?x", "=?base64?x", true), ("a b", "a b", true), (#"a\/b"#, "a/b", true),
        (#"git\u005flog"#, "git_log", true), ("x", "=?base64??=", false), ("", "=?base64??=", true),
        (#" x "#, "=?base64?IHgg?=", true), (#"=?base64?eA==?="#, "=?base64?eA==?=", false),
        (#"=?base64?eA==?="#, "=?base64?PT9iYXNlNjQ/ZUE9PT89?=", true),
    ])
func nameHeader(_ name: String, _ header: String, _ isEqual: Bool) throws {
    let probe = call(name, header: header)
    if isEqual {
        #expect(label(try probe.classify()) == "modernRequest toolsCall")
    } else {
        #expect(try probe.refusal().code == -32020)
    }
}

@Test("resources/read mirrors its URI")
func uriHeader() throws {
    var probe = Probe(
        body: request("resources/read", #""uri":"test://a""#), version: modern, method: "resources/read",
        name: "test://a")
    #expect(label(try probe.classify()) == "modernRequest resourcesRead")
    probe.name = "test://b"
    #expect(try probe.refusal().code == -32020)
}

@Test("a repeated routing header is refused in both eras")
func repeatedHeaders() throws {
    var probe = call()
    probe.isAmbiguous = true
    #expect(try probe.refusal().code == -32020)
    #expect(try Probe(body: bare, isAmbiguous: true).refusal().code == -32600)
    #expect(try Probe(body: "[\(bare)]", isAmbiguous: true, session: .v2025_03_26).refusal().code == -32600)
}

@Test("-32022 names what would do and repeats what was asked")
func versionData() throws {
    let meta = #""_meta":{"io.modelcontextprotocol/protocolVersion":"v\"9",\#(caps)}"#
    let failure = try Probe(body: request("tools/list", meta: meta), version: "v\"9", method: "tools/list")
        .refusal()
    let data = try JSONValue.parse(failure.data)
    #expect(data["supported"] == ["2026-07-28"])
    #expect(data["requested"] == "v\"9")
    let other = try Probe(body: notification, version: "a\u{1}\"b").refusal()
    #expect(try JSONValue.parse(other.data)["requested"]?.stringValue == "a\u{1}\"b")
}

@Test(
    "batches belong to sessions of 2025-03-26 alone",
    arguments: [
        ("[\(bare)]", Revision.v2025_03_26, "legacyBatch"),
        ("[\(bare),\(notification),\(response)]", .v2025_03_26, "legacyBatch"),
        ("[\(bare)]", .v2025_06_18, "refuse 400 -32600"), ("[\(bare)]", .v2024_11_05, "refuse 400 -32600"),
        ("[\(bare)]", nil, "refuse 400 -32600"), ("[]", .v2025_03_26, "refuse 400 -32600"),
        ("[\(initialize)]", .v2025_03_26, "refuse 400 -32600"), ("[1]", .v2025_03_26, "refuse 400 -32600"),
        ("[[\(bare)]]", .v2025_03_26, "refuse 400 -32600"),
        ("[\(request("tools/list"))]", .v2025_03_26, "refuse 400 -32600"),
        (#"[{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]"#, .v2025_03_26, "refuse 400 -32600"),
        (#"[{"id":1,"method":"ping"}]"#, .v2025_03_26, "refuse 400 -32600"),
    ] as [(String, Revision?, String)])
func batches(_ body: String, _ session: Revision?, _ expected: String) throws {
    #expect(label(try Probe(body: body, session: session).classify()) == expected)
}

@Test("a batch with a modern header, or one element over the limit, is refused")
func batchLimits() throws {
    #expect(try Probe(body: "[\(bare)]", version: modern, session: .v2025_03_26).refusal().code == -32600)
    let full = Array(repeating: bare, count: MCPLimits.batchElementsMax)
    let inside = "[" + full.joined(separator: ",") + "]"
    #expect(label(try Probe(body: inside, session: .v2025_03_26).classify()) == "legacyBatch")
    let over = "[" + (full + [bare]).joined(separator: ",") + "]"
    #expect(try Probe(body: over, session: .v2025_03_26).refusal().code == -32600)
}

@Test(
    "what is no JSON-RPC message is -32600 in both eras",
    arguments: [
        "7", #""x""#, "null", "{}", #"{"jsonrpc":"2.0"}"#, #"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
        #"{"id":1,"method":"ping"}"#, #"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        #"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, #"{"jsonrpc":"2.0","id":{},"method":"ping"}"#,
        #"{"jsonrpc":"2.0","id":1,"method":7}"#,
    ])
func malformed(_ body: String) throws {
    for version in [nil, modern] {
        let failure = try Probe(body: body, version: version).refusal()
        #expect(failure.code == -32600)
        #expect(failure.httpStatus == 400)
    }
}

@Test("bodies that cannot be scanned are told apart: bad JSON, duplicate names")
func unscannable() throws {
    #expect(throws: EnvelopeError.self) { try Message("{") }
    do { _ = try Message("{") } catch let error as EnvelopeError {
        #expect(RPCFailure(error).code == -32700)
        #expect(RPCFailure(error).httpStatus == 400)
    }
    do { _ = try Message(#"{"id":1,"i\u0064":2}"#) } catch let error as EnvelopeError {
        #expect(RPCFailure(error).code == -32600)
    }
}

@Test("GET and DELETE with the header of a stateless revision are 405")
func sessionMethods() {
    for (version, status) in [(modern, 405), ("v9", 405), ("2025-11-25", nil), ("2024-11-05", nil)] {
        version.raw {
            #expect(Classifier.refusalWithoutBody(RoutingHeaders(version: $0))?.httpStatus == status)
        }
    }
    #expect(Classifier.refusalWithoutBody(RoutingHeaders()) == nil)
    #expect(Classifier.refusalWithoutBody(RoutingHeaders(isAmbiguous: true))?.httpStatus == 400)
}

@Test(
    "errors are answered under the id of the request, null only when there is none that is legal",
    arguments: [
        (#"{"jsonrpc":"2.0","id":"a\"b","method":"x"}"#, #""a\"b""#), (#"{"id":7}"#, "7"),
        (#"{"id":null}"#, nil),
        (#"{"id":1.5}"#, nil), ("[]", nil), (#"{"method":"x"}"#, nil),
    ] as [(String, String?)])
func replyIDs(_ body: String, _ expected: String?) throws {
    let message = try Message(body)
    let id = message.with { Classifier.replyID($0, $1).map { String(decoding: $0, as: UTF8.self) } }
    #expect(id == expected)
}

@Test(
    "legacy parameters are checked with the same rules, as errors of the method",
    arguments: [
        ("tools/call", #"{"name":"a"}"#, true), ("tools/call", #"{}"#, false),
        ("tools/call", #"{"name":null}"#, false),
        ("logging/setLevel", #"{"level":"debug"}"#, true), ("logging/setLevel", #"{"level":"DEBUG"}"#, false),
        ("logging/setLevel", "{}", false), ("resources/subscribe", #"{"uri":"a://b"}"#, true),
        ("resources/subscribe", "{}", false), ("initialize", #"{"protocolVersion":"x"}"#, true),
        ("initialize", "{}", false),
        ("tools/list", #"{"cursor":"x"}"#, false), ("tools/list", "{}", true), ("ping", "{}", true),
        ("ping", "[]", false),
        ("tools/call", #"{"name":"a","_meta":7}"#, false),
        ("tools/call", #"{"name":"a","_meta":{"progressToken":{}}}"#, false),
        ("tools/call", #"{"name":"a","_meta":{"progressToken":"t"}}"#, true),
    ])
func legacyParameters(_ method: String, _ params: String, _ isLegal: Bool) throws {
    let message = try Message(#"{"jsonrpc":"2.0","id":1,"method":"\#(method)","params":\#(params)}"#)
    let failure = message.with { envelope, body -> RPCFailure? in
        do throws(RPCFailure) {
            try ParameterShape.check(envelope, body, MethodName(envelope, in: body), isModern: false)
            return nil
        } catch { return error }
    }
    #expect((failure == nil) == isLegal)
    if let failure {
        #expect(failure.code == -32602)
        #expect(failure.httpStatus == 200)
    }
}

@Test("every refusal is a JSON-RPC error with code, message and id")
func refusalShape() throws {
    let failures = [
        RPCFailure.sessionRequired, .sessionNotFound, .batchRefused, .http(503, "a \"quoted\" \u{7} reason"),
        .serverFailed("x"), .unknownCursor(isModern: true), "tool\"\n".raw { .unknown("tool", $0) },
        #""a://b""#.raw { .resourceNotFound(uri: $0, isModern: true) },
        String(repeating: "m", count: 5000).raw { .methodNotFound($0, isModern: false) },
    ]
    for failure in failures {
        for id in ["1", #""x""#, nil] {
            let value = try json { sink in
                if let id {
                    id.raw { failure.write(id: $0, into: &sink) }
                } else {
                    failure.write(id: nil, into: &sink)
                }
            }
            #expect(value["jsonrpc"] == "2.0")
            #expect(value["error"]?["code"]?.intValue == failure.code)
            #expect(value["error"]?["message"]?.stringValue == failure.message)
            #expect(value["id"]?.isNull == (id == nil))
            let written = text { sink in
                if let id {
                    id.raw { failure.write(id: $0, into: &sink) }
                } else {
                    failure.write(id: nil, into: &sink)
                }
            }
            let count = id.map { $0.raw { failure.byteCount(id: $0) } } ?? failure.byteCount(id: nil)
            #expect(written.utf8.count == count)
        }
        #expect(failure.message.utf8.count < 400)
    }
    #expect(try JSONValue.parse(failures[7].data)["uri"] == "a://b")
}
