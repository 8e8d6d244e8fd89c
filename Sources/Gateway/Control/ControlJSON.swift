import Wire

/// How the control API writes and reads its JSON.
extension ControlResponse {
    static func json(
        _ status: Int, _ value: JSONValue, headers: [(String, String)] = []
    ) -> ControlResponse {
        ControlResponse(status: status, headers: headers, body: value.serialized())
    }

    static let noContent = ControlResponse(status: 204, contentType: "")
}

extension JSONObject {
    /// A request's body. An empty one counts as `{}`.
    init(body bytes: [UInt8]) throws(ControlRefusal) {
        guard bytes.count <= ControlLimits.bodyBytes else {
            throw ControlRefusal(
                status: 413,
                message: "The body has \(bytes.count) bytes; the limit is \(ControlLimits.bodyBytes)")
        }
        self.init()
        if bytes.isEmpty { return }
        let value: JSONValue
        do {
            value = try JSONValue.parse(bytes)
        } catch {
            throw .bad("The body is not valid JSON: \(error)")
        }
        guard case .object(let object) = value else {
            throw .bad("The body is \(value.kindName); it must be a JSON object")
        }
        self = object
    }
}
