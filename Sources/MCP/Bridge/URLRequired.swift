import Wire

/// The error -32042 with which 2025-11-25 says that the client has to open a URL first, told to a modern client
/// as `input_required`. The call has ended: when the client comes back, it is made again from its beginning.
public enum URLRequired {
    /// What a modern client is answered; nil when the error is another one or names nothing to open.
    ///
    /// - Parameter round: how often this call has been sent back so before.
    public static func result(
        _ envelope: Envelope, _ line: UnsafeRawBufferPointer, digest: RequestDigest,
        capabilities: ClientCapabilities, round: UInt32, unixSeconds: Int, _ seal: StateSeal
    ) -> [UInt8]? {
        guard envelope.errorCode == RPCCode.legacyURLElicitationRequired,
            capabilities.contains(.elicitationURL), round < UInt32(BridgeLimits.roundsMax)
        else { return nil }
        let asks = asks(envelope.errorData.of(line))
        guard !asks.isEmpty else { return nil }
        let state = RequestState(
            kind: .again, round: round + 1,
            expiresUnixSeconds: Int64(unixSeconds + BridgeLimits.parkSeconds), digest: digest)
        var out = ByteCollector()
        InputRequired.write(asks, state: state.sealed(seal), into: &out)
        return out.bytes
    }

    public enum Verdict: Sendable, Equatable {
        /// Every URL was opened: make the call again, without the responses.
        case again
        /// The person said no; the sentence is for the model.
        case declined
        /// Answers are missing: ask again is all that is left, so the call is made again and asks itself.
        case unanswered
    }

    /// What the client's `inputResponses` to such a result mean.
    public static func verdict(_ responses: UnsafeRawBufferPointer) -> Verdict {
        var accepted = 0
        var declined = 0
        JSONMembers.forEach(of: responses) { _, value in
            guard let action = JSONMembers.value("action", in: value)?.insideQuotes else { return }
            if action.equals("accept") { accepted += 1 } else { declined += 1 }
        }
        if declined > 0 { return .declined }
        return accepted > 0 ? .again : .unanswered
    }

    private static func asks(_ data: UnsafeRawBufferPointer) -> [(key: String, ask: Ask)] {
        guard let list = JSONMembers.value("elicitations", in: data), JSONKind(list) == .array else {
            return []
        }
        var asks: [(key: String, ask: Ask)] = []
        var walker = ArrayWalker(list)
        while let element = walker.next(), asks.count < BridgeLimits.asksMax {
            guard let ask = Ask(.elicit, params: element.of(list)), ask.kind == .url else { continue }
            asks.append(("u\(asks.count + 1)", ask))
        }
        return asks
    }
}
