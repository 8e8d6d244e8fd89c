import Wire

/// E2B's `"github/<owner>/<repo>": {"runCmd": "…", "installCmd": "…", "envs": {}}`. Python users write
/// `run_cmd` and `install_cmd`, and E2B's SDK sends both as they are.
struct RepositoryServer {
    static let prefix = "github/"
    private static let properties = ["runCmd", "installCmd", "env"]

    let name: String

    func plan(_ value: JSONValue, _ mistakes: inout [ConfigurationError]) -> ServerPlan? {
        let before = mistakes.count
        let parts = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, Self.isOwner(parts[1]), Self.isRepository(parts[2]) else {
            mistakes.append(.init(name, reason: "must be github/<owner>/<repository>, as on github.com"))
            return nil
        }
        guard let object = value.objectValue else {
            mistakes.append(.init(name, reason: "must be an object with runCmd, not \(value.kindName)"))
            return nil
        }
        let fields = CallerFields(name, object)
        fields.expect(Self.properties, also: ["run_cmd", "install_cmd", "envs"], &mistakes)
        let install = command("installCmd", "install_cmd", fields, &mistakes)
        let run = command("runCmd", "run_cmd", fields, &mistakes)
        if run == nil, mistakes.count == before {
            mistakes.append(.init(name, "runCmd", reason: "required, and missing"))
        }
        let variables = fields.environment(&mistakes)
        guard let run, mistakes.count == before else { return nil }
        let repository = Repository(
            owner: parts[1], name: parts[2], installCommand: install, runCommand: run)
        var plan = ServerPlan(
            name: name, key: name, source: .repository(repository), environment: variables.variables,
            secrets: variables.secrets)
        plan.nameHosts(run)
        return plan
    }

    /// A text as one would type it, or an array of words; nil when absent.
    private func command(
        _ property: String, _ other: String, _ fields: CallerFields, _ mistakes: inout [ConfigurationError]
    ) -> [String]? {
        let object = fields.object
        if object[property] != nil, object[other] != nil {
            let reason = "given twice, as \"\(property)\" and as \"\(other)\""
            mistakes.append(.init(name, other, reason: reason))
            return nil
        }
        let written = object[property] != nil ? property : other
        guard let value = object[written], !value.isNull, value != "" else { return nil }
        if value.arrayValue != nil { return fields.words(written, &mistakes) }
        guard let text = value.stringValue, text.utf8.count <= CatalogLimits.valueBytesMax,
            !text.utf8.contains(0), let words = CommandLine.words(text)
        else {
            mistakes.append(
                .init(name, written, reason: "must be a command as in a shell, with its quotes closed"))
            return nil
        }
        return words
    }

    /// 1 to 39 letters and digits with single dashes between them.
    static func isOwner(_ text: String) -> Bool {
        text.utf8.count <= 39
            && text.split(separator: "-", omittingEmptySubsequences: false).allSatisfy { word in
                !word.isEmpty && word.utf8.allSatisfy(Names.isAlphanumeric)
            }
    }

    /// 1 to 100 letters, digits and `._-`; not a directory's name for itself or its parent, nor an option.
    static func isRepository(_ text: String) -> Bool {
        (1...100).contains(text.utf8.count) && text != "." && text != ".." && !text.hasPrefix("-")
            && text.utf8.allSatisfy { Names.isAlphanumeric($0) || "._-".utf8.contains($0) }
    }
}
