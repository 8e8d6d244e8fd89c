import Wire

/// North request to a server of 2026-07-28: the counterpart of `RequestRewriter`, which writes for the older era.
public enum ModernRewriter {
    /// Members that are put into `params` besides what the client sent.
    public struct Round: Sendable, Equatable {
        /// The raw object of `inputResponses`; empty for none.
        public var responses: [UInt8]
        /// The server's own `requestState`, a raw JSON string; empty for none.
        public var state: [UInt8]

        public init(responses: [UInt8] = [], state: [UInt8] = []) {
            self.responses = responses
            self.state = state
        }
    }

    /// A legacy client's request as one of 2026-07-28, without a line end: enveloped, renumbered, renamed.
    ///
    /// - Parameters:
    ///   - id: the south id, unique on that connection; also the progress token, when the client sent one.
    ///   - round: on a retry of a call that the server had ended with `input_required`.
    public static func envelope<Sink: ByteSink & ~Copyable>(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, method: MethodName, id: Int,
        target: SouthTarget, adding members: ModernEnvelope, round: Round = Round(), into sink: inout Sink
    ) {
        let extra = fragment(members, round, envelope, body)
        members.members.withUnsafeBytes { members in
            extra.withUnsafeBytes { extra in
                var splice = Splice(body, hasLineBreaks: envelope.hasLineBreaks)
                splice.replace(envelope.id, with: id)
                if !extra.isEmpty { splice.insert(extra, at: insertionPoint(envelope)) }
                if envelope.meta.isPresent {
                    splice.replaceMeta(
                        envelope.meta, token: envelope.metaProgressToken, with: id, adding: members)
                }
                retarget(&splice, envelope, method, body, target)
                splice.write(into: &sink)
            }
        }
    }

    /// A modern client's request for a modern server, without a line end. What it declares stays its own but for
    /// extensions, of which only those pass that are data alone.
    ///
    /// - Parameters:
    ///   - declaresTasks: the server may answer with a task.
    ///   - dropsLogLevel: log messages of this request could not be told from those of another.
    ///   - dropsBaggage: the server is somebody else's: what a trace carries along is not for it.
    ///   - state: what stands in place of the client's `requestState`: nil leaves it as it is, empty
    ///   takes it out (the server gave none), else a raw JSON string.
    public static func relay<Sink: ByteSink & ~Copyable>(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, method: MethodName, id: Int,
        target: SouthTarget, declaresTasks: Bool = false, dropsLogLevel: Bool = false,
        dropsBaggage: Bool = false, state: [UInt8]? = nil, into sink: inout Sink
    ) {
        let declared = envelope.metaClientCapabilities.of(body)
        let trimmed = trimmed(declared, declaresTasks)
        trimmed.withUnsafeBytes { trimmed in
            (state ?? []).withUnsafeBytes { replacement in
                var splice = Splice(body, hasLineBreaks: envelope.hasLineBreaks)
                splice.replace(envelope.id, with: id)
                if envelope.metaProgressToken.isPresent {
                    splice.replace(envelope.metaProgressToken, with: id)
                }
                if !trimmed.isEmpty { splice.replace(envelope.metaClientCapabilities, with: trimmed) }
                switch (dropsLogLevel, dropsBaggage) {
                case (true, true): splice.remove([logLevel, "baggage"], from: envelope.meta)
                case (true, false): splice.remove([logLevel], from: envelope.meta)
                case (false, true): splice.remove(["baggage"], from: envelope.meta)
                case (false, false): break
                }
                if state != nil, envelope.requestState.isPresent {
                    if replacement.isEmpty {
                        splice.remove(["requestState"], from: envelope.params)
                    } else {
                        splice.replace(envelope.requestState, with: replacement)
                    }
                }
                retarget(&splice, envelope, method, body, target)
                splice.write(into: &sink)
            }
        }
    }

    private static let logLevel: StaticString = "io.modelcontextprotocol/logLevel"

    /// `"inputResponses":…,"requestState":…` and, where the body has no `_meta`, that.
    private static func fragment(
        _ members: ModernEnvelope, _ round: Round, _ envelope: Envelope, _ body: UnsafeRawBufferPointer
    ) -> [UInt8] {
        var out = ByteCollector()
        var isFirst = true
        func begin(_ name: StaticString) {
            if !isFirst { out.append(",") }
            isFirst = false
            out.append(name)
        }
        if !round.responses.isEmpty {
            begin("\"inputResponses\":")
            round.responses.withUnsafeBytes { out.append(onOneLine: $0) }
        }
        if !round.state.isEmpty {
            begin("\"requestState\":")
            out.append(array: round.state)
        }
        if !envelope.meta.isPresent {
            begin("\"_meta\":{")
            out.append(array: members.members)
            out.append("}")
        }
        guard !out.bytes.isEmpty else { return [] }
        if envelope.paramsKind == .object {
            if !isEmptyObject(envelope.params.of(body)) { out.append(",") }
            return out.bytes
        }
        return Array(",\"params\":{".utf8) + out.bytes + Array("}".utf8)
    }

    /// After the brace of `params`, or after the method's closing quote where there are no params.
    private static func insertionPoint(_ envelope: Envelope) -> Int {
        envelope.paramsKind == .object ? Int(envelope.params.start) + 1 : envelope.method.end + 1
    }

    private static func retarget(
        _ splice: inout Splice, _ envelope: Envelope, _ method: MethodName, _ body: UnsafeRawBufferPointer,
        _ target: SouthTarget
    ) {
        guard let range = RequestRewriter.targetRange(envelope, method, body) else { return }
        switch target {
        case .unchanged: break
        case .renamed(let name): splice.replace(range, with: name)
        case .withoutPrefix(let bytes):
            splice.delete(min(bytes, Int(range.count) - 2), at: range.start &+ 1)
        }
    }

    /// Nothing when the capabilities may pass as they are.
    private static func trimmed(_ declared: UnsafeRawBufferPointer, _ declaresTasks: Bool) -> [UInt8] {
        guard
            declaresTasks || JSONMembers.has("extensions", in: declared)
                || JSONMembers.has("experimental", in: declared)
                || JSONMembers.has("tasks", in: declared)
        else { return [] }
        let capabilities = ClientCapabilities(object: declared).intersection(.relayable)
        var passing = ByteCollector()
        if let extensions = JSONMembers.value("extensions", in: declared),
            let ui = JSONMembers.value("io.modelcontextprotocol/ui", in: extensions),
            ui.count <= BridgeLimits.extensionBytesMax
        {
            passing.append("{\"io.modelcontextprotocol/ui\":")
            passing.append(onOneLine: ui)
            passing.append(declaresTasks ? ",\"io.modelcontextprotocol/tasks\":{}}" : "}")
        } else if declaresTasks {
            passing.append(ModernEnvelope.tasks)
        }
        var out = ByteCollector()
        passing.bytes.withUnsafeBytes { capabilities.write(extensions: $0, into: &out) }
        return out.bytes
    }

    private static func isEmptyObject(_ object: UnsafeRawBufferPointer) -> Bool {
        object.piece(1, object.count - 1).trimmedRange.isEmpty
    }
}
