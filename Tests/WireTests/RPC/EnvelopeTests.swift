import Testing
import Wire

/// What became of a text: the kind of its message, or why it was refused.
private func outcome(_ text: String) -> String {
    withBytes(text) { bytes in
        do throws(EnvelopeError) {
            let envelope = try Envelope.scan(bytes)
            return "\(envelope.kind)"
        } catch {
            switch error {
            case .syntax: return "syntax"
            case .duplicateKey(let key): return "duplicate " + String(decoding: key.of(bytes), as: UTF8.self)
            case .tooManyMembers: return "too many"
            }
        }
    }
}

private func scan(_ text: String, _ check: (Envelope, (ByteRange) -> String) throws -> Void) throws {
    try withBytes(text) { bytes in
        try check(Envelope.scan(bytes)) { String(decoding: $0.of(bytes), as: UTF8.self) }
    }
}

private func repeated(_ count: Int, _ member: (Int) -> String) -> String {
    (0..<count).map(member).joined(separator: ",")
}

@Suite struct EnvelopeTests {
    static let kinds: [(String, String)] = [
        (#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request"),
        (#"{"jsonrpc":"2.0","id":"a","method":"ping","params":[]}"#, "request"),
        (#"{"jsonrpc":"2.0","id":"","method":""}"#, "request"),
        (#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#, "request"),
        (#"{"method":"x"}"#, "notification"),
        (#"{"id":1,"result":null}"#, "response"),
        (#"{"id":1,"result":{}}"#, "response"),
        (#"{"id":1,"error":{"code":1}}"#, "failure"),
        (#"{"id":null,"error":{}}"#, "failure"),
        (#"{"error":{}}"#, "failure"),
        (#"[{"method":"x"}]"#, "batch"),
        ("[1]", "batch"),
        (" [ ] ", "invalid(Wire.Envelope.Fault.emptyBatch)"),
        ("1", "invalid(Wire.Envelope.Fault.notAnObject)"),
        (#""{}""#, "invalid(Wire.Envelope.Fault.notAnObject)"),
        ("null", "invalid(Wire.Envelope.Fault.notAnObject)"),
        ("{}", "invalid(Wire.Envelope.Fault.noMethod)"),
        (#"{"id":1}"#, "invalid(Wire.Envelope.Fault.noMethod)"),
        (#"{"id":1,"method":1}"#, "invalid(Wire.Envelope.Fault.methodNotString)"),
        (#"{"id":1,"method":null}"#, "invalid(Wire.Envelope.Fault.methodNotString)"),
        (#"{"id":1.5,"method":"x"}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":1e3,"method":"x"}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":null,"method":"x"}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":true,"method":"x"}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":[],"method":"x"}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":{},"result":{}}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"id":null,"result":{}}"#, "invalid(Wire.Envelope.Fault.badID)"),
        (#"{"result":{}}"#, "invalid(Wire.Envelope.Fault.noID)"),
        (#"{"id":1,"method":"x","result":{}}"#, "invalid(Wire.Envelope.Fault.ambiguous)"),
        (#"{"id":1,"error":{},"result":{}}"#, "invalid(Wire.Envelope.Fault.ambiguous)"),
        (#"{"id":1,"error":{},"method":"x"}"#, "invalid(Wire.Envelope.Fault.ambiguous)"),
        (#"{"id":1,"error":"no"}"#, "invalid(Wire.Envelope.Fault.errorNotObject)"),
        (#"{"id":1,"error":null}"#, "invalid(Wire.Envelope.Fault.errorNotObject)"),
        // Escapes in names mean their characters.
        (#"{"\u0069d":1,"m\u0065thod":"x"}"#, "request"),
        (#"{"ID":1,"method":"x"}"#, "notification"),
    ]

    @Test("a message is what its members say", arguments: kinds)
    func tellsKinds(_ text: String, _ kind: String) {
        #expect(outcome(text) == kind)
    }

    static let refused: [(String, String)] = [
        ("", "syntax"), (" ", "syntax"), ("{", "syntax"), (#"{"id":1,}"#, "syntax"),
        (#"{"id":1}x"#, "syntax"),
        (#"{"params":{"a":01}}"#, "syntax"), ("{\"params\":{\"a\":\"\u{1}\"}}", "syntax"),
        (#"{"result":{"content":[{]}}"#, "syntax"),
        (#"{"id":1,"id":1}"#, "duplicate id"),
        (#"{"id":1,"\u0069\u0064":2}"#, #"duplicate \u0069\u0064"#),
        (#"{"x":1,"y":2,"x":3}"#, "duplicate x"),
        (#"{"x":1,"\u0078":2}"#, #"duplicate \u0078"#),
        (#"{"params":{"name":"a","name":"b"}}"#, "duplicate name"),
        (#"{"params":{"n":1,"m":{},"n":1}}"#, "duplicate n"),
        (#"{"params":{"_meta":{"k":1,"k":1}}}"#, "duplicate k"),
        (#"{"params":{"_meta":{"progressToken":1,"progressToken":2}}}"#, "duplicate progressToken"),
        (#"{"params":{"_meta":{},"_meta":{}}}"#, "duplicate _meta"),
        (#"{"id":1,"result":{"_meta":1,"_meta":2}}"#, "duplicate _meta"),
        (#"{"id":1,"error":{"code":1,"code":2}}"#, "duplicate code"),
        ("{\(repeated(65) { "\"k\($0)\":1" })}", "too many"),
        ("{\"params\":{\(repeated(65) { "\"k\($0)\":1" })}}", "too many"),
        ("{\"a\":1,\"params\":{\(repeated(64) { "\"k\($0)\":1" })}}", "too many"),
    ]

    @Test("what two readers could read differently is refused", arguments: refused)
    func refuses(_ text: String, _ reason: String) {
        #expect(outcome(text) == reason)
    }

    static let tolerated: [String] = [
        // The same name at another level.
        #"{"id":1,"method":"x","params":{"id":2,"method":"y","_meta":{"id":3,"name":"z"},"name":"n"}}"#,
        // Nothing in here is read by the gateway.
        #"{"id":1,"method":"x","params":{"arguments":{"a":1,"a":2}}}"#,
        #"{"id":1,"method":"x","z":{"id":2,"id":3}}"#,
        "{\"id\":1,\"method\":\"x\",\(repeated(64) { "\"k\($0)\":1" })}",
        "{\"id\":1,\"method\":\"x\",\"params\":{\(repeated(64) { "\"k\($0)\":1" })}}",
        // A level that ends gives its names back.
        "{\"id\":1,\"method\":\"x\",\"params\":{\"_meta\":{\(repeated(60) { "\"k\($0)\":1" })},\(repeated(60) { "\"k\($0)\":1" })}}",
    ]

    @Test("what means one thing is taken", arguments: tolerated)
    func takes(_ text: String) {
        #expect(outcome(text) == "request")
    }

    @Test("names of a result that the gateway does not read may come twice, and be many")
    func freeResults() {
        #expect(outcome(#"{"id":1,"result":{"a":1,"a":2}}"#) == "response")
        #expect(outcome("{\"id\":1,\"result\":{\(repeated(500) { "\"k\($0)\":1" })}}") == "response")
    }

    @Test("sixty-four levels are taken, one more is refused, at each place")
    func depth() {
        func nested(_ count: Int) -> String {
            String(repeating: "[", count: count) + String(repeating: "]", count: count)
        }
        let places: [(before: String, after: String, depth: Int)] = [
            (#"{"id":1,"method":"x","params":"#, "}", 1), (#"{"id":1,"method":"x","params":{"a":"#, "}}", 2),
            (#"{"id":1,"method":"x","params":{"_meta":{"a":"#, "}}}", 3), (#"{"id":1,"result":"#, "}", 1),
            (#"{"id":1,"result":{"a":"#, "}}", 2), (#"{"id":1,"method":"x","a":"#, "}", 1), ("[", "]", 1),
        ]
        for place in places {
            let most = WireLimits.jsonDepthMax - place.depth
            #expect(outcome(place.before + nested(most) + place.after) != "syntax", "\(place.before)")
            #expect(outcome(place.before + nested(most + 1) + place.after) == "syntax", "\(place.before)")
        }
    }

    @Test("an id of 1024 bytes is taken, a longer one is not")
    func longIDs() {
        let digits = String(repeating: "1", count: 1024)
        #expect(outcome("{\"id\":\(digits),\"method\":\"x\"}") == "request")
        #expect(outcome("{\"id\":1\(digits),\"method\":\"x\"}") == "invalid(Wire.Envelope.Fault.badID)")
        let text = String(repeating: "a", count: 1022)
        #expect(outcome("{\"id\":\"\(text)\",\"method\":\"x\"}") == "request")
        #expect(outcome("{\"id\":\"a\(text)\",\"method\":\"x\"}") == "invalid(Wire.Envelope.Fault.badID)")
    }

    @Test("a request's parts are found where they stand, byte for byte")
    func requestRanges() throws {
        let text = """
             { "jsonrpc" : "2.0" , "id" : "a\\u0062" , "method" : "tools\\/call", "x": [1], "params" : { "name" : "é" ,\
            "arguments":{"_meta":1,"name":2} , "uri":"u","cursor":"c","requestId":7,"progressToken":"p",\
            "ref":{"type":"t"},"level":"info","protocolVersion":"v","capabilities":{},"clientInfo":{"a":1},\
            "inputResponses":[],"requestState":"s","argument":{},"notifications":{},"taskId":"k",\
            "_meta":{"progressToken":5,"io.modelcontextprotocol/protocolVersion":"2026-07-28",\
            "io.modelcontextprotocol/clientCapabilities":{ },"io.modelcontextprotocol/clientInfo":{"n":[]},\
            "io.modelcontextprotocol/logLevel":"debug","io.modelcontextprotocol/subscriptionId":"q","z":0} } }
            """
        try scan(text) { message, of in
            #expect(message.kind == .request && message.jsonrpcIsTwo && !message.hasLineBreaks)
            #expect(of(message.id) == #""a\u0062""# && message.idKind == .string)
            #expect(of(message.method) == #"tools\/call"# && message.methodHasEscapes)
            #expect(message.paramsKind == .object && of(message.params).hasSuffix(#""z":0} }"#))
            let found = [
                message.name, message.arguments, message.uri, message.cursor, message.requestID,
                message.paramsProgressToken, message.ref, message.level, message.protocolVersion,
                message.capabilities, message.clientInfo, message.inputResponses, message.requestState,
                message.argument, message.notifications, message.taskID, message.metaProgressToken,
                message.metaProtocolVersion, message.metaClientCapabilities, message.metaClientInfo,
                message.metaLogLevel, message.metaSubscriptionID,
            ].map(of)
            #expect(
                found == [
                    "\"é\"", #"{"_meta":1,"name":2}"#, "\"u\"", "\"c\"", "7", "\"p\"", #"{"type":"t"}"#,
                    "\"info\"",
                    "\"v\"", "{}", #"{"a":1}"#, "[]", "\"s\"", "{}", "{}", "\"k\"", "5", "\"2026-07-28\"",
                    "{ }",
                    #"{"n":[]}"#, "\"debug\"", "\"q\"",
                ])
            #expect(of(message.meta).hasPrefix(#"{"progressToken":5"#))
            #expect(!message.result.isPresent && !message.error.isPresent)
        }
    }

    @Test("an answer's parts are found where they stand")
    func answerRanges() throws {
        try scan(
            #"{"id":12,"result": {"content":[{"type":"text"}],"resultType":"complete","_meta":{},"ttlMs":5,"cacheScope":"private","inputRequests":[1],"requestState":"s","nextCursor":"n"}}"#
        ) { message, of in
            #expect(message.kind == .response && of(message.id) == "12" && message.idKind == .integer)
            #expect(message.resultIsObject && !message.resultIsEmptyObject && message.resultObjectStart == 20)
            let found = [
                message.resultType, message.resultMeta, message.resultTTL, message.resultCacheScope,
                message.resultInputRequests, message.resultRequestState, message.resultNextCursor,
            ].map(of)
            #expect(found == ["\"complete\"", "{}", "5", "\"private\"", "[1]", "\"s\"", "\"n\""])
        }
        try scan(#"{"id":1,"result":{ }}"#) { message, _ in
            #expect(message.resultIsObject && message.resultIsEmptyObject && message.resultObjectStart == 18)
        }
        try scan(#"{"id":1,"result":[{}]}"#) { message, of in
            #expect(!message.resultIsObject && of(message.result) == "[{}]")
        }
        try scan(#"{"id":1,"error":{"code":-32601,"message":"m","data":{"d":1}}}"#) { message, of in
            #expect(message.errorCode == -32601 && of(message.errorMessage) == "\"m\"")
            #expect(of(message.errorData) == #"{"d":1}"# && of(message.error).hasPrefix(#"{"code""#))
        }
    }

    @Test(
        "an error's code is an integer of 64 bits or none",
        arguments: [
            ("0", 0), ("-0", 0), ("9223372036854775807", Int.max), ("-9223372036854775808", Int.min),
            ("9223372036854775808", nil), ("-9223372036854775809", nil), ("1.0", nil), ("1e2", nil),
            ("\"1\"", nil), ("null", nil), ("[1]", nil),
        ] as [(String, Int?)])
    func codes(_ raw: String, _ code: Int?) throws {
        try scan("{\"id\":1,\"error\":{\"code\":\(raw)}}") { message, _ in #expect(message.errorCode == code)
        }
    }

    @Test("line breaks between tokens are noticed, those of strings are escapes")
    func lineBreaks() throws {
        for text in [
            "{\"method\":\n\"x\"}", "\r{\"method\":\"x\"}", "{\"method\":\"x\"}\n",
            "{\"method\":\"x\",\"a\":[1,\n2]}",
        ] {
            try scan(text) { message, _ in #expect(message.hasLineBreaks) }
        }
        try scan(#"{"method":"x","a":"\n\r"}"#) { message, _ in #expect(!message.hasLineBreaks) }
    }

    @Test("only exactly \"2.0\" is the version")
    func versions() throws {
        for (raw, isTwo) in [
            ("\"2.0\"", true), ("2.0", false), ("\"2.0 \"", false), (#""2\u002e0""#, false), ("null", false),
        ] {
            try scan("{\"jsonrpc\":\(raw),\"method\":\"x\"}") { message, _ in
                #expect(message.jsonrpcIsTwo == isTwo)
            }
        }
    }

    @Test("params of any kind are told apart")
    func paramsKinds() throws {
        let raws: [(String, Envelope.ParamsKind)] = [
            ("{}", .object), ("[]", .array), ("null", .other), ("1", .other),
        ]
        for (raw, kind) in raws {
            try scan("{\"method\":\"x\",\"params\":\(raw)}") { message, of in
                #expect(message.paramsKind == kind && of(message.params) == raw)
            }
        }
        try scan(#"{"method":"x"}"#) { message, _ in #expect(message.paramsKind == .none) }
        try scan(#"{"method":"x","params":{"_meta":[1]}}"#) { message, of in
            #expect(of(message.meta) == "[1]")
        }
    }

    @Test("memory that held another message tells nothing of it")
    func reused() throws {
        var envelope = Envelope()
        try withBytes(#"{"id":1,"method":"x","params":{"name":"n","_meta":{"progressToken":1}}}"#) {
            try Envelope.scan($0, into: &envelope)
        }
        try withBytes(#"{"id":2,"result":{}}"#) { try Envelope.scan($0, into: &envelope) }
        #expect(envelope.kind == .response && !envelope.method.isPresent && !envelope.name.isPresent)
        #expect(!envelope.metaProgressToken.isPresent && envelope.paramsKind == .none)
    }

    @Test(
        "seeded variations never lead out of the text, and what is found is JSON",
        arguments: [41, 42, 43] as [UInt64])
    func mutations(_ seed: UInt64) {
        var random = Random64(state: seed)
        let seeds = [
            #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"xé"},"_meta":{"progressToken":"t"}}}"#,
            #"{"jsonrpc":"2.0","id":"a","result":{"content":[{"type":"text","text":"y"}],"isError":false}}"#,
            #"{"id":null,"error":{"code":-32600,"message":"m","data":[1,{"a":null}]}}"#,
            #"[{"method":"a"},{"id":1,"method":"b"}]"#,
        ].map { Array($0.utf8) }
        let spice = [
            "\"", "\\", "{", "}", "[", "]", ",", ":", "\"id\":1,", "\"_meta\":{}", "\\u0069", "\n", "1e",
        ]
        .map { Array($0.utf8) }
        for _ in 0..<5000 {
            let text = mutated(seeds.randomElement(using: &random) ?? [], &random, spice: spice)
            withExactBytes(text) { bytes in
                do throws(EnvelopeError) {
                    let found = try Envelope.scan(bytes)
                    #expect(ReferenceJSON.accepts(text), "seed \(seed): \(text)")
                    for range in [
                        found.id, found.params, found.name, found.arguments, found.meta, found.result,
                        found.error, found.metaProgressToken, found.errorMessage, found.errorData,
                    ]
                    where range.isPresent {
                        #expect(range.end <= text.count)
                        #expect(ReferenceJSON.accepts(Array(range.of(bytes))), "seed \(seed): \(text)")
                    }
                } catch {
                    if case .syntax = error { #expect(!ReferenceJSON.accepts(text), "seed \(seed): \(text)") }
                    #expect(error.offset <= text.count)
                }
            }
        }
    }
}
