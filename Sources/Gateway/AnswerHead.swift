import System
import Wire

/// Status and header lines of an answer. `lines` holds complete further lines, each with its CRLF.
struct AnswerHead: Sendable {
    static let json: StaticString = "application/json"
    static let eventStream: StaticString = "text/event-stream"

    var status: Int
    var contentType: StaticString?
    var lines: [UInt8] = []

    /// 200 with a JSON body: the answer of the call path.
    static let ok = AnswerHead(status: 200, contentType: json)
    /// 202 without a body: a notification or response was taken.
    static let accepted = AnswerHead(status: 202, contentType: nil)
    /// 200 that opens an event stream. The two lines keep proxies from collecting it.
    static let stream = AnswerHead(
        status: 200, contentType: eventStream,
        lines: Array("Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n".utf8))

    init(status: Int, contentType: StaticString?, lines: [UInt8] = []) {
        self.status = status
        self.contentType = contentType
        self.lines = lines
    }

    /// Adds a header line. `value` is ours or was checked: no CR or LF can be in it.
    func with(_ name: String, _ value: String) -> AnswerHead {
        var copy = self
        copy.lines += Array("\(name): ".utf8) + value.utf8.filter { $0 != 13 && $0 != 10 } + [13, 10]
        return copy
    }
}

/// Bodies of errors outside MCP.
enum ErrorBody {
    /// E2B's form: `{"code": 404, "message": "…"}`.
    static func control(status: Int, message: String) -> [UInt8] {
        JSONValue.object(["code": .integer(status), "message": .string(message)]).serialized()
    }

    /// The form of the plain-HTTP shims.
    static func rest(_ code: RESTCode, _ message: String, details: JSONObject = [:]) -> [UInt8] {
        JSONValue.object([
            "error": .object([
                "code": .string(code.rawValue), "message": .string(message), "details": .object(details),
            ])
        ]).serialized()
    }
}

/// Error codes of `/list_tools` and `/call_tool` and the statuses that go with them.
enum RESTCode: String {
    case invalidArgument = "INVALID_ARGUMENT"
    case unauthorized = "UNAUTHORIZED"
    case notFound = "NOT_FOUND"
    case rateLimit = "RATE_LIMIT"
    case timeout = "TIMEOUT"
    case serverUnavailable = "SERVER_UNAVAILABLE"
    case `internal` = "INTERNAL"

    var status: Int {
        switch self {
        case .invalidArgument: 400
        case .unauthorized: 401
        case .notFound: 404
        case .rateLimit: 429
        case .timeout: 504
        case .serverUnavailable: 503
        case .internal: 500
        }
    }
}
