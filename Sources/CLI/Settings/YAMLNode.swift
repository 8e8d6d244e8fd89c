/// A node of a YAML document and where it begins in its file.
struct YAMLNode: Sendable {
    struct Entry: Sendable {
        var key: YAMLNode
        var value: YAMLNode
    }

    enum Content: Sendable {
        /// `isPlain`: written without quotes, so that `null` or `true` may mean more than their letters.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the file; a key may stand there twice.
        case mapping([Entry])
    }

    var content: Content
    /// From 1.
    var line: Int

    /// Nothing after the colon, `~` or `null`.
    var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return text.isEmpty || text == "~" || text == "null"
    }

    /// The letters of a scalar.
    var text: String? {
        guard case .scalar(let text, _) = content else { return nil }
        return text
    }

    /// What a message calls this kind of node.
    var kindName: String {
        switch content {
        case .scalar: "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}

/// What keeps a text from being YAML that is read here.
struct YAMLError: Error, Equatable {
    /// From 1.
    var line: Int
    var message: String
}
