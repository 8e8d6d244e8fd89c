import Wire

/// The control API and the plain-HTTP shims, with what their refusals mean for a person.
struct GatewayClient: Sendable {
    var http: HTTPClient
    var apiKey: String
    /// Where the key came from, for messages; never the key itself.
    var keySource: String

    // MARK: Sandboxes

    func create(_ body: JSONValue) throws -> JSONValue {
        try json(control("POST", "/v2/sandboxes", body))
    }

    /// Every sandbox of the key, page after page.
    func list() throws -> [JSONValue] {
        var sandboxes: [JSONValue] = []
        var token: String?
        repeat {
            let path = "/v2/sandboxes?limit=100" + (token.map { "&nextToken=" + Self.encoded($0) } ?? "")
            let answer = try control("GET", path)
            sandboxes += try json(answer).arrayValue ?? []
            token = answer.field("x-next-token").flatMap { $0.isEmpty ? nil : $0 }
        } while token != nil && sandboxes.count < Self.sandboxesMax
        return sandboxes
    }

    /// Sandboxes that a list reads, so that a gateway whose pages never end does not fill the memory.
    private static let sandboxesMax = 1_000_000

    func show(_ id: String) throws -> JSONValue { try json(control("GET", Self.path(id), of: id)) }

    func kill(_ id: String) throws { _ = try control("DELETE", Self.path(id), of: id) }

    func extend(_ id: String, seconds: Int) throws {
        _ = try control("POST", Self.path(id) + "/timeout", ["timeout": .integer(seconds)], of: id)
    }

    // MARK: Tools

    func tools(_ id: String) throws -> JSONValue {
        try json(shim(id, "list_tools", JSONValue.object(JSONObject())))
    }

    /// The bare result of the tool, which may be a failure of the tool itself.
    func call(_ id: String, _ tool: String, _ arguments: JSONValue) throws -> JSONValue {
        try json(shim(id, "call_tool", ["name": .string(tool), "arguments": arguments]))
    }

    // MARK: Requests

    private func control(
        _ method: String, _ path: String, _ body: JSONValue? = nil, of id: String? = nil
    ) throws -> HTTPAnswer {
        let answer = try http.send(method, path, [("X-API-KEY", apiKey)], body?.serialized() ?? [])
        if (200..<300).contains(answer.status) { return answer }
        throw CommandFailure(refusal(answer, answer.json?["message"]?.stringValue, id))
    }

    private func shim(_ id: String, _ route: String, _ body: JSONValue) throws -> HTTPAnswer {
        let path = "/sandbox/\(Self.encoded(id))/mcp/\(route)"
        let answer = try http.send("POST", path, [("X-API-KEY", apiKey)], body.serialized())
        if answer.status == 200 { return answer }
        if answer.status == 401 {
            throw CommandFailure(
                "there is no sandbox \(id) of this API key (from \(keySource)). "
                    + "See \"mcp-gateway sandbox list\"; a killed or expired one is gone.")
        }
        let error = answer.json?["error"]
        let hint = error?["code"]?.stringValue == "NOT_FOUND" ? " See \"mcp-gateway tools \(id)\"." : ""
        throw CommandFailure(refusal(answer, error?["message"]?.stringValue, nil) + hint)
    }

    private func refusal(_ answer: HTTPAnswer, _ message: String?, _ id: String?) -> String {
        let said = Output.sentence(Output.printable(message ?? "HTTP status \(answer.status)"))
        switch answer.status {
        case 401:
            return "the gateway at \(http.endpoint.url) does not know the API key from \(keySource): \(said)"
        case 404:
            guard let id else { return said }
            return "sandbox \(id): \(said). See \"mcp-gateway sandbox list\"."
        case 429, 503:
            let wait = answer.field("retry-after").map { " Try again in \($0) s." } ?? ""
            return said + wait
        default: return said
        }
    }

    private func json(_ answer: HTTPAnswer) throws -> JSONValue {
        guard let value = answer.json else {
            throw CommandFailure("\(http.endpoint.url) answered something that is not JSON; is it a gateway?")
        }
        return value
    }

    private static func path(_ id: String) -> String { "/sandboxes/" + encoded(id) }

    /// Percent-encodes everything but unreserved characters (RFC 3986 §2.3).
    private static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        return text.utf8.reduce(into: "") { out, byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E:
                out.append(Character(Unicode.Scalar(byte)))
            default: out += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }
}
