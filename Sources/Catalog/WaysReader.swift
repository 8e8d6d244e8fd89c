import Wire

/// Reads how an entry's server is run or reached; every reference in it has to be a property of the entry.
struct WaysReader {
    let fields: FieldReader
    let properties: [ConfigProperty]

    func read() -> Ways {
        var ways = Ways()
        let run = fields.object("run")
        run?.expect(["oci", "pypi", "npm", "containerTools"])
        ways.pypi = run?.object("pypi").flatMap(package)
        ways.npm = run?.object("npm").flatMap(package)
        ways.oci = run?.object("oci").flatMap(image)
        ways.remote = fields.object("remote").flatMap(remote)
        ways.hasContainerTools = run.map(containerTools) ?? false
        if run == nil, fields.object["remote"] == nil {
            fields.mistake("run", "required where there is no remote, and missing")
        } else if let run, run.object.isEmpty {
            fields.mistake("run", "must have one of oci, pypi, npm, containerTools")
        }
        return ways
    }

    // MARK: Ways

    private func package(_ fields: FieldReader) -> Ways.Package? {
        fields.expect([
            "package", "version", "command", "args", "env", "match", "requiresPython", "constraints",
            "overrides",
            "verified", "notes",
        ])
        let launch = launch(fields)
        let match = fields.string("match")
        let version = fields.word("version") ?? ""
        guard let name = fields.word("package", required: true) else { return nil }
        return Ways.Package(
            name: name, version: version, command: fields.word("command"), launch: launch,
            requiresPython: fields.string("requiresPython"), constraints: requirements("constraints", fields),
            overrides: requirements("overrides", fields),
            isSameProgram: match == nil || match == "same-source" || match == "upstream")
    }

    /// They become lines of a requirements file, where a dash begins an option.
    private func requirements(_ name: String, _ fields: FieldReader) -> [String] {
        let texts = fields.strings(name)
        for (index, text) in texts.enumerated()
        where text.hasPrefix("-") || !text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F }) {
            fields.mistake("\(name)[\(index)]", "must be a requirement such as mcp<2")
        }
        return texts
    }

    private func image(_ fields: FieldReader) -> Ways.Image? {
        fields.expect(["image", "args", "env", "volumes", "user", "network", "longLived"])
        let launch = launch(fields)
        let volumes = fields.objects("volumes").compactMap(volume)
        let user = fields.template("user").map { checked($0, "user", fields, arrays: 0) }
        let network = fields.object("network").map(network) ?? .any
        guard let reference = fields.word("image", required: true) else { return nil }
        guard Names.isImage(reference) else {
            fields.mistake("image", "\"\(shown(reference))\" is not an image reference")
            return nil
        }
        return Ways.Image(
            reference: reference, launch: launch, volumes: volumes, user: user, network: network)
    }

    private func volume(_ fields: FieldReader) -> Ways.Volume? {
        fields.expect(["kind", "source", "target", "readOnly"])
        let kind = fields.choice("kind", ContainerImage.Volume.Kind.self, required: true)
        guard let source = fields.template("source", required: true),
            let target = fields.template("target", required: true), let kind
        else { return nil }
        check(source.references + target.references, "source", fields, arrays: 1)
        return Ways.Volume(kind: kind, source: source, target: target, readOnly: fields.bool("readOnly"))
    }

    private func network(_ fields: FieldReader) -> Ways.Network {
        fields.expect(["mode", "allowHosts"])
        switch fields.string("mode", required: true) {
        case "none": return .none
        case "allowlist":
            let hosts = fields.strings("allowHosts")
            if hosts.isEmpty { fields.mistake("allowHosts", "required with mode allowlist, and missing") }
            for (index, host) in hosts.enumerated() where !Names.isHostAndPort(host) {
                fields.mistake("allowHosts[\(index)]", "\"\(shown(host))\" is not HOST:PORT")
            }
            return .hosts(hosts)
        case let mode?:
            fields.mistake("mode", "\"\(shown(mode))\" is not one of none, allowlist")
            return .any
        case nil: return .any
        }
    }

    private func remote(_ fields: FieldReader) -> Ways.Remote? {
        fields.expect(["transport", "url", "headers"])
        let transport = fields.choice("transport", RemoteEndpoint.Transport.self, required: true)
        let headers = named("headers", fields, "a header's name", Names.isHeader)
        guard fields.url("url") != nil else {
            if fields.object["url"] == nil { fields.mistake("url", "required, and missing") }
            return nil
        }
        guard let url = fields.template("url"), let transport else { return nil }
        return Ways.Remote(transport: transport, url: checked(url, "url", fields), headers: headers)
    }

    /// They are not run here; what they have to have is looked at, so that `check` is of use for others.
    private func containerTools(_ run: FieldReader) -> Bool {
        let tools = run.objects("containerTools")
        for tool in tools {
            tool.expect(["name", "summary", "inputSchema", "image", "args", "volumes"])
            _ = tool.string("name", required: true)
            _ = tool.word("image", required: true)
            if let schema = tool.value("inputSchema", required: true), schema.objectValue == nil {
                tool.mistake("inputSchema", "must be an object, not \(schema.kindName)")
            }
        }
        return !tools.isEmpty
    }

    // MARK: Arguments and variables

    private func launch(_ fields: FieldReader) -> Ways.Launch {
        Ways.Launch(
            arguments: fields.array("args").enumerated().compactMap { argument($1, "args[\($0)]", fields) },
            environment: named("env", fields, "a variable's name", Names.isVariable))
    }

    private func argument(_ value: JSONValue, _ field: String, _ fields: FieldReader) -> Argument? {
        switch value {
        case .string(let text):
            return fields.template(text, at: field).map { .one(checked($0, field, fields)) }
        case .array(let elements):
            let templates = templates(elements, field, fields)
            guard let templates, templates.count >= 2 else {
                return fields.wrong(field, "a group of at least two strings", value)
            }
            check(templates.flatMap(\.references), field, fields, arrays: 1)
            return .group(templates)
        case .object(let object):
            let inner = FieldReader(object, place: fields.place(of: field), isInner: true, fields.findings)
            return conditional(inner)
        default:
            return fields.wrong(field, "a string, a group (array) or a condition (object)", value)
        }
    }

    private func conditional(_ fields: FieldReader) -> Argument? {
        fields.expect(["when", "args"])
        guard let flag = fields.string("when", required: true) else { return nil }
        if properties.first(where: { $0.name == flag })?.kind != .boolean {
            fields.mistake("when", "\"\(shown(flag))\" is not a boolean property of this server")
        }
        guard let templates = templates(fields.array("args", required: true), "args", fields) else {
            fields.mistake("args", "must be an array of strings")
            return nil
        }
        for template in templates { check(template.references, "args", fields, arrays: 1) }
        return .when(flag, templates)
    }

    /// Nil when an element is no string.
    private func templates(_ elements: [JSONValue], _ field: String, _ fields: FieldReader) -> [Template]? {
        let texts = elements.compactMap(\.stringValue)
        guard texts.count == elements.count else { return nil }
        return texts.compactMap { fields.template($0, at: field) }
    }

    private func named(
        _ name: String, _ fields: FieldReader, _ what: String, _ isName: (String) -> Bool
    ) -> [NamedTemplate] {
        guard let object = fields.object(name) else { return [] }
        return object.object.members.compactMap { member in
            guard isName(member.name) else {
                fields.mistake(name, "\"\(shown(member.name))\" is not \(what)")
                return nil
            }
            guard let text = member.value.stringValue else {
                return object.wrong(member.name, "a string", member.value)
            }
            guard let template = object.template(text, at: member.name) else { return nil }
            return NamedTemplate(
                name: member.name, template: checked(template, member.name, object, arrays: .max))
        }
    }

    // MARK: References

    private func checked(
        _ template: Template, _ field: String, _ fields: FieldReader, arrays: Int = 1
    ) -> Template {
        check(template.references, field, fields, arrays: arrays)
        return template
    }

    /// - Parameter arrays: how many properties that are arrays may stand together here.
    private func check(_ references: [String], _ field: String, _ fields: FieldReader, arrays: Int) {
        var seen: Set<String> = []
        for name in references {
            guard let property = properties.first(where: { $0.name == name }) else {
                fields.mistake(field, "${config.\(shown(name))} is not a property of this server")
                continue
            }
            if property.kind == .array { seen.insert(name) }
        }
        guard seen.count > arrays else { return }
        let names = seen.sorted().joined(separator: ", ")
        fields.mistake(
            field,
            arrays == 0 ? "\(names) is an array, one value is needed" : "refers to several arrays: \(names)")
    }
}
