import Wire

/// Takes the fields of one JSON object of a catalog file, and notes each that is missing or of another kind.
/// Fields it is not asked for are ignored, with a warning.
struct FieldReader {
    let object: JSONObject
    /// Such as `servers[3] "time"` or `servers[3] "time": run.pypi`.
    let place: String
    /// Whether `place` ends within an entry already.
    let isInner: Bool
    let findings: Findings

    init(_ object: JSONObject, place: String, isInner: Bool = false, _ findings: Findings) {
        self.object = object
        self.place = place
        self.isInner = isInner
        self.findings = findings
    }

    func place(of field: String) -> String {
        if place.isEmpty { return field }
        return isInner ? "\(place).\(field)" : "\(place): \(field)"
    }

    func mistake(_ field: String, _ reason: String) { findings.mistake(place(of: field), reason) }

    /// Warns of every field that is not in `names`.
    func expect(_ names: [String]) {
        for member in object where !names.contains(member.name) {
            let near = Nearest.of(member.name, in: names, limit: 1)
            findings.warning(
                place(of: shown(member.name)), "unknown field, ignored" + Nearest.question(near))
        }
    }

    // MARK: Fields

    /// The value, or nil with a mistake when it is required and not there. Null is not there.
    func value(_ name: String, required: Bool = false) -> JSONValue? {
        guard let value = object[name], !value.isNull else {
            if required { mistake(name, "required, and missing") }
            return nil
        }
        return value
    }

    func string(_ name: String, required: Bool = false) -> String? {
        guard let value = value(name, required: required) else { return nil }
        guard let text = value.stringValue else { return wrong(name, "a string", value) }
        guard !text.isEmpty, !text.utf8.contains(0) else {
            mistake(name, text.isEmpty ? "must not be empty" : "must not contain a NUL character")
            return nil
        }
        return text
    }

    /// A string that may do harm where it stands in a command: nothing that looks like an option, no blanks.
    func word(_ name: String, required: Bool = false) -> String? {
        guard let text = string(name, required: required) else { return nil }
        guard !text.hasPrefix("-"), text.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else {
            mistake(name, "must not begin with a dash or contain blanks")
            return nil
        }
        return text
    }

    func url(_ name: String) -> String? {
        guard let text = string(name) else { return nil }
        guard text.hasPrefix("https://") || text.hasPrefix("http://") else {
            mistake(name, "must begin with https:// or http://")
            return nil
        }
        return text
    }

    func bool(_ name: String) -> Bool {
        guard let value = value(name) else { return false }
        return value.boolValue ?? wrong(name, "true or false", value) ?? false
    }

    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: String, _ type: Choice.Type, required: Bool = false
    ) -> Choice? where Choice.RawValue == String {
        guard let text = string(name, required: required) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            let all = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            mistake(name, "\"\(shown(text))\" is not one of \(all)")
            return nil
        }
        return choice
    }

    func array(_ name: String, required: Bool = false) -> [JSONValue] {
        guard let value = value(name, required: required) else { return [] }
        return value.arrayValue ?? wrong(name, "an array", value) ?? []
    }

    func strings(_ name: String) -> [String] {
        array(name).enumerated().compactMap { index, element in
            if let text = element.stringValue, !text.isEmpty { return text }
            mistake("\(name)[\(index)]", "must be a string that is not empty")
            return nil
        }
    }

    func object(_ name: String) -> FieldReader? {
        guard let value = value(name) else { return nil }
        guard let object = value.objectValue else { return wrong(name, "an object", value) }
        return FieldReader(object, place: place(of: name), isInner: true, findings)
    }

    /// The elements of an array that have to be objects.
    func objects(_ name: String) -> [FieldReader] {
        array(name).enumerated().compactMap { index, element in
            let field = "\(name)[\(index)]"
            guard let object = element.objectValue else { return wrong(field, "an object", element) }
            return FieldReader(object, place: place(of: field), isInner: true, findings)
        }
    }

    func template(_ name: String, required: Bool = false) -> Template? {
        guard let text = string(name, required: required) else { return nil }
        return template(text, at: name)
    }

    /// - Parameter field: where `text` stands.
    func template(_ text: String, at field: String) -> Template? {
        if text.contains("{{") {
            findings.warning(place(of: field), "\"{{\" is taken as it is; settings are ${config.NAME} here")
        }
        do throws(Template.Mistake) {
            return try Template(parsing: text)
        } catch {
            mistake(field, error.reason)
            return nil
        }
    }

    func wrong<T>(_ name: String, _ wanted: String, _ value: JSONValue) -> T? {
        mistake(name, "must be \(wanted), not \(value.kindName)")
        return nil
    }
}
