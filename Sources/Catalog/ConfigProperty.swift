import Wire

/// A setting that a user of a catalog's server may give.
public struct ConfigProperty: Sendable {
    public enum Kind: String, Sendable, CaseIterable { case string, integer, number, boolean, array }
    public enum Format: String, Sendable, CaseIterable {
        /// An absolute path on the gateway's host; `~/` is the home directory.
        case path
        /// A name of the time zone database, such as `Europe/Berlin`.
        case timezone
    }

    public var name: String
    /// Docker's dotted name, the environment variable and friendlier spellings.
    public var aliases: [String] = []
    public var kind: Kind = .string
    /// What an array holds; `string` for everything else.
    public var items: Kind = .string
    public var format: Format?
    public var isRequired = false
    public var isSecret = false
    /// Choices; empty when any value will do.
    public var choices: [String] = []
    public var summary: String?
    /// Documentation only.
    public var example: JSONValue?
    /// Given when the user gives none.
    public var defaultValue: JSONValue?

    public init(name: String) { self.name = name }

    /// Why a value does not fit; what follows `server.property: `. Never repeats the value.
    struct Mismatch: Error, Equatable { var reason: String }

    /// The value as this property takes it; nil when it counts as unset (null, empty text, empty array).
    func convert(_ value: JSONValue, home: String) throws(Mismatch) -> SettingValue? {
        switch (kind, value) {
        case (_, .null): return nil
        case (.array, .array(let elements)):
            return try list(elements, home)
        case (.array, _): return try list([value], home)
        case (.boolean, _):
            if value.stringValue == "" { return nil }
            return .flag(try flag(value))
        default:
            let text = try scalar(value, kind, home)
            return text.isEmpty ? nil : .text(text)
        }
    }

    private func list(_ elements: [JSONValue], _ home: String) throws(Mismatch) -> SettingValue? {
        guard elements.count <= CatalogLimits.itemsMax else {
            throw Mismatch(reason: "has more than \(CatalogLimits.itemsMax) items")
        }
        var texts: [String] = []
        for element in elements {
            let text = try scalar(element, items, home)
            if !text.isEmpty { texts.append(text) }
        }
        return texts.isEmpty ? nil : .list(texts)
    }

    private func flag(_ value: JSONValue) throws(Mismatch) -> Bool {
        switch value {
        case .bool(let flag): return flag
        case .integer(1), .string("true"), .string("True"), .string("TRUE"), .string("1"): return true
        case .integer(0), .string("false"), .string("False"), .string("FALSE"), .string("0"): return false
        default: throw Mismatch(reason: "must be true or false")
        }
    }

    /// A scalar as text of the wanted kind; empty for unset.
    private func scalar(_ value: JSONValue, _ wanted: Kind, _ home: String) throws(Mismatch) -> String {
        let text: String
        switch value {
        case .null: return ""
        case .string(let given): text = given
        case .integer(let number): text = String(number)
        case .number(_, let digits): text = digits
        case .bool(let flag) where wanted == .string: text = flag ? "true" : "false"
        default: throw Mismatch(reason: "must be \(article), not \(value.kindName)")
        }
        guard !text.isEmpty else { return "" }
        guard text.utf8.count <= CatalogLimits.valueBytesMax else {
            throw Mismatch(reason: "is longer than \(CatalogLimits.valueBytesMax) bytes")
        }
        guard !text.utf8.contains(0) else { throw Mismatch(reason: "must not contain a NUL character") }
        let fitting = try fit(text, wanted, home)
        guard choices.isEmpty || choices.contains(fitting) else {
            throw Mismatch(reason: "must be one of \(choices.map { "\"\($0)\"" }.joined(separator: ", "))")
        }
        return fitting
    }

    private func fit(_ text: String, _ wanted: Kind, _ home: String) throws(Mismatch) -> String {
        switch wanted {
        case .integer:
            if let number = Int(text) { return String(number) }
            // JSON of some languages has 5.0 for 5.
            if let number = Double(text).flatMap({ Int(exactly: $0) }) { return String(number) }
            throw Mismatch(reason: "must be an integer")
        case .number:
            guard let number = Double(text), number.isFinite else {
                throw Mismatch(reason: "must be a number")
            }
            return text
        default: break
        }
        switch format {
        case .path: return try path(text, home)
        case .timezone:
            guard Self.looksLikeTimezone(text) else {
                throw Mismatch(reason: "must be the name of a time zone, such as \"Europe/Berlin\"")
            }
            return text
        case nil: return text
        }
    }

    private func path(_ text: String, _ home: String) throws(Mismatch) -> String {
        if text == "~" { return home }
        if text.hasPrefix("~/") { return (home == "/" ? "" : home) + text.dropFirst(1) }
        guard text.hasPrefix("/") else {
            throw Mismatch(reason: "must be an absolute path, or begin with ~/")
        }
        return text
    }

    /// `Area/Place`, `UTC`, `Etc/GMT+3`, `EST5EDT`: whether there is such a zone its server knows.
    private static func looksLikeTimezone(_ text: String) -> Bool {
        guard let first = text.utf8.first, first | 0x20 >= 0x61, first | 0x20 <= 0x7A else { return false }
        return text.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2D, 0x2F, 0x5F: true
            default: false
            }
        }
    }

    /// What a message calls a fitting value.
    var article: String {
        switch kind {
        case .string: format == .path ? "a path" : "a string"
        case .integer: "an integer"
        case .number: "a number"
        case .boolean: "true or false"
        case .array: "an array of \(items.rawValue)s"
        }
    }
}
