import Wire

/// What an answer to `server/discover` says about a server.
public enum DiscoverAnswer: Sendable, Equatable {
    case modern(ChildProfile)
    /// Of the older era. `revisionsNamed`: it understood the question and named only older revisions.
    case legacy(revisionsNamed: Bool)
    /// It refuses the revision that it was asked in and says that it speaks it: who is asked again may mean the latter.
    case contradicts
    /// It speaks revisions that are not known here.
    case unusable(String)

    public static let contradiction = "the server refuses 2026-07-28 and names nothing else"

    public init(_ envelope: Envelope, _ message: UnsafeRawBufferPointer) {
        switch envelope.kind {
        case .response:
            let result = envelope.result.of(message)
            let named = JSONMembers.value("supportedVersions", in: result)
            switch Self.revisions(named) {
            case .ours: self = .modern(ChildProfile(discover: result))
            case .older: self = .legacy(revisionsNamed: true)
            // A result without versions is that of a server which answers anything.
            case .none: self = .legacy(revisionsNamed: false)
            case .foreign(let text): self = .unusable(Self.speaks(text))
            }
        case .failure where envelope.errorCode == RPCCode.unsupportedVersion:
            let named = JSONMembers.value("supported", in: envelope.errorData.of(message))
            switch Self.revisions(named) {
            case .ours: self = .contradicts
            case .none: self = .unusable(Self.contradiction)
            case .older: self = .legacy(revisionsNamed: true)
            case .foreign(let text): self = .unusable(Self.speaks(text))
            }
        default: self = .legacy(revisionsNamed: false)
        }
    }

    /// An error that only a server of the modern era gives.
    public static func isModernError(_ code: Int?) -> Bool {
        code == RPCCode.headerMismatch || code == RPCCode.missingCapability
            || code == RPCCode.unsupportedVersion
    }

    private enum Named { case ours, older, foreign(String), none }

    private static func revisions(_ list: UnsafeRawBufferPointer?) -> Named {
        guard let list, JSONKind(list) == .array else { return .none }
        var walker = ArrayWalker(list)
        var found = Named.none
        while let element = walker.next() {
            guard let text = element.of(list).insideQuotes else { continue }
            guard let revision = Revision(text) else {
                if case .none = found { found = .foreign(RPCFailure.quoted(text)) }
                continue
            }
            if revision.isModern { return .ours }
            found = .older
        }
        return found
    }

    private static func speaks(_ text: String) -> String {
        "the server speaks protocol version \(text); known are 2024-11-05 to \(Revision.newest.text)"
    }
}

extension ChildProfile {
    /// From the result of `server/discover`.
    init(discover result: UnsafeRawBufferPointer) {
        revision = .newest
        offers = Self.offers(JSONMembers.value("capabilities", in: result))
        let meta = JSONMembers.value("_meta", in: result)
        let info = meta.flatMap { JSONMembers.value("io.modelcontextprotocol/serverInfo", in: $0) }
        serverInfo = info.map { JSONKind($0) == .object ? Array($0) : [] } ?? []
        let words = JSONMembers.value("instructions", in: result)?.insideQuotes
        instructions = words.map { JSONText.string($0) } ?? ""
    }
}
