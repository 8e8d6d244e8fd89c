import System
import Wire

/// The four merged lists of a sandbox and the look-ups over them.
struct MergedLists: Sendable {
    let tools: MergedList
    let prompts: MergedList
    let resources: MergedList
    let templates: MergedList
    private let patterns: [Pattern]
    /// Schemes of listed URIs to the first server that lists one.
    private let schemes: NameTable

    private struct Pattern: Sendable {
        var template: URITemplate
        var owner: Owner
    }

    subscript(_ kind: ListKind) -> MergedList {
        switch kind {
        case .tools: tools
        case .prompts: prompts
        case .resources: resources
        case .templates: templates
        }
    }

    // Reaching for one field spares the call path the retains of a whole list.

    func tail(_ kind: ListKind) -> OwnedBytes {
        switch kind {
        case .tools: tools.tail
        case .prompts: prompts.tail
        case .resources: resources.tail
        case .templates: templates.tail
        }
    }

    func originals(_ kind: ListKind) -> OwnedBytes {
        switch kind {
        case .tools: tools.originals
        case .prompts: prompts.originals
        case .resources: resources.originals
        case .templates: templates.originals
        }
    }

    var problems: [String] { tools.problems + prompts.problems + resources.problems + templates.problems }

    init(_ servers: [ListCatalog.Server], _ options: ListCatalog.Options) {
        tools = Self.named(.tools, servers, options)
        prompts = Self.named(.prompts, servers, options)
        resources = Self.addressed(.resources, servers)
        var patterns: [Pattern] = []
        templates = Self.addressed(.templates, servers) { exposed, owner in
            guard patterns.count < MCPLimits.templatesMax, let template = URITemplate(exposed) else { return }
            patterns.append(Pattern(template: template, owner: owner))
        }
        self.patterns = patterns
        schemes = Self.schemes(servers)
    }

    // Building

    private static func candidates(
        _ kind: ListKind, _ servers: [ListCatalog.Server]
    ) -> [MergedList.Candidate] {
        servers.enumerated().flatMap { index, server -> [MergedList.Candidate] in
            guard let list = server[kind] else { return [] }
            return list.keys.enumerated().map {
                MergedList.Candidate(
                    server: index, list: list, index: $0.offset, key: $0.element,
                    mayBeTask: server.runsTasks && list.runsAsTask($0.element))
            }
        }
    }

    private static func firstProblems(_ kind: ListKind, _ servers: [ListCatalog.Server]) -> [String] {
        servers.flatMap { server in (server[kind]?.problems ?? []).map { "\(server.name): \($0)" } }
    }

    private static func named(
        _ kind: ListKind, _ servers: [ListCatalog.Server], _ options: ListCatalog.Options
    ) -> MergedList {
        let candidates = candidates(kind, servers)
        let exposed = ExposedName.assign(
            candidates.map { ExposedName.Original(server: $0.server, name: $0.key) },
            servers: servers.map { Array($0.name.utf8) }, mode: options.prefix)
        var builder = MergedList.Builder(kind, servers: servers.count)
        builder.problems = firstProblems(kind, servers)
        for (candidate, name) in zip(candidates, exposed) {
            guard let name else {
                builder.note(
                    servers[candidate.server].name, candidate.key, "listed twice; the first one counts")
                continue
            }
            if kind == .tools, !name.withUnsafeBytes({ options.filter.admits($0) }) { continue }
            _ = builder.add(candidate, exposed: name) { .renamed(kind, $0) }
        }
        return builder.finish()
    }

    /// URIs stay as they are, so that links inside results stay valid; of two equal ones the first configured
    /// server's keeps the name, others get a scheme of their own.
    private static func addressed(
        _ kind: ListKind, _ servers: [ListCatalog.Server],
        _ added: ([UInt8], Owner) -> Void = { _, _ in }
    ) -> MergedList {
        var builder = MergedList.Builder(kind, servers: servers.count)
        builder.problems = firstProblems(kind, servers)
        var seen = Set<ExposedName.Original>()
        for candidate in candidates(kind, servers) {
            let name = servers[candidate.server].name
            guard seen.insert(.init(server: candidate.server, name: candidate.key)).inserted else {
                builder.note(name, candidate.key, "listed twice; the first one counts")
                continue
            }
            var form = Owner.Form.same
            var exposed = candidate.key
            var isAdded = false
            for prefix in [[], MappedURI.prefix(name), MappedURI.distinctPrefix(name)] {
                exposed = MappedURI.expose(candidate.key, prefix, kind)
                isAdded = builder.add(candidate, exposed: exposed) { original in
                    form = kind == .resources ? .renamed(kind, original) : .prefixed(bytes: prefix.count)
                    return form
                }
                if isAdded { break }
            }
            guard isAdded else {
                builder.note(name, candidate.key, "its name is taken in every form; it is left out")
                continue
            }
            added(exposed, Owner(server: candidate.server, form: form))
        }
        return builder.finish()
    }

    private static func schemes(_ servers: [ListCatalog.Server]) -> NameTable {
        var table = NameTable()
        for (index, server) in servers.enumerated() {
            for key in (server.resources?.keys ?? []) + (server.templates?.keys ?? []) {
                key.withUnsafeBytes { uri in
                    guard let scheme = MappedURI.scheme(uri) else { return }
                    _ = table.insert(scheme, Int32(truncatingIfNeeded: index))
                }
            }
        }
        return table
    }

    // Looking up

    /// The owner of a URI: listed, fitting a template (the one with the most literal text), or else the first
    /// server that lists anything of that scheme, since results link to resources that no list names.
    func resource(_ uri: UnsafeRawBufferPointer) -> Owner? {
        if let owner = resources.owner(uri) { return owner }
        var best: Pattern?
        for pattern in patterns where pattern.template.specificity > best?.template.specificity ?? -1 {
            if pattern.template.matches(uri) { best = pattern }
        }
        if let best { return best.owner }
        guard let scheme = MappedURI.scheme(uri), let server = schemes.value(of: scheme) else { return nil }
        return Owner(server: Int(server), form: .same)
    }
}

extension MergedList.Builder {
    mutating func note(_ server: String, _ key: [UInt8], _ problem: String) {
        guard problems.count < 200 else { return }
        problems.append("\(server): \(key.withUnsafeBytes { RPCFailure.quoted($0) }): \(problem)")
    }
}

/// The names of resources and templates that more than one server has.
enum MappedURI {
    /// `mcpgw+<server>:`. What a scheme (RFC 3986 §3.1) cannot hold becomes `-`.
    static func prefix(_ server: String) -> [UInt8] {
        Array("mcpgw+".utf8) + schemeText(server) + [UInt8(ascii: ":")]
    }

    /// For two servers whose names look alike in a scheme.
    static func distinctPrefix(_ server: String) -> [UInt8] {
        Array("mcpgw+".utf8) + schemeText(server) + [UInt8(ascii: "-")]
            + ExposedName.digest(of: Array(server.utf8)) + [UInt8(ascii: ":")]
    }

    /// A URI is percent-encoded behind the prefix. A template stays as it is: clients expand it, and what they
    /// send must lead back to the server's own text by cutting the prefix alone.
    static func expose(_ key: [UInt8], _ prefix: [UInt8], _ kind: ListKind) -> [UInt8] {
        if prefix.isEmpty { return key }
        return prefix + (kind == .resources ? percentEncoded(key) : key)
    }

    /// Up to the first `:`; nil when that is no scheme.
    static func scheme(_ uri: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let colon = uri.prefix(64).firstIndex(of: UInt8(ascii: ":")), colon > 0 else { return nil }
        let scheme = uri.piece(0, colon)
        return scheme.allSatisfy(isSchemeByte) ? scheme : nil
    }

    private static func schemeText(_ server: String) -> [UInt8] {
        server.utf8.map { isSchemeByte($0) ? $0 : UInt8(ascii: "-") }
    }

    private static func isSchemeByte(_ byte: UInt8) -> Bool {
        isAlphanumeric(byte) || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
            || byte == UInt8(ascii: ".")
    }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool {
        (byte | 0x20) &- 0x61 < 26 || byte &- 0x30 < 10
    }

    private static func percentEncoded(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return bytes.flatMap { byte -> [UInt8] in
            let isUnreserved = isAlphanumeric(byte) || "-._~".utf8.contains(byte)
            return isUnreserved
                ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
}
