import Wire

/// What a client says it can be asked: from `initialize` of a legacy session, or from the envelope of one
/// modern request.
public struct ClientCapabilities: OptionSet, Sendable, Hashable {
    public let rawValue: UInt16
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    public static let sampling = ClientCapabilities(rawValue: 1 << 0)
    public static let samplingTools = ClientCapabilities(rawValue: 1 << 1)
    public static let elicitationForm = ClientCapabilities(rawValue: 1 << 2)
    public static let elicitationURL = ClientCapabilities(rawValue: 1 << 3)
    public static let roots = ClientCapabilities(rawValue: 1 << 4)
    public static let rootsListChanged = ClientCapabilities(rawValue: 1 << 5)
    public static let tasks = ClientCapabilities(rawValue: 1 << 6)
    /// `sampling.context`: messages of the conversation may be asked for.
    public static let samplingContext = ClientCapabilities(rawValue: 1 << 7)

    /// `object` is a validated JSON object (`capabilities` or `clientCapabilities`); anything else declares
    /// nothing. Members that are not known are ignored.
    public init(object: UnsafeRawBufferPointer) {
        var found = ClientCapabilities()
        JSONMembers.forEach(of: object) { key, value in
            guard value.first == UInt8(ascii: "{") else { return }
            if key.equals("sampling") {
                found.insert(.sampling)
                if JSONMembers.has("tools", in: value) { found.insert(.samplingTools) }
                if JSONMembers.has("context", in: value) { found.insert(.samplingContext) }
            } else if key.equals("elicitation") {
                let url = JSONMembers.has("url", in: value)
                if url { found.insert(.elicitationURL) }
                // `{}` is how 2025-06-18, which has forms only, spells it.
                if !url || JSONMembers.has("form", in: value) { found.insert(.elicitationForm) }
            } else if key.equals("roots") {
                found.insert(.roots)
                if let changes = JSONMembers.value("listChanged", in: value), changes.equals("true") {
                    found.insert(.rootsListChanged)
                }
            } else if key.equals("tasks") {
                found.insert(.tasks)
            } else if key.equals("extensions"), JSONMembers.has("io.modelcontextprotocol/tasks", in: value) {
                found.insert(.tasks)
            }
        }
        self = found
    }

    /// What of it `revision` knows. A word of a later one declares nothing: its client could not be asked in the form
    /// of its own.
    public func known(in revision: Revision) -> ClientCapabilities {
        if revision >= .v2025_11_25 { return self }
        var known = subtracting([.samplingTools, .elicitationForm, .elicitationURL, .tasks])
        if revision == .v2025_06_18, !isDisjoint(with: [.elicitationForm, .elicitationURL]) {
            // That has forms only, whatever else is declared.
            known.insert(.elicitationForm)
        }
        return known
    }

    /// Whether a request of 2026-07-28 declares that its client follows tasks; `object` is its
    /// `clientCapabilities`.
    public static func followsTasks(object: UnsafeRawBufferPointer) -> Bool {
        guard let extensions = JSONMembers.value("extensions", in: object) else { return false }
        return JSONMembers.has("io.modelcontextprotocol/tasks", in: extensions)
    }
}
