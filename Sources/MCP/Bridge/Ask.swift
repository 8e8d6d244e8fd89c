import Wire

/// What a server asks of the client behind a call: a form, a visit to a URL, a completion of a model, its roots.
/// Both eras have the same four, written as a request of the server's or as an entry of `inputRequests`.
public struct Ask: Sendable, Equatable {
    public enum Kind: UInt8, Sendable { case form, url, sampling, roots }

    public let kind: Kind
    /// What the client must have declared.
    public let needs: ClientCapabilities
    /// The raw object, on one line; empty when there is none.
    public private(set) var params: [UInt8]
    /// The revision of the server that asks, in which it is answered.
    public let asker: Revision

    /// The task that asks, where its server says so (2025-11-25); decoded.
    public var relatedTask: String? { params.withUnsafeBytes { TaskRewriter.related($0) } }

    /// A request that a legacy server has sent. Nil when it is none of the four.
    public init?(
        _ envelope: Envelope, _ line: UnsafeRawBufferPointer, by asker: Revision = .newestHandshake
    ) {
        self.init(MethodName(envelope, in: line), params: envelope.params.of(line), by: asker)
    }

    /// An entry of `inputRequests`: an object with `method` and `params`.
    public init?(inputRequest object: UnsafeRawBufferPointer) {
        guard let method = JSONMembers.value("method", in: object)?.insideQuotes else { return nil }
        let name = withDecodedText(method, limit: 64) { MethodName($0) }
        self.init(
            name ?? .unknown, params: JSONMembers.value("params", in: object) ?? .none, by: .v2026_07_28)
    }

    public init?(
        _ method: MethodName, params: UnsafeRawBufferPointer, by asker: Revision = .newestHandshake
    ) {
        guard params.isEmpty || JSONKind(params) == .object else { return nil }
        var out = ByteCollector()
        out.append(onOneLine: params)
        self.params = out.bytes
        self.asker = asker
        switch method {
        case .elicit:
            guard !params.isEmpty else { return nil }
            let isURL = JSONMembers.value("mode", in: params)?.equals("\"url\"") ?? false
            kind = isURL ? .url : .form
            needs = isURL ? .elicitationURL : .elicitationForm
        case .createMessage:
            guard !params.isEmpty else { return nil }
            kind = .sampling
            needs = Self.hasTools(params) ? [.sampling, .samplingTools] : .sampling
        case .rootsList:
            kind = .roots
            needs = .roots
        default: return nil
        }
    }

    /// Whether the params of a completion say anything of tools: that there are some, or what came of them.
    private static func hasTools(_ params: UnsafeRawBufferPointer) -> Bool {
        if JSONMembers.has("tools", in: params) || JSONMembers.has("toolChoice", in: params) { return true }
        guard let messages = JSONMembers.value("messages", in: params) else { return false }
        var walker = ArrayWalker(messages)
        while let message = walker.next() {
            guard let content = JSONMembers.value("content", in: message.of(messages)) else { continue }
            if isOfTools(content) { return true }
            var blocks = ArrayWalker(content)
            while let block = blocks.next() { if isOfTools(block.of(content)) { return true } }
        }
        return false
    }

    private static func isOfTools(_ block: UnsafeRawBufferPointer) -> Bool {
        guard let type = JSONMembers.value("type", in: block) else { return false }
        return type.equals("\"tool_use\"") || type.equals("\"tool_result\"")
    }

    public var method: MethodName {
        switch kind {
        case .form, .url: .elicit
        case .sampling: .createMessage
        case .roots: .rootsList
        }
    }

    // MARK: As the client is asked

    /// As an entry of `inputRequests`, which has no id and no elicitation id.
    public func writeInputRequest<Sink: ByteSink & ~Copyable>(into sink: inout Sink) {
        sink.append("{\"method\":\"")
        sink.append(method.text)
        sink.append("\",\"params\":")
        // Where there are none: the Go SDK cannot read such a request without the member.
        if params.isEmpty { sink.append("{}") }
        params.withUnsafeBytes { params in
            guard !params.isEmpty else { return }
            MemberFilter.write(params, without: ["elicitationId", "task", "_meta"], into: &sink)
        }
        sink.append("}")
    }

    /// The same as clients of `revision` understand it. Throws what the server is told where the revision has no
    /// form for it: a client must not be shown something else than what is asked.
    public func worded(for revision: Revision) throws(RPCFailure) -> Ask {
        var worded = self
        switch kind {
        case .form:
            guard let form = OlderForm(revision) else { return self }
            worded.params = try form.params(params)
        case .sampling:
            guard let sampling = OlderSampling(revision) else { return self }
            let outcome: Result<[UInt8], RPCFailure> = params.withUnsafeBytes { params in
                do throws(RPCFailure) { return .success(try sampling.params(params)) } catch {
                    return .failure(error)
                }
            }
            worded.params = try outcome.get()
        case .url, .roots: break
        }
        return worded
    }

    /// As a request to a legacy client, on one line without its end; `worded` comes first.
    ///
    /// - Parameters:
    ///   - id: a raw JSON string, unique in the session.
    ///   - elicitationID: what 2025-11-25 wants with a URL, where the server gave none.
    ///   - task: the task that asks, as the client knows it: a raw JSON string; empty for none.
    public func writeRequest<Sink: ByteSink & ~Copyable>(
        id: [UInt8], revision: Revision, elicitationID: String, task: [UInt8] = [], into sink: inout Sink
    ) {
        sink.append("{\"jsonrpc\":\"2.0\",\"id\":")
        sink.append(array: id)
        sink.append(",\"method\":\"")
        sink.append(method.text)
        sink.append("\"")
        if !params.isEmpty {
            sink.append(",\"params\":")
            params.withUnsafeBytes { params in
                // 2025-06-18 has forms only, and no word for it.
                let dropped: [StaticString] =
                    revision < .v2025_11_25 ? ["mode", "task", "_meta"] : ["task", "_meta"]
                var extra = ByteCollector()
                if kind == .url, !JSONMembers.has("elicitationId", in: params) {
                    extra.append("\"elicitationId\":")
                    JSONText.appendString(elicitationID, into: &extra)
                }
                if !task.isEmpty {
                    if !extra.bytes.isEmpty { extra.append(",") }
                    extra.append("\"_meta\":{\"io.modelcontextprotocol/related-task\":{\"taskId\":")
                    extra.append(array: task)
                    extra.append("}}")
                }
                MemberFilter.write(params, without: dropped, adding: extra.bytes, into: &sink)
            }
        }
        sink.append("}")
    }

    // MARK: As the client answers

    /// Whether `result`, raw JSON, has the shape of an answer to it. What is in it is for the server to judge.
    public func isAnswer(_ result: UnsafeRawBufferPointer) -> Bool {
        guard JSONKind(result) == .object, result.count <= BridgeLimits.answerBytesMax else { return false }
        switch kind {
        case .form, .url:
            guard let action = JSONMembers.value("action", in: result)?.insideQuotes,
                action.equals("accept") || action.equals("decline") || action.equals("cancel")
            else { return false }
            guard let content = JSONMembers.value("content", in: result) else { return true }
            // Some clients write null for "none".
            return JSONKind(content) == .object || JSONKind(content) == .null
        case .sampling:
            guard let role = JSONMembers.value("role", in: result), JSONKind(role) == .string,
                let content = JSONMembers.value("content", in: result)
            else { return false }
            return JSONKind(content) == .object || JSONKind(content) == .array
        case .roots:
            guard let roots = JSONMembers.value("roots", in: result) else { return false }
            return JSONKind(roots) == .array
        }
    }

    /// The client's result, raw JSON, as the server's revision has it; on one line.
    public func write<Sink: ByteSink & ~Copyable>(
        answer result: UnsafeRawBufferPointer, into sink: inout Sink
    ) {
        switch kind {
        case .form, .url:
            guard let content = JSONMembers.value("content", in: result), JSONKind(content) == .null else {
                break
            }
            return MemberFilter.write(result, without: ["content"], into: &sink)
        case .sampling:
            if let sampling = OlderSampling(asker) { return sampling.write(result: result, into: &sink) }
        case .roots: break
        }
        sink.append(onOneLine: result)
    }

    /// What a server is told when nobody answers: a result for elicitation, which has a word for it; nil where
    /// only an error says so.
    public var unanswered: StaticString? {
        switch kind {
        case .form, .url: "{\"action\":\"cancel\"}"
        case .sampling, .roots: nil
        }
    }

    /// What a legacy server is told when the client cannot be asked.
    public func refusal(declared: ClientCapabilities) -> RPCFailure {
        let base: (ClientCapabilities, StaticString) =
            switch kind {
            case .form, .url: ([.elicitationForm, .elicitationURL], "elicitation")
            case .sampling: (.sampling, "sampling")
            case .roots: (.roots, "roots")
            }
        guard declared.isDisjoint(with: base.0) else {
            let what: StaticString =
                switch kind {
                case .form: "elicitation by form"
                case .url: "elicitation by URL"
                default: "sampling with tools"
                }
            return RPCFailure(
                httpStatus: 200, code: RPCCode.invalidParams, message: "the client does not support \(what)")
        }
        return RPCFailure(
            httpStatus: 200, code: RPCCode.methodNotFound,
            message: "the client did not declare the capability \(base.1)")
    }
}

/// Re-emits an object without some of its members.
enum MemberFilter {
    /// `adding` is put at the end: members without braces.
    static func write<Sink: ByteSink & ~Copyable>(
        _ object: UnsafeRawBufferPointer, without names: [StaticString], adding extra: [UInt8] = [],
        into sink: inout Sink
    ) {
        var walker = ObjectWalker(object)
        var isFirst = true
        sink.append("{")
        while let member = walker.next() {
            let key = JSONKey(member, in: object)
            if names.contains(where: { key.equals($0) }) { continue }
            if !isFirst { sink.append(",") }
            isFirst = false
            sink.append(onOneLine: member.whole.of(object))
        }
        if !extra.isEmpty {
            if !isFirst { sink.append(",") }
            sink.append(array: extra)
        }
        sink.append("}")
    }
}

extension UnsafeRawBufferPointer {
    static var none: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}
