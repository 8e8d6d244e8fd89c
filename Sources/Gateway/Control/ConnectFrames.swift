import Wire

/// Server streams of the Connect protocol with the JSON codec: each message is a byte of flags, a big-endian
/// 32-bit length and the message; the last frame has the end-stream flag. The answer is 200 throughout.
enum ConnectFrames {
    static let contentType = "application/connect+json"
    private static let compressed: UInt8 = 1
    private static let endStream: UInt8 = 2
    private static let headBytes = 5

    struct Mistake: Error, Equatable {
        /// One of Connect's error codes.
        let code: String
        let message: String
    }

    /// The message of a request that is one frame.
    static func message(_ body: [UInt8]) throws(Mistake) -> JSONObject {
        guard body.count >= headBytes else {
            throw Mistake(code: "invalid_argument", message: "the request has no whole frame")
        }
        let length = body[1..<headBytes].reduce(0) { $0 << 8 | Int($1) }
        guard body[0] & compressed == 0 else {
            throw Mistake(code: "unimplemented", message: "compressed messages are not offered")
        }
        guard body[0] == 0, length == body.count - headBytes else {
            throw Mistake(
                code: "invalid_argument", message: "the request must be exactly one frame with one message")
        }
        do {
            let value = try JSONValue.parse(Array(body[headBytes...]))
            if case .object(let object) = value { return object }
        } catch {
            throw Mistake(
                code: "invalid_argument",
                message: "the message is not valid JSON: \(error)")
        }
        throw Mistake(code: "invalid_argument", message: "the message must be a JSON object")
    }

    /// A whole answer: each message, then the end of the stream. The SDK wants the content type without a
    /// parameter.
    static func stream(_ messages: [JSONValue], error: Mistake? = nil) -> ControlResponse {
        var body: [UInt8] = []
        for message in messages { append(flags: 0, message, to: &body) }
        var end = JSONObject()
        if let error {
            end["error"] = ["code": .string(error.code), "message": .string(error.message)]
        }
        append(flags: endStream, .object(end), to: &body)
        return ControlResponse(status: 200, contentType: contentType, body: body)
    }

    private static func append(flags: UInt8, _ message: JSONValue, to body: inout [UInt8]) {
        let bytes = message.serialized()
        body.append(flags)
        for shift in [24, 16, 8, 0] { body.append(UInt8(truncatingIfNeeded: bytes.count >> shift)) }
        body += bytes
    }
}
