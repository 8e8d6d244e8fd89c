import Wire

/// What a message on the MCP endpoint is, and for which of the two eras.
public enum Classification {
    case legacyInitialize
    case legacyRequest(MethodName)
    case legacyNotification(MethodName)
    /// The answer of a client to something that was asked of it.
    case legacyResponse
    /// Every element is a well-formed legacy message, none is `initialize`.
    case legacyBatch
    /// The envelope, headers, method and parameters have been checked.
    case modernRequest(MethodName)
    /// Answered 202; there is nothing that it could change.
    case modernNotification
    case refuse(RPCFailure)
}

/// Tells the eras apart on one URL. A claim in the body decides, then the version header: legacy traffic never
/// mints `io.modelcontextprotocol/protocolVersion`. A pure function of the request.
public enum Classifier {
    /// - Parameters:
    ///   - session: the revision of the session that the request names, when it names a live one; decides
    ///     whether an array of messages is legal.
    public static func classify(
        _ envelope: Envelope, _ body: UnsafeRawBufferPointer, headers: RoutingHeaders, session: Revision?
    ) -> Classification {
        withUnsafePointer(to: envelope) { classify($0, body, headers: headers, session: session) }
    }

    /// The same for an envelope that is borrowed: it is large.
    public static func classify(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, headers: RoutingHeaders,
        session: Revision?
    ) -> Classification {
        do {
            return try decide(envelope, body, headers, session)
        } catch {
            return .refuse(error)
        }
    }

    /// GET and DELETE belong to sessions: with the header of a stateless revision they are refused with 405
    /// (`Allow: POST`). Nil lets them pass.
    public static func refusalWithoutBody(_ headers: RoutingHeaders) -> RPCFailure? {
        if headers.isAmbiguous { return .invalidRequest("a routing header is repeated") }
        return headers.claimsModern
            ? .http(405, "this revision of MCP knows POST only; sessions end with 2025-11-25") : nil
    }

    /// The id to answer under; nil (written as null) when the message has none that is legal.
    public static func replyID(
        _ envelope: Envelope, _ body: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        withUnsafePointer(to: envelope) { replyID($0, body) }
    }

    public static func replyID(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        guard envelope.pointee.idKind == .string || envelope.pointee.idKind == .integer,
            Int(envelope.pointee.id.count) <= WireLimits.idBytesMax
        else { return nil }
        return envelope.pointee.id.of(body)
    }

    private static func decide(
        _ envelope: UnsafePointer<Envelope>, _ body: UnsafeRawBufferPointer, _ headers: RoutingHeaders,
        _ session: Revision?
    ) throws(RPCFailure) -> Classification {
        switch envelope.pointee.kind {
        case .batch: return try batch(body, headers, session)
        case .invalid(let fault): throw .invalidRequest("\(fault.reason)")
        case .request, .notification, .response, .failure: break
        }
        guard envelope.pointee.jsonrpcIsTwo else { throw .invalidRequest("jsonrpc must be \"2.0\"") }
        let claims = envelope.pointee.metaProtocolVersion.isPresent
        if headers.isAmbiguous {
            throw claims || headers.claimsModern
                ? .headerMismatch("MCP-Protocol-Version, Mcp-Method and Mcp-Name must each be sent once")
                : .invalidRequest("a routing header is repeated")
        }
        switch envelope.pointee.kind {
        case .request:
            if claims || headers.claimsModern {
                return .modernRequest(try ModernLadder.climb(envelope, body, headers))
            }
            let method = MethodName(envelope, in: body)
            return method == .initialize ? .legacyInitialize : .legacyRequest(method)
        case .notification:
            guard headers.claimsModern else { return .legacyNotification(MethodName(envelope, in: body)) }
            try ModernLadder.checkVersionHeader(headers)
            return .modernNotification
        default:
            if headers.claimsModern {
                throw .invalidRequest("this revision of MCP has no responses of clients")
            }
            return .legacyResponse
        }
    }

    private static func batch(
        _ body: UnsafeRawBufferPointer, _ headers: RoutingHeaders, _ session: Revision?
    ) throws(RPCFailure) -> Classification {
        if headers.isAmbiguous { throw .invalidRequest("a routing header is repeated") }
        guard !headers.claimsModern, let session, session.allowsBatches else { throw .batchRefused }
        var walker = BatchWalker(body)
        var count = 0
        while let range = walker.next() {
            count += 1
            guard count <= MCPLimits.batchElementsMax else {
                throw .invalidRequest("more than \(MCPLimits.batchElementsMax) messages in one array")
            }
            try checkElement(range.of(body), count)
        }
        return .legacyBatch
    }

    private static func checkElement(
        _ element: UnsafeRawBufferPointer, _ position: Int
    ) throws(RPCFailure) {
        let envelope: Envelope
        do {
            envelope = try Envelope.scan(element)
        } catch {
            throw .invalidRequest("message \(position) of the array: \(error)")
        }
        switch envelope.kind {
        case .request:
            if MethodName(envelope, in: element) == .initialize {
                throw .invalidRequest("initialize must not be part of an array")
            }
        case .notification, .response, .failure: break
        case .batch, .invalid:
            throw .invalidRequest("message \(position) of the array is no JSON-RPC message")
        }
        guard envelope.jsonrpcIsTwo else {
            throw .invalidRequest("message \(position) of the array: jsonrpc must be \"2.0\"")
        }
        if envelope.metaProtocolVersion.isPresent { throw .batchRefused }
    }
}
