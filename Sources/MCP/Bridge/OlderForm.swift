import Wire

/// Forms as 2025-06-18 has them: fields are texts, numbers, yes or no, and one of several texts. Later revisions have
/// titles with the values of a selection, selections of several values, and defaults of every kind of field.
struct OlderForm {
    let revision: Revision

    /// Nil when the revision has all forms.
    init?(_ revision: Revision) {
        guard revision < .v2025_11_25 else { return nil }
        self.revision = revision
    }

    /// The params of `elicitation/create`, raw. Throws what has no form in the revision, in words for the server:
    /// a form without one of its fields would be another one.
    func params(_ params: [UInt8]) throws(RPCFailure) -> [UInt8] {
        guard case .object(var object)? = try? JSONValue.parse(params),
            case .object(var schema)? = object["requestedSchema"]
        else { return params }
        schema["$schema"] = nil
        if case .object(let properties)? = schema["properties"] {
            var known = JSONObject()
            for field in properties { known[field.name] = try self.field(field.value, field.name) }
            schema["properties"] = .object(known)
        }
        object["requestedSchema"] = .object(schema)
        return JSONValue.object(object).serialized()
    }

    private func field(_ value: JSONValue, _ name: String) throws(RPCFailure) -> JSONValue {
        guard case .object(var field) = value else { return value }
        guard field["type"] != "array" else {
            throw unsayable(name, "is a selection of several values (type array)")
        }
        if field["type"] != "boolean" { field["default"] = nil }
        guard let options = field["oneOf"] else { return .object(field) }
        guard let (values, titles) = Self.selection(options) else {
            throw unsayable(name, "has a oneOf of other things than texts with titles")
        }
        field["oneOf"] = nil
        field["type"] = "string"
        field["enum"] = .array(values)
        field["enumNames"] = .array(titles)
        return .object(field)
    }

    /// The values and titles of `[{"const", "title"}]`; nil when it is something else.
    private static func selection(_ options: JSONValue) -> (values: [JSONValue], titles: [JSONValue])? {
        guard let options = options.arrayValue else { return nil }
        var values: [JSONValue] = []
        var titles: [JSONValue] = []
        for option in options {
            guard let value = option["const"]?.stringValue else { return nil }
            values.append(.string(value))
            titles.append(.string(option["title"]?.stringValue ?? value))
        }
        return (values, titles)
    }

    private func unsayable(_ name: String, _ what: StaticString) -> RPCFailure {
        let field = Array(name.utf8).withUnsafeBytes { RPCFailure.quoted($0) }
        return RPCFailure(
            httpStatus: 200, code: RPCCode.invalidParams,
            message:
                "the client cannot be asked: requestedSchema.properties.\(field) \(what), which its protocol "
                + "revision \(revision.text) has no form for")
    }
}
