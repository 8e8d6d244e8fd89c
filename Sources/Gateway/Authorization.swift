import MCP
import System
import Wire

/// Who may speak to a sandbox: whoever has its token. Identity is (sandbox, token), never a session.
extension LoopState {
    /// A request for a sandbox whose home is this loop, if it exists at all.
    func receive(_ inbound: Inbound, for key: SandboxKey?) {
        // A home leaves the table by a message of its own, never while it is at work.
        guard let key, let known = homes.unretained(key) else { return serve(inbound, nil) }
        known._withUnsafeGuaranteedRef { serve(inbound, $0.isClosing ? nil : $0) }
    }

    @inline(__always) private func serve(_ inbound: Inbound, _ home: SandboxHome?) {
        guard isAuthorized(inbound, home), let home else { return refuseToken(inbound) }
        switch inbound.endpoint {
        case .mcp: home.receive(inbound)
        case .listTools: home.listTools(inbound)
        case .callTool: home.callTool(inbound)
        case .oldStream: home.openOldSession(inbound)
        case .oldMessages: home.postOld(inbound)
        }
    }

    /// The same work whether or not the sandbox exists: one digest, one comparison in constant time.
    private func isAuthorized(_ inbound: Inbound, _ home: SandboxHome?) -> Bool {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        let token = inbound.value(.authorization).flatMap(Self.bearer) ?? empty
        if let home, home.remembers(token), !inbound.isDuplicated(.authorization) { return true }
        let isOwn = Digest.matches(token, digest: home?.tokenDigest ?? Self.nobody)
        if isOwn, let home, !inbound.isDuplicated(.authorization) {
            home.remember(token)
            return true
        }
        // The plain-HTTP shims take the owner's API key too: the command line has no other secret.
        guard inbound.endpoint == .listTools || inbound.endpoint == .callTool,
            let key = inbound.value(.apiKey)
        else { return false }
        var owner: String?
        for entry in settings.apiKeys where Digest.matches(key, digest: entry.digest) { owner = entry.name }
        return home != nil && owner == home?.owner
    }

    /// The digest of no token.
    private static let nobody = [UInt8](repeating: 0, count: 32)

    /// RFC 6750 §2.1; the scheme is case-insensitive (RFC 9110 §11.1).
    static func bearer(_ value: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        let scheme: StaticString = "bearer "
        guard value.count > 7, value.count <= 512 else { return nil }
        for i in 0..<7 where value[i] | 0x20 != scheme.utf8Start[i] { return nil }
        var start = 7
        while start < value.count, value[start] == 0x20 { start += 1 }
        return UnsafeRawBufferPointer(rebasing: value[start...])
    }

    /// The same bytes for a missing, wrong, foreign or expired token and for a sandbox that never was.
    private func refuseToken(_ inbound: Inbound) {
        counters.unauthorized &+= 1
        let head = AnswerHead(status: 401, contentType: AnswerHead.json).with("WWW-Authenticate", "Bearer")
        let message =
            "A valid token of this sandbox is needed: send the header Authorization: Bearer "
            + "<mcpToken>, with the token that creating the sandbox returned."
        switch inbound.endpoint {
        case .mcp, .oldStream, .oldMessages:
            answer(inbound.exchange, head, RPCFailure.http(401, message).bytes(id: nil))
        case .listTools, .callTool:
            answer(inbound.exchange, head, ErrorBody.rest(.unauthorized, message))
        }
    }
}

extension RPCFailure {
    /// The whole error response.
    func bytes(id: UnsafeRawBufferPointer?) -> [UInt8] {
        var out = ByteCollector()
        write(id: id, into: &out)
        return out.bytes
    }
}
