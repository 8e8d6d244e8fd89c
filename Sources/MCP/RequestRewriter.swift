import System
import Wire

/// What a server calls the thing that a request names.
public enum SouthTarget {
    /// The request names nothing, or by the name the server knows.
    case unchanged
    /// A raw JSON string, quotes included, on one line.
    case renamed(UnsafeRawBufferPointer)
    /// The server's name is the client's without its first bytes: the `mcpgw+server:` of a mapped template.
    case withoutPrefix(bytes: Int)
}

/// North request to south line. The child is of the legacy era: it knows no envelope, and reads one message
/// per line.
public enum RequestRewriter {
    /// Writes the request as one line: the id, the target and the progress token exchanged, the members of
    /// `_meta` that belong to the modern envelope left out, all else byte for byte.
    ///
    /// - Parameters:
    ///   - id: the south id, unique on that child; also the progress token, when the client sent one.
    ///   - dropsEnvelope: the client is modern.
    ///   - extra: members that are put into `params`, which has some already.
    public static func write<Sink: ByteSink & ~Copyable>(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, method: MethodName, id: Int,
        target: SouthTarget,
        dropsEnvelope: Bool, adding extra: StaticString = "", into sink: inout Sink
    ) {
        var splice = withUnsafePointer(to: envelope) {
            edited(body, $0, method, id, target, dropsEnvelope, extra)
        }
        splice.writeLine(into: &sink)
    }

    /// The same for a pipe, from an envelope that is borrowed: it is large.
    public static func write(
        _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>, method: MethodName, id: Int,
        target: SouthTarget, dropsEnvelope: Bool, adding extra: StaticString = "", into out: inout Outbox
    ) {
        var splice = edited(body, envelope, method, id, target, dropsEnvelope, extra)
        splice.writeLine(into: &out)
    }

    @inline(__always) private static func edited(
        _ body: UnsafeRawBufferPointer, _ envelope: UnsafePointer<Envelope>, _ method: MethodName, _ id: Int,
        _ target: SouthTarget, _ dropsEnvelope: Bool, _ extra: StaticString
    ) -> Splice {
        var splice = Splice(body, hasLineBreaks: envelope.pointee.hasLineBreaks)
        splice.replace(envelope.pointee.id, with: id)
        if extra.utf8CodeUnitCount > 0, envelope.pointee.paramsKind == .object {
            splice.insert(extra, at: Int(envelope.pointee.params.start) + 1)
            splice.insert(",", at: Int(envelope.pointee.params.start) + 1)
        }
        if dropsEnvelope, JSONKind(envelope.pointee.meta.of(body)) == .object {
            splice.replaceMeta(
                envelope.pointee.meta, token: envelope.pointee.metaProgressToken, with: id)
        } else if envelope.pointee.metaProgressToken.isPresent {
            splice.replace(envelope.pointee.metaProgressToken, with: id)
        }
        // Keys and state of the gateway's own making mean nothing to the child.
        if dropsEnvelope,
            envelope.pointee.inputResponses.isPresent || envelope.pointee.requestState.isPresent
        {
            splice.remove(["inputResponses", "requestState"], from: envelope.pointee.params)
        }
        if let range = targetRange(envelope, method, body) {
            switch target {
            case .unchanged: break
            case .renamed(let name): splice.replace(range, with: name)
            case .withoutPrefix(let bytes):
                splice.delete(min(bytes, Int(range.count) - 2), at: range.start &+ 1)
            }
        }
        return splice
    }

    /// The raw JSON string that names the target of a request; nil when the method has none or it is no string.
    public static func targetRange(
        _ envelope: Envelope, _ method: MethodName, _ body: UnsafeRawBufferPointer
    ) -> ByteRange? {
        withUnsafePointer(to: envelope) { targetRange($0, method, body) }
    }

    public static func targetRange(
        _ envelope: UnsafePointer<Envelope>, _ method: MethodName, _ body: UnsafeRawBufferPointer
    ) -> ByteRange? {
        let range: ByteRange
        switch method.target {
        case .none: return nil
        case .name: range = envelope.pointee.name
        case .uri: range = envelope.pointee.uri
        case .task: range = envelope.pointee.taskID
        case .reference:
            guard let reference = CompletionReference(envelope.pointee, body) else { return nil }
            range = reference.value
        }
        return JSONKind(range.of(body)) == .string && range.count >= 2 ? range : nil
    }
}

/// `params.ref` of `completion/complete`.
public struct CompletionReference {
    public enum Kind: Sendable { case prompt, resource }

    public var kind: Kind
    /// The raw JSON string of `name` or `uri`, in the whole body.
    public var value: ByteRange

    /// Nil when the reference has no known type or no name or URI.
    public init?(_ envelope: Envelope, _ body: UnsafeRawBufferPointer) {
        let object = envelope.ref.of(body)
        guard let type = JSONMembers.value("type", in: object) else { return nil }
        let member: StaticString
        if type.equals("\"ref/prompt\"") {
            kind = .prompt
            member = "name"
        } else if type.equals("\"ref/resource\"") || type.equals("\"ref\\/resource\"") {
            kind = .resource
            member = "uri"
        } else {
            return nil
        }
        guard let range = JSONMembers.range(member, in: object), JSONKind(range.of(object)) == .string else {
            return nil
        }
        value = range.shifted(by: envelope.ref.start)
    }
}
