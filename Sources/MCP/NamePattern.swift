/// A glob over exposed tool names: `*` is any run of characters, `?` one character, all else itself.
public struct NamePattern: Sendable, Hashable {
    private let bytes: [UInt8]

    public init(_ text: String) { bytes = Array(text.utf8) }

    /// Two fingers with one point of return: O(name x pattern) at worst, no recursion.
    public func matches(_ name: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        var p = 0
        var starred: (pattern: Int, name: Int)?
        while at < name.count {
            if p < bytes.count, bytes[p] == UInt8(ascii: "*") {
                p += 1
                starred = (p, at)
            } else if p < bytes.count, bytes[p] == UInt8(ascii: "?") {
                p += 1
                at = Self.nextCharacter(name, after: at)
            } else if p < bytes.count, bytes[p] == name[at] {
                p += 1
                at += 1
            } else if let back = starred {
                p = back.pattern
                at = back.name + 1
                starred = (back.pattern, at)
            } else {
                return false
            }
        }
        while p < bytes.count, bytes[p] == UInt8(ascii: "*") { p += 1 }
        return p == bytes.count
    }

    /// A character is a UTF-8 scalar: continuation bytes belong to the one before.
    private static func nextCharacter(_ name: UnsafeRawBufferPointer, after start: Int) -> Int {
        var at = start + 1
        while at < name.count, name[at] & 0xC0 == 0x80 { at += 1 }
        return at
    }
}

/// Which tools a sandbox shows and lets be called, by exposed name. An empty `include` means all; `exclude`
/// wins over `include`.
public struct ToolFilter: Sendable, Hashable {
    public var include: [NamePattern]
    public var exclude: [NamePattern]

    public static let all = ToolFilter(include: [], exclude: [])

    /// Patterns past `MCPLimits.patternsMax` of a list are not looked at; the configuration check refuses them.
    public init(include: [NamePattern], exclude: [NamePattern]) {
        self.include = Array(include.prefix(MCPLimits.patternsMax))
        self.exclude = Array(exclude.prefix(MCPLimits.patternsMax))
    }

    public func admits(_ name: UnsafeRawBufferPointer) -> Bool {
        for pattern in exclude where pattern.matches(name) { return false }
        if include.isEmpty { return true }
        for pattern in include where pattern.matches(name) { return true }
        return false
    }
}
