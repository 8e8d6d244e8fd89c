/// The API keys that may call the control API. A key's name owns what the key creates; two keys of one name
/// are two ways in to the same sandboxes. Only digests are kept.
public struct APIKeys: Sendable {
    private struct Entry {
        let name: String
        let digest: [UInt8]
    }

    /// A line of a key file that cannot be used.
    public struct Mistake: Error, Equatable {
        public let line: Int
        public let message: String
    }

    private var entries: [Entry] = []

    public init() {}

    public var count: Int { entries.count }

    public mutating func add(name: String, key: String) {
        entries.append(Entry(name: name, digest: Secret.digest(key)))
    }

    /// Reads a key file: a line `NAME KEY` for each key; empty lines and lines that begin with `#` are
    /// skipped. A mistake names its line and never shows the key.
    public static func parse(_ bytes: [UInt8]) throws(Mistake) -> APIKeys {
        var keys = APIKeys()
        var digests: Set<[UInt8]> = []
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let fields = line.split(whereSeparator: { $0 == 0x20 || $0 == 0x09 || $0 == 0x0D })
            guard let name = fields.first, name.first != UInt8(ascii: "#") else { continue }
            guard fields.count == 2 else {
                throw Mistake(
                    line: index + 1, message: "a line is NAME KEY; this one has \(fields.count) words")
            }
            guard isVisible(name), isVisible(fields[1]), fields[1].count <= ControlLimits.apiKeyBytes else {
                throw Mistake(
                    line: index + 1,
                    message: "name and key are visible ASCII, a key up to \(ControlLimits.apiKeyBytes) bytes")
            }
            let key = String(decoding: fields[1], as: UTF8.self)
            guard digests.insert(Secret.digest(key)).inserted else {
                throw Mistake(line: index + 1, message: "this key stands in the file already")
            }
            guard keys.count < ControlLimits.apiKeys else {
                throw Mistake(line: index + 1, message: "more than \(ControlLimits.apiKeys) keys")
            }
            keys.add(name: String(decoding: name, as: UTF8.self), key: key)
        }
        return keys
    }

    /// The name that owns `key`; nil when no entry has it. Looks at every entry, so that the time taken says
    /// nothing about where a match is.
    func owner(of key: String) -> String? {
        guard key.utf8.count <= ControlLimits.apiKeyBytes else { return nil }
        let digest = Secret.digest(key)
        var found: String?
        for entry in entries where Secret.areEqual(entry.digest, digest) {
            found = entry.name
        }
        return found
    }

    private static func isVisible(_ bytes: ArraySlice<UInt8>) -> Bool {
        bytes.allSatisfy { (0x21...0x7e).contains($0) }
    }
}
