import Wire

/// The settings of one server, by property name, defaults applied.
struct Settings: Sendable, Equatable {
    private(set) var values: [String: SettingValue] = [:]

    init(_ values: [String: SettingValue] = [:]) { self.values = values }

    subscript(_ name: String) -> SettingValue? { values[name] }

    /// Reads what a user wrote for `server`. What is wrong goes to `mistakes`, all of it; the result is then
    /// of no use.
    /// - Parameter caller: the server's name in the user's words.
    init(
        reading value: JSONValue, of server: CatalogServer, caller: String, home: String,
        suggests: Bool = true, _ mistakes: inout [ConfigurationError]
    ) {
        var reader = Reader(server: server, caller: caller, home: home, suggests: suggests)
        reader.read(value)
        reader.applyDefaults()
        reader.checkRequired()
        values = reader.values
        mistakes += reader.mistakes
    }

    private struct Reader {
        let server: CatalogServer
        let caller: String
        let home: String
        let suggests: Bool
        var values: [String: SettingValue] = [:]
        /// Under which names a property was written.
        var written: [String: String] = [:]
        var mistakes: [ConfigurationError] = []

        mutating func read(_ value: JSONValue) {
            if value.boolValue == true { return }
            guard let object = value.objectValue else {
                let what = value.boolValue == false ? "false" : "\(value.kindName)"
                mistakes.append(.init(caller, reason: "must be an object of settings or true, not \(what)"))
                return
            }
            var count = 0
            // Flattened with dots, in order: a stack of members, the next one last.
            var stack = object.members.reversed().map { ($0.name, $0.value) }
            while let (path, value) = stack.popLast() {
                count += 1
                guard count <= CatalogLimits.settingsMax else {
                    let reason = "has more than \(CatalogLimits.settingsMax) settings"
                    mistakes.insert(.init(caller, reason: reason), at: 0)
                    return
                }
                if let property = server.property(path) {
                    take(property, path, value)
                } else if let inner = value.objectValue, !inner.isEmpty {
                    stack += inner.members.reversed().map { ("\(path).\($0.name)", $0.value) }
                } else {
                    unknown(path)
                }
            }
        }

        private mutating func take(_ property: ConfigProperty, _ path: String, _ value: JSONValue) {
            do throws(ConfigProperty.Mismatch) {
                let setting = try property.convert(value, home: home)
                if let other = written[property.name] {
                    let reason = "given twice, as \"\(shown(other))\" and as \"\(shown(path))\""
                    mistakes.append(.init(caller, path, reason: reason))
                    return
                }
                written[property.name] = path
                values[property.name] = setting
            } catch {
                written[property.name] = path
                mistakes.append(.init(caller, path, reason: error.reason))
            }
        }

        private mutating func unknown(_ path: String) {
            var near: [String] = []
            if suggests {
                near = Nearest.ranked(
                    path,
                    server.properties.flatMap { property in
                        ([property.name] + property.aliases).map { ($0, property.name) }
                    }, limit: 2)
            }
            mistakes.append(
                .init(
                    caller, path, reason: "unknown property" + (near.isEmpty ? known : Nearest.question(near))
                ))
        }

        /// For somebody whose guess is far off.
        private var known: String {
            let names = server.properties.map(\.name)
            if names.isEmpty { return "; \(server.key) takes no settings" }
            let listed = names.prefix(8).joined(separator: ", ") + (names.count > 8 ? ", …" : "")
            return "; \(server.key) knows \(listed)"
        }

        mutating func applyDefaults() {
            for property in server.properties where values[property.name] == nil {
                guard let value = property.defaultValue else { continue }
                // Known to fit: checked when the catalog was read.
                values[property.name] = (try? property.convert(value, home: home)) ?? nil
            }
        }

        mutating func checkRequired() {
            for property in server.properties where property.isRequired && values[property.name] == nil {
                // One mistake about it is enough.
                if written[property.name] == nil {
                    mistakes.append(.init(caller, property.name, reason: "required, and missing"))
                } else if mistakes.allSatisfy({ $0.property != written[property.name] }) {
                    mistakes.append(.init(caller, written[property.name], reason: "required, and empty"))
                }
            }
            guard !server.requireAnyOf.isEmpty, mistakes.isEmpty else { return }
            let isMet = server.requireAnyOf.contains { $0.allSatisfy { values[$0] != nil } }
            guard !isMet else { return }
            let ways = server.requireAnyOf.map { $0.joined(separator: " with ") }.joined(separator: ", or ")
            mistakes.append(
                .init(caller, server.requireAnyOf.first?.first, reason: "at least one is required: \(ways)"))
        }
    }
}
