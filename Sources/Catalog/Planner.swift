import Wire

/// Fills one entry's way of running with a user's settings.
struct Planner {
    let server: CatalogServer
    /// The server's name in the user's words.
    let caller: String
    let settings: Settings
    let policy: PlanPolicy

    func plan(_ mistakes: inout [ConfigurationError]) -> ServerPlan? {
        let before = mistakes.count
        var plan = ServerPlan(name: caller, key: server.key, source: .unavailable(""), secrets: secrets)
        guard let runtime = policy.runtimes.first(where: server.ways.offers) else {
            plan.source = .unavailable(whatIsMissing)
            return plan
        }
        plan.hostPaths = hostPaths(runtime)
        var named = NamedHosts()
        named.add(settings, of: server)
        plan.configuredHosts = named.list
        fill(&plan, runtime, &mistakes)
        checkSize(plan, &mistakes)
        return mistakes.count == before ? plan : nil
    }

    private func fill(_ plan: inout ServerPlan, _ runtime: Runtime, _ mistakes: inout [ConfigurationError]) {
        let ways = server.ways
        switch runtime {
        case .pypi:
            guard let package = ways.pypi else { return }
            plan.source = .pypi(python(package))
            plan.environment = environment(package.launch)
            restrict(&plan, package.isSameProgram)
        case .npm:
            guard let package = ways.npm else { return }
            plan.source = .npm(
                NodePackage(
                    package: package.name, version: package.version, command: package.command,
                    arguments: arguments(package.launch)))
            plan.environment = environment(package.launch)
            restrict(&plan, package.isSameProgram)
        case .oci:
            guard let image = ways.oci else { return }
            plan.source = .oci(container(image))
            plan.environment = environment(image.launch)
            restrict(&plan, true)
        case .remote:
            guard let remote = ways.remote else { return }
            plan.source = .remote(endpoint(remote, &mistakes))
        }
    }

    // MARK: Programs

    private func python(_ package: Ways.Package) -> PythonPackage {
        PythonPackage(
            package: package.name, version: package.version, command: package.command,
            arguments: arguments(package.launch), constraints: package.constraints,
            overrides: package.overrides, requiresPython: package.requiresPython)
    }

    private func container(_ image: Ways.Image) -> ContainerImage {
        ContainerImage(
            image: image.reference, arguments: arguments(image.launch),
            volumes: image.volumes.flatMap(volumes), user: image.user.flatMap { $0.joined(settings) },
            networkNone: image.network == .none)
    }

    private func volumes(_ volume: Ways.Volume) -> [ContainerImage.Volume] {
        Template.repeated([volume.source, volume.target], settings).compactMap { pair in
            guard pair.count == 2 else { return nil }
            return ContainerImage.Volume(
                source: pair[0], target: pair[1], readOnly: volume.readOnly, kind: volume.kind)
        }
    }

    private func arguments(_ launch: Ways.Launch) -> [String] {
        launch.arguments.flatMap { $0.filled(settings) }
    }

    private func environment(_ launch: Ways.Launch) -> [EnvironmentVariable] {
        launch.environment.compactMap { variable in
            variable.template.joined(settings).map { EnvironmentVariable(name: variable.name, value: $0) }
        }
    }

    // MARK: Remote

    private func endpoint(_ remote: Ways.Remote, _ mistakes: inout [ConfigurationError]) -> RemoteEndpoint {
        // An unset value in the URL leaves nothing where it stood: there is no entry to leave out.
        let url = remote.url.parts.map { part in
            switch part {
            case .literal(let text): text
            case .reference(let name): PercentEncoding.encoded(settings[name]?.joined ?? "")
            }
        }
        let headers = remote.headers.compactMap { header in
            header.template.joined(settings).map { RemoteEndpoint.Header(name: header.name, value: $0) }
        }
        for header in headers where !Names.isHeaderValue(header.value) {
            let property = remote.headers.first { $0.name == header.name }?.template.references.first
            mistakes.append(
                .init(caller, property, reason: "is sent in a header and must not contain control characters")
            )
        }
        let lacksToken = server.oauth.map { settings[$0.tokenProperty] == nil } ?? false
        return RemoteEndpoint(
            transport: remote.transport, url: url.joined(), headers: headers,
            needsOAuth: lacksToken ? server.oauth?.provider : nil)
    }

    // MARK: What must be known around it

    /// What the registry says of the image's network holds for the same program from a package.
    private func restrict(_ plan: inout ServerPlan, _ isSameProgram: Bool) {
        guard isSameProgram, let network = server.ways.oci?.network else { return }
        switch network {
        case .any: break
        case .none: plan.noNetwork = true
        case .hosts(let hosts):
            let own = settings.values.values.flatMap(\.texts).compactMap(EndpointURL.hostAndPort).sorted()
            plan.allowedHosts = hosts + own.filter { !hosts.contains($0) }
        }
    }

    private func hostPaths(_ runtime: Runtime) -> [String] {
        let used = Set(server.ways.references(runtime))
        return server.properties.flatMap { property in
            property.format == .path && used.contains(property.name)
                ? settings[property.name]?.texts ?? [] : []
        }
    }

    private var secrets: [String] {
        var secrets = Secrets()
        for property in server.properties {
            guard let value = settings[property.name] else { continue }
            for text in value.texts {
                if property.isSecret { secrets.add(text) }
                secrets.addPassword(of: text)
            }
        }
        return secrets.values
    }

    private func checkSize(_ plan: ServerPlan, _ mistakes: inout [ConfigurationError]) {
        let total = settings.values.values.reduce(0) { $0 + $1.joined.utf8.count }
        guard total > CatalogLimits.launchBytesMax else { return }
        mistakes.append(
            .init(
                caller, reason: "its settings have more than \(CatalogLimits.launchBytesMax) bytes together"))
    }

    private var whatIsMissing: String {
        if server.runtimes.isEmpty {
            return "a container for each tool call, which this gateway does not start"
        }
        let needed = server.runtimes.map(\.needs).joined(separator: " or ")
        return "\(needed), which this gateway does not have or allow"
    }
}

extension CatalogServer {
    /// What has to be fetched before the server can run, without anything of a user's settings in it.
    public func program(_ policy: PlanPolicy = PlanPolicy()) -> Source {
        var none: [ConfigurationError] = []
        let planner = Planner(server: self, caller: key, settings: Settings(), policy: policy)
        return planner.plan(&none)?.source ?? .unavailable("nothing that could be fetched")
    }
}

/// Values that must never be shown.
struct Secrets {
    private(set) var values: [String] = []

    mutating func add(_ text: String) {
        if !text.isEmpty, !values.contains(text) { values.append(text) }
    }

    /// The password in `scheme://user:password@host`, also as it is without percent-encoding.
    mutating func addPassword(of text: String) {
        guard let authority = EndpointURL.split(text)?.authority, let at = authority.lastIndex(of: "@")
        else { return }
        let user = authority[..<at]
        guard let colon = user.firstIndex(of: ":") else { return }
        let password = String(user[user.index(after: colon)...])
        add(password)
        add(PercentEncoding.decoded(password))
    }

    /// A variable or header of the caller's own: secret when its name or its look says so.
    mutating func addLikely(_ name: String, _ value: String) {
        if Self.isLikely(name, value) { add(value) }
        addPassword(of: value)
    }

    static func isLikely(_ name: String, _ value: String) -> Bool {
        soundsSecret(name) || looksRandom(value)
    }

    private static let words = [
        "KEY", "TOKEN", "SECRET", "PASSW", "PWD", "CREDENTIAL", "AUTH", "COOKIE", "DSN", "CONNECTION",
        "SIGNATURE",
        "PRIVATE", "SESSION", "LICENSE",
    ]

    private static func soundsSecret(_ name: String) -> Bool {
        let upper = name.uppercased()
        return words.contains { upper.contains($0) }
    }

    /// 20 or more letters, digits and `-_+=.` with both letters and digits: what keys look like.
    private static func looksRandom(_ value: String) -> Bool {
        guard value.utf8.count >= 20 else { return false }
        let isPlain = value.utf8.allSatisfy { Names.isAlphanumeric($0) || "-_+=.".utf8.contains($0) }
        return isPlain && value.utf8.contains(where: Names.isDigit)
            && value.utf8.contains(where: Names.isLetter)
    }
}

/// RFC 3986 §2.
enum PercentEncoding {
    /// All but unreserved characters as `%XX`.
    static func encoded(_ text: String) -> String {
        let digits = Array("0123456789ABCDEF")
        var out = ""
        for byte in text.utf8 {
            if Names.isAlphanumeric(byte) || "-._~".utf8.contains(byte) {
                out.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                out.append("%")
                out.append(digits[Int(byte >> 4)])
                out.append(digits[Int(byte & 15)])
            }
        }
        return out
    }

    /// A `%` without two hexadecimal digits stays as it is.
    static func decoded(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var out: [UInt8] = []
        var i = 0
        while i < bytes.count {
            if bytes[i] == UInt8(ascii: "%"), i + 2 < bytes.count,
                let value = UInt8(String(decoding: bytes[(i + 1)...(i + 2)], as: UTF8.self), radix: 16)
            {
                out.append(value)
                i += 3
            } else {
                out.append(bytes[i])
                i += 1
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
