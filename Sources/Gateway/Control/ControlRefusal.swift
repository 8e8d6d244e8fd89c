/// Why a request of the control API is refused: always `{"code": status, "message": text}`, which the
/// official SDKs parse before anything else (a body without `code` raises a bare KeyError there).
struct ControlRefusal: Error {
    var status: Int
    var message: String
    var headers: [(String, String)] = []

    static func bad(_ message: String) -> ControlRefusal { ControlRefusal(status: 400, message: message) }

    static func notFound(_ message: String) -> ControlRefusal {
        ControlRefusal(status: 404, message: message)
    }

    /// Unknown, ended and other owners' sandboxes answer alike.
    static func noSandbox(_ id: String) -> ControlRefusal {
        let shown = String(decoding: id.utf8.prefix(64), as: UTF8.self)
        return notFound("Sandbox \"\(shown)\" does not exist, has ended, or belongs to another API key")
    }

    static func wrongMethod(_ method: String, allowed: [String]) -> ControlRefusal {
        let shown = String(decoding: method.utf8.prefix(32), as: UTF8.self)
        return ControlRefusal(
            status: 405,
            message: "\(shown) is not allowed here; allowed: \(allowed.joined(separator: ", "))",
            headers: [("Allow", allowed.joined(separator: ", "))])
    }

    static func tooMany(_ message: String, retryAfter seconds: Int) -> ControlRefusal {
        ControlRefusal(status: 429, message: message, headers: [("Retry-After", String(seconds))])
    }

    /// The SDK would repeat a 503 three times; this one is definitive.
    static func unavailable(_ message: String) -> ControlRefusal {
        ControlRefusal(status: 503, message: message, headers: [("Should-Retry", "false")])
    }

    static func unsupported(_ what: String) -> ControlRefusal {
        ControlRefusal(status: 501, message: "\(what) is not offered by this gateway")
    }

    var response: ControlResponse {
        .json(status, ["code": .integer(status), "message": .string(message)], headers: headers)
    }
}
