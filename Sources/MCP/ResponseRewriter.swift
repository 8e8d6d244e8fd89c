import Wire

/// South line to north body.
public enum ResponseRewriter {
    /// A response as the client is to get it.
    public struct Response {
        public var body: Splice
        /// Holds until bytes of a stream have been sent.
        public var httpStatus: Int
    }

    /// The client's side of a call.
    public struct Call {
        /// Raw JSON.
        public var id: UnsafeRawBufferPointer
        public var method: MethodName
        public var isModern: Bool
        /// The era of the server that answers.
        public var server: Era
        /// The client has declared that it follows tasks.
        public var mayBeTask = false
        /// Raw JSON strings, when the client reads a resource under a URI other than its server's.
        public var mappedURI: (original: UnsafeRawBufferPointer, exposed: UnsafeRawBufferPointer)?

        public init(
            id: UnsafeRawBufferPointer, method: MethodName, isModern: Bool, server: Era = .legacy,
            mayBeTask: Bool = false,
            mappedURI: (original: UnsafeRawBufferPointer, exposed: UnsafeRawBufferPointer)? = nil
        ) {
            self.mayBeTask = mayBeTask
            self.id = id
            self.method = method
            self.isModern = isModern
            self.server = server
            self.mappedURI = mappedURI
        }
    }

    /// Restores the id, adds what 2026-07-28 requires of results and takes out what only it knows, translates error
    /// codes. All content passes byte for byte.
    ///
    /// Throws the error to answer instead, when the line is no MCP response (a result that is no object, an error
    /// without a code), or one that this client has no word for.
    public static func rewrite(
        _ line: UnsafeRawBufferPointer, _ envelope: Envelope, for call: Call
    ) throws(RPCFailure) -> Response {
        var envelope = envelope
        return try rewrite(line, &envelope, for: call)
    }

    /// The same for an envelope that is borrowed: it is large.
    public static func rewrite(
        _ line: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>, for call: Call
    ) throws(RPCFailure) -> Response {
        var splice = Splice(line, hasLineBreaks: envelope.pointee.hasLineBreaks)
        guard !envelope.pointee.id.isEmpty else { throw .serverFailed("the server's answer has no id") }
        splice.replace(envelope.pointee.id, with: call.id)
        switch envelope.pointee.kind {
        case .response:
            guard envelope.pointee.resultIsObject else {
                throw .serverFailed("the server's answer is malformed: result is not an object")
            }
            if call.server == .modern { try checkType(line, envelope.pointee, call) }
            if call.isModern {
                addModernMembers(&splice, line, envelope, call.method)
            } else if call.server == .modern {
                dropModernMembers(&splice, line, envelope.pointee)
            }
            if let mapped = call.mappedURI {
                mapContents(&splice, line, envelope, original: mapped.original, exposed: mapped.exposed)
            }
            return Response(body: splice, httpStatus: 200)
        case .failure:
            guard let code = envelope.pointee.errorCode else {
                throw .serverFailed("the server's answer is malformed: error has no integer code")
            }
            // Allocated to the older era alone: a modern client is told what it lacks.
            if call.isModern, code == RPCCode.legacyURLElicitationRequired {
                throw .missingCapability(.elicitationURL)
            }
            let told = northCode(
                code, isModern: call.isModern, isRead: isNotFound(line, envelope.pointee, call))
            if told != code { replaceCode(&splice, line, envelope, with: told) }
            return Response(
                body: splice, httpStatus: call.isModern ? RPCCode.modernStatus(relaying: told) : 200)
        default:
            throw .serverFailed("the server's answer is malformed: neither result nor error")
        }
    }

    /// `resultType` on every result (its absence fails the call in Python clients), cache hints on
    /// resources/read. Nothing is added that the server sent itself.
    private static func addModernMembers(
        _ splice: inout Splice, _ line: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        _ method: MethodName
    ) {
        let at = envelope.pointee.resultObjectStart
        let typed = envelope.pointee.resultType.isPresent
        guard method == .resourcesRead else {
            if !typed {
                splice.insert(
                    envelope.pointee.resultIsEmptyObject
                        ? "\"resultType\":\"complete\"" : "\"resultType\":\"complete\",",
                    at: at)
            }
            return
        }
        let timed = envelope.pointee.resultTTL.isPresent
        let scoped = envelope.pointee.resultCacheScope.isPresent
        // Interim results carry no cache hints (2026-07-28, multi round-trip requests).
        let isInterim = typed && !envelope.pointee.resultType.of(line).equals("\"complete\"")
        if !typed { splice.insert("\"resultType\":\"complete\",", at: at) }
        if !timed, !isInterim { splice.insert("\"ttlMs\":0,", at: at) }
        if scoped || isInterim { return }
        // Into an empty object go all three, and the last takes no comma.
        splice.insert(
            envelope.pointee.resultIsEmptyObject
                ? "\"cacheScope\":\"private\"" : "\"cacheScope\":\"private\",",
            at: at)
    }

    /// What a client is told for a server's error code.
    ///
    /// - Parameter isRead: it says that the resource which was to be read does not exist.
    static func northCode(_ code: Int, isModern: Bool, isRead: Bool = false) -> Int {
        switch code {
        case RPCCode.invalidParams where isRead && !isModern: RPCCode.legacyResourceNotFound
        case RPCCode.legacyResourceNotFound where isModern: RPCCode.invalidParams
        // They speak about the hop between gateway and server, not about the client's.
        case RPCCode.headerMismatch, RPCCode.unsupportedVersion: RPCCode.internalError
        case RPCCode.missingCapability where !isModern: RPCCode.invalidParams
        default: code
        }
    }

    /// A type of result that nobody here has declared to know would be taken for something else.
    private static func checkType(
        _ line: UnsafeRawBufferPointer, _ envelope: Envelope, _ call: Call
    ) throws(RPCFailure) {
        let type = envelope.resultType.of(line)
        if type.isEmpty || type.equals("\"complete\"") { return }
        if call.mayBeTask, type.equals("\"task\"") { return }
        if call.isModern, type.equals("\"input_required\""),
            call.method == .toolsCall || call.method == .promptsGet || call.method == .resourcesRead
        {
            return
        }
        throw .serverFailed(
            "the server's answer has a resultType that was not asked for: \(RPCFailure.quoted(type))")
    }

    /// What a legacy client does not know of a result: its type, cache hints, the server's name, and structured
    /// content that is no object. Text says the same (the specification asks servers for it).
    private static func dropModernMembers(
        _ splice: inout Splice, _ line: UnsafeRawBufferPointer, _ envelope: Envelope
    ) {
        var dropped: [StaticString] = ["resultType", "ttlMs", "cacheScope"]
        let result = envelope.result.of(line)
        if let structured = JSONMembers.value("structuredContent", in: result),
            JSONKind(structured) != .object
        {
            dropped.append("structuredContent")
        }
        splice.remove(dropped, from: envelope.result)
        if envelope.resultMeta.isPresent, JSONKind(envelope.resultMeta.of(line)) == .object {
            splice.replaceMeta(envelope.resultMeta, token: .absent, with: 0)
        }
    }

    /// 2026-07-28 says -32602 with the URI where older revisions have a code of its own.
    private static func isNotFound(
        _ line: UnsafeRawBufferPointer, _ envelope: Envelope, _ call: Call
    ) -> Bool {
        call.method == .resourcesRead && call.server == .modern
            && JSONMembers.has("uri", in: envelope.errorData.of(line))
    }

    private static func replaceCode(
        _ splice: inout Splice, _ line: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        with code: Int
    ) {
        guard let range = JSONMembers.range("code", in: envelope.pointee.error.of(line)) else { return }
        splice.replace(range.shifted(by: envelope.pointee.error.start), with: code)
    }

    /// `contents[].uri` back to the URI under which the client knows the resource.
    private static func mapContents(
        _ splice: inout Splice, _ line: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>,
        original: UnsafeRawBufferPointer, exposed: UnsafeRawBufferPointer
    ) {
        let result = envelope.pointee.result.of(line)
        guard let contents = JSONMembers.range("contents", in: result),
            JSONKind(contents.of(result)) == .array
        else { return }
        var mapped = 0
        let list = contents.of(result)
        var walker = ArrayWalker(list)
        while let element = walker.next(), mapped < MCPLimits.mappedContentsMax, !splice.isFull {
            let item = element.of(list)
            guard let uri = JSONMembers.range("uri", in: item), uri.of(item).equals(original) else {
                continue
            }
            let base = envelope.pointee.result.start &+ contents.start &+ element.start
            splice.replace(uri.shifted(by: base), with: exposed)
            mapped += 1
        }
    }
}

/// Notifications of a server on their way to a client.
public enum NotificationRewriter {
    /// `notifications/progress` with the token that the client chose (raw JSON). Nil when it carries none.
    public static func progress(
        _ line: UnsafeRawBufferPointer, _ envelope: Envelope, token: UnsafeRawBufferPointer
    ) -> Splice? {
        guard envelope.paramsProgressToken.isPresent else { return nil }
        var splice = Splice(line, hasLineBreaks: envelope.hasLineBreaks)
        splice.replace(envelope.paramsProgressToken, with: token)
        return splice
    }

    /// Any other notification: as it is, on one line.
    public static func unchanged(_ line: UnsafeRawBufferPointer, _ envelope: Envelope) -> Splice {
        Splice(line, hasLineBreaks: envelope.hasLineBreaks)
    }
}
