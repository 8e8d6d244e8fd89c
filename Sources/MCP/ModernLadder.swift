import Wire

/// The checks of a 2026-07-28 request, in the order that clients and the conformance suite expect: envelope
/// keys, headers against the body, version, method, parameters.
enum ModernLadder {
    static func climb(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, _ headers: RoutingHeaders
    ) throws(RPCFailure) -> MethodName {
        try checkEnvelope(envelope, body)
        let method = MethodName(envelope, in: body)
        try checkHeaders(envelope, body, headers, method)
        let claim = envelope.pointee.metaProtocolVersion.of(body)
        guard let inside = claim.insideQuotes, inside.equals(Revision.newest.text) else {
            throw .unsupportedVersion(requested: claim)
        }
        guard method.isModernRequest else {
            throw .methodNotFound(envelope.pointee.method.of(body), isModern: true)
        }
        try ParameterShape.check(envelope, body, method, isModern: true)
        return method
    }

    /// A notification has no envelope to compare with, only the header.
    static func checkVersionHeader(_ headers: RoutingHeaders) throws(RPCFailure) {
        guard let version = headers.version, !version.equals(Revision.newest.text) else { return }
        var requested = ByteCollector()
        JSONText.appendString(version, into: &requested)
        throw requested.bytes.withUnsafeBytes { .unsupportedVersion(requested: $0) }
    }

    private static func checkEnvelope(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer
    ) throws(RPCFailure) {
        guard envelope.pointee.paramsKind == .object, JSONKind(envelope.pointee.meta.of(body)) == .object
        else {
            throw .invalidParams(
                "params._meta is missing: it must hold io.modelcontextprotocol/protocolVersion and "
                    + "io.modelcontextprotocol/clientCapabilities", isModern: true)
        }
        guard JSONKind(envelope.pointee.metaProtocolVersion.of(body)) == .string else {
            throw .invalidParams(
                "params._meta.io.modelcontextprotocol/protocolVersion must be a string", isModern: true)
        }
        guard JSONKind(envelope.pointee.metaClientCapabilities.of(body)) == .object else {
            throw .invalidParams(
                "params._meta.io.modelcontextprotocol/clientCapabilities must be an object", isModern: true)
        }
    }

    private static func checkHeaders(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, _ headers: RoutingHeaders,
        _ method: MethodName
    ) throws(RPCFailure) {
        try check(
            headers.version, "MCP-Protocol-Version",
            envelope.pointee.metaProtocolVersion.of(body).insideQuotes,
            "params._meta.io.modelcontextprotocol/protocolVersion")
        try check(headers.method, "Mcp-Method", envelope.pointee.method.of(body), "method")
        guard method.requiresNameHeader else { return }
        let range: ByteRange
        let member: StaticString
        switch method.target {
        case .uri: (range, member) = (envelope.pointee.uri, "params.uri")
        case .task: (range, member) = (envelope.pointee.taskID, "params.taskId")
        default: (range, member) = (envelope.pointee.name, "params.name")
        }
        // A target that is missing or no string is the parameters' mistake, which is told further up.
        guard let target = range.of(body).insideQuotes else { return }
        try check(headers.name, "Mcp-Name", target, member)
    }

    private static func check(
        _ header: UnsafeRawBufferPointer?, _ name: StaticString, _ text: UnsafeRawBufferPointer?,
        _ member: StaticString
    ) throws(RPCFailure) {
        guard let header else {
            throw .headerMismatch("the header \(name) is missing; it must equal \(member)")
        }
        guard let text else { return }
        switch HeaderValue.compare(header, toJSONText: text) {
        case .equal: return
        case .different: throw .headerMismatch("\(name) does not match \(member)")
        case .malformed: throw .headerMismatch("\(name) is not canonical base64 between =?base64? and ?=")
        }
    }
}
