import MCP
import System
import Wire

/// What is kept of a call whose client may be asked something by way of another era than its own. Most calls have
/// none: a client that declares nothing cannot be asked.
final class BridgedCall {
    /// What may be asked of the client.
    let capabilities: ClientCapabilities
    /// Of a modern client's request: a retry must be of the same.
    let digest: RequestDigest
    /// A legacy client's request, to be made again with the answers.
    let request: HeldRequest?
    /// Non-nil from the first time on that a modern server has asked.
    var rounds: Rounds?
    /// By which `Rounds` and `Pushes` know the call, whose id changes from round to round.
    var name: UInt64 = 0
    /// Of a retry that waits for a parked call: that call. Else none.
    var south = CallID.none
    /// The last progress that the client was told of: a call that is made again begins anew, and the client's
    /// numbers must grow (Progress, 2025-11-25).
    private var progress = -Double.infinity
    /// How often the client was sent to open a URL.
    var visits: UInt32 = 0

    init(
        capabilities: ClientCapabilities, digest: RequestDigest = .none, request: HeldRequest? = nil
    ) {
        self.capabilities = capabilities
        self.digest = digest
        self.request = request
    }

    /// Whether the progress that a line tells of is news; takes note of it.
    func isNews(_ line: UnsafeRawBufferPointer) -> Bool {
        let told = (try? JSONValue.parse(line))?["params"]?["progress"]?.doubleValue
        guard let told, told > progress else { return false }
        progress = told
        return true
    }

    /// Of a modern client's request to a legacy server.
    static func parkable(
        _ body: UnsafeRawBufferPointer, _ envelope: Envelope, _ method: MethodName
    ) -> BridgedCall? {
        let declared = ClientCapabilities(object: envelope.metaClientCapabilities.of(body))
        guard !declared.isDisjoint(with: .relayable) else { return nil }
        return BridgedCall(
            capabilities: declared.intersection(.relayable),
            digest: RequestDigest(envelope, body, method: method))
    }

    /// Of a legacy client's request to a modern server.
    static func repeatable(_ session: Session, _ request: HeldRequest) -> BridgedCall? {
        guard !session.capabilities.isDisjoint(with: .relayable) else { return nil }
        return BridgedCall(
            capabilities: session.capabilities.intersection(.relayable), request: request)
    }
}
