/// A text with `${config.NAME}` in it, which stands for the value of the property NAME. `$${` is a literal
/// `${`; there is nothing else. Values are inserted as text, never through a shell.
struct Template: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        case literal(String)
        case reference(String)
    }

    private(set) var parts: [Part] = []

    /// Why a text is no template.
    struct Mistake: Error, Equatable { var reason: String }

    init(literal text: String) { parts = text.isEmpty ? [] : [.literal(text)] }

    init(parsing text: String) throws(Mistake) {
        var rest = text[...]
        var literal = ""
        while let at = rest.firstIndex(of: "$") {
            literal += rest[..<at]
            rest = rest[at...]
            if rest.hasPrefix("$${") {
                literal += "${"
                rest = rest.dropFirst(3)
            } else if rest.hasPrefix("${") {
                guard let end = rest.firstIndex(of: "}") else {
                    throw Mistake(reason: "a reference without its closing brace")
                }
                let inner = rest[rest.index(rest.startIndex, offsetBy: 2)..<end]
                guard inner.hasPrefix("config."), inner.count > "config.".count else {
                    throw Mistake(
                        reason: "unknown reference ${\(shown(String(inner)))}; only ${config.NAME} is known")
                }
                if !literal.isEmpty { parts.append(.literal(literal)) }
                literal = ""
                parts.append(.reference(String(inner.dropFirst("config.".count))))
                rest = rest[rest.index(after: end)...]
            } else {
                literal += "$"
                rest = rest.dropFirst()
            }
        }
        literal += rest
        if !literal.isEmpty { parts.append(.literal(literal)) }
    }

    var references: [String] {
        parts.compactMap { if case .reference(let name) = $0 { name } else { nil } }
    }

    // MARK: Filling in

    /// For an environment variable, a header or a user: nil when a value is unset; arrays joined with commas.
    func joined(_ settings: Settings, encode: (String) -> String = { $0 }) -> String? {
        var out = ""
        for part in parts {
            switch part {
            case .literal(let text): out += text
            case .reference(let name):
                guard let value = settings[name] else { return nil }
                out += encode(value.joined)
            }
        }
        return out
    }

    /// For an argument: as often as the array that it refers to has items, once without one, not at all when
    /// a value is unset.
    func repeated(_ settings: Settings) -> [String] { Template.repeated([self], settings).flatMap(\.self) }

    /// For a group or a volume: all of it is repeated, or left out, as one.
    static func repeated(_ templates: [Template], _ settings: Settings) -> [[String]] {
        let names = templates.flatMap(\.references)
        var times = 1
        for name in names {
            guard let value = settings[name] else { return [] }
            if case .list(let items) = value { times = items.count }
        }
        return (0..<times).map { turn in templates.map { $0.text(settings, turn) } }
    }

    /// With the item of `turn` of an array. Every value is known to be there, and at most one is an array.
    private func text(_ settings: Settings, _ turn: Int) -> String {
        parts.reduce(into: "") { out, part in
            switch part {
            case .literal(let text): out += text
            case .reference(let name):
                switch settings[name] {
                case .list(let items): out += items.indices.contains(turn) ? items[turn] : ""
                case let value?: out += value.joined
                case nil: break
                }
            }
        }
    }
}

/// The value of one property.
enum SettingValue: Sendable, Equatable {
    case text(String)
    case flag(Bool)
    case list([String])

    var joined: String {
        switch self {
        case .text(let text): text
        case .flag(let flag): flag ? "true" : "false"
        case .list(let items): items.joined(separator: ",")
        }
    }

    var texts: [String] {
        switch self {
        case .text(let text): [text]
        case .flag: []
        case .list(let items): items
        }
    }
}
