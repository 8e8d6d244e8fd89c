import Catalog
import Gateway

/// A mistake of a configuration file, as `FILE:LINE: KEY: what is wrong`.
struct FileMistake: Error, Equatable, CustomStringConvertible {
    var file: String
    var line: Int
    /// Empty when the file as a whole is wrong.
    var key: String
    var message: String

    var description: String { "\(file):\(line): \(key.isEmpty ? "" : key + ": ")\(message)" }
}

/// Every mistake of a file, one a line.
struct FileMistakes: Error, CustomStringConvertible {
    var mistakes: [FileMistake]

    var description: String { mistakes.map(\.description).joined(separator: "\n") }
}

/// The operator's YAML file: the settings by their names, `tls` and `limits`. Reads on after a mistake, so that
/// all of them are told at once.
struct SettingsFile {
    /// Bytes of a configuration file.
    static let bytesMax = 1 << 20

    private let file: String
    private let folder: String
    private var settings = Settings()
    private var mistakes: [FileMistake] = []

    static func parse(_ bytes: [UInt8], file: String) throws(FileMistakes) -> Settings {
        let root: YAMLNode?
        do throws(YAMLError) {
            root = try YAMLDocument.parse(bytes)
        } catch {
            let mistake = FileMistake(file: file, line: error.line, key: "", message: error.message)
            throw FileMistakes(mistakes: [mistake])
        }
        var reader = SettingsFile(file: file)
        if let root, !root.isNull { reader.readRoot(root) }
        guard reader.mistakes.isEmpty else { throw FileMistakes(mistakes: reader.mistakes) }
        return reader.settings
    }

    private init(file: String) {
        self.file = file
        let slash = file.lastIndex(of: "/")
        folder = slash.map { $0 == file.startIndex ? "/" : String(file[..<$0]) } ?? "."
    }

    // MARK: Keys

    private static let ownForms = ["tls", "limits"]

    private mutating func readRoot(_ root: YAMLNode) {
        let known = Setting.all.map(\.name) + Self.ownForms
        for (key, node) in members(of: root, "", known) {
            switch key {
            case "tls": readCertificates(node)
            case "limits": readLimits(node)
            default: Setting.named(key).map { readSetting($0, node) }
            }
        }
        if (settings.tlsCertificate == nil) != (settings.tlsKey == nil) {
            let missing = settings.tlsKey == nil ? "tls-key" : "tls-cert"
            fail(root.line, missing, "tls-cert and tls-key come together; \(missing) is missing")
        }
    }

    private mutating func readSetting(_ setting: Setting, _ node: YAMLNode) {
        switch node.content {
        case _ where node.isNull: return
        case .scalar(let text, _): read(setting, text, node.line)
        case .sequence(let nodes) where setting.isList:
            for item in nodes {
                guard let text = item.text else {
                    fail(item.line, setting.name, "an item is a single value, not \(item.kindName)")
                    continue
                }
                read(setting, text, item.line)
            }
        case .sequence, .mapping:
            let wanted = setting.isList ? "a single value or a list" : "a single value"
            fail(node.line, setting.name, "must be \(wanted), not \(node.kindName)")
        }
    }

    private mutating func read(_ setting: Setting, _ text: String, _ line: Int) {
        do throws(SettingMistake) {
            try setting.read(text, folder, &settings)
        } catch {
            fail(line, setting.name, error.message)
        }
    }

    /// `tls: [{cert: FILE, key: FILE}, …]`; one without the list is taken too.
    private mutating func readCertificates(_ node: YAMLNode) {
        var items = [node]
        if case .sequence(let nodes) = node.content { items = nodes }
        for item in items {
            var files: [String: String] = [:]
            for (key, value) in members(of: item, "tls", ["cert", "key"]) {
                files[key] = path(value, "tls.\(key)")
            }
            guard let certificate = files["cert"], let key = files["key"] else {
                if case .mapping(let entries) = item.content, entries.count < 2 {
                    fail(item.line, "tls", "needs both cert: FILE and key: FILE")
                }
                continue
            }
            let pair = GatewayConfiguration.Certificate(certificateFile: certificate, keyFile: key)
            settings.certificates = (settings.certificates ?? []) + [pair]
        }
    }

    private mutating func readLimits(_ node: YAMLNode) {
        var limits = GatewayConfiguration.AdjustableLimits()
        for (key, value) in members(of: node, "limits", LimitSetting.all.map(\.name)) {
            guard let limit = LimitSetting.all.first(where: { $0.name == key }) else { continue }
            do throws(SettingMistake) {
                guard let text = value.text else {
                    throw SettingMistake(message: "must be a whole number, not \(value.kindName)")
                }
                limit.set(&limits, try SettingValue.number(text, in: limit.range))
            } catch {
                fail(value.line, "limits.\(key)", error.message)
            }
        }
        settings.limits = limits
    }

    // MARK: Nodes

    private mutating func path(_ node: YAMLNode, _ key: String) -> String? {
        do throws(SettingMistake) {
            guard let text = node.text else {
                throw SettingMistake(message: "must be a path, not \(node.kindName)")
            }
            return try SettingValue.path(text, from: folder)
        } catch {
            fail(node.line, key, error.message)
            return nil
        }
    }

    /// The members of a mapping whose keys are known; the others, and a key's second appearance, are mistakes.
    private mutating func members(of node: YAMLNode, _ place: String, _ known: [String]) -> [(
        String, YAMLNode
    )] {
        guard case .mapping(let entries) = node.content else {
            fail(node.line, place, "must be a mapping of KEY: VALUE lines, not \(node.kindName)")
            return []
        }
        var lines: [String: Int] = [:]
        var found: [(String, YAMLNode)] = []
        for entry in entries {
            let name = entry.key.text ?? ""
            let key = place.isEmpty ? name : "\(place).\(name)"
            if !known.contains(name) {
                fail(
                    entry.key.line, key,
                    "unknown key" + Nearest.question(Nearest.of(name, in: known, limit: 1)))
            } else if let line = lines[name] {
                fail(entry.key.line, key, "is set on line \(line) already")
            } else {
                lines[name] = entry.key.line
                found.append((name, entry.value))
            }
        }
        return found
    }

    private mutating func fail(_ line: Int, _ key: String, _ message: String) {
        mistakes.append(FileMistake(file: file, line: line, key: key, message: message))
    }
}
