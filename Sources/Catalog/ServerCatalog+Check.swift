import Wire

extension ServerCatalog {
    /// Checks a whole `mcp` object: catalog keys and aliases, commands and URLs of the caller's own,
    /// `github/<owner>/<repo>`, and the reserved `$gateway`. Tells every mistake.
    public func check(
        _ mcp: JSONValue, policy: PlanPolicy
    ) -> Result<(plans: [ServerPlan], options: GatewayOptions), ConfigurationErrors> {
        guard let object = mcp.objectValue else {
            let reason = "must be an object with a member for each server, not \(mcp.kindName)"
            return .failure(ConfigurationErrors([ConfigurationError("mcp", reason: reason)]))
        }
        guard object.count <= CatalogLimits.serversMax else {
            let reason = "has \(object.count) servers, more than \(CatalogLimits.serversMax)"
            return .failure(ConfigurationErrors([ConfigurationError("mcp", reason: reason)]))
        }
        var check = SandboxCheck(catalog: self, policy: policy)
        for member in object { check.add(member.name, member.value) }
        check.applyOptions(names: object.members.map(\.name))
        guard check.mistakes.isEmpty else {
            return .failure(ConfigurationErrors(Array(check.mistakes.prefix(CatalogLimits.mistakesMax))))
        }
        return .success((check.plans, check.options))
    }
}

/// The servers of one `mcp` object, one after the other.
private struct SandboxCheck {
    let catalog: ServerCatalog
    let policy: PlanPolicy
    var plans: [ServerPlan] = []
    var options = GatewayOptions()
    var mistakes: [ConfigurationError] = []
    /// Tool prefix to the name it comes from.
    var prefixes: [String: String] = [:]

    init(catalog: ServerCatalog, policy: PlanPolicy) {
        self.catalog = catalog
        self.policy = policy
        options.resources = policy.resources.standard
    }

    mutating func add(_ name: String, _ value: JSONValue) {
        if name == GatewayOptions.member {
            options = GatewayOptions(reading: value, policy, &mistakes)
            return
        }
        if let plan = plan(name, value) { plans.append(plan) }
        // `github/a/b.c` and `github_a_b.c`: nobody could tell their tools apart.
        let prefix = String(name.map { $0 == "/" ? "_" : $0 })
        if let other = prefixes.updateValue(name, forKey: prefix) {
            mistakes.append(
                .init(name, reason: "its tools would have the same prefix as those of \(shown(other))"))
        }
    }

    /// `$gateway` may stand before the servers that it speaks of.
    mutating func applyOptions(names: [String]) {
        for at in plans.indices {
            let name = plans[at].name
            if let own = options.servers[name] { plans[at].options = own }
            plans[at].idleSeconds = idleSeconds(plans[at])
            if plans[at].options.isOffline, case .remote = plans[at].source {
                mistakes.append(
                    .init(
                        GatewayOptions.member, "servers.\(name).network",
                        reason: "it is reached by the gateway itself, and has no network"))
            }
        }
        for name in options.servers.keys.sorted() where !names.contains(name) {
            let near = Nearest.of(name, in: names.filter { $0 != GatewayOptions.member }, limit: 1)
            mistakes.append(
                .init(
                    GatewayOptions.member, "servers.\(name)",
                    reason: "no server of this name in mcp" + Nearest.question(near)))
        }
    }

    private func idleSeconds(_ plan: ServerPlan) -> Int {
        options.idleOfServers[plan.name]?.seconds ?? options.idle.seconds
            ?? (policy.keepWarm.contains(plan.key) ? 0 : policy.idle.standardSeconds)
    }

    private mutating func plan(_ name: String, _ value: JSONValue) -> ServerPlan? {
        if let server = catalog.find(name), !isOwn(server, value) { return catalogPlan(server, name, value) }
        if name.hasPrefix(RepositoryServer.prefix) {
            guard allowed(name, "repositories", suggests: false) else { return nil }
            return RepositoryServer(name: name).plan(value, &mistakes)
        }
        guard let object = value.objectValue, CustomServer.isMeant(object) else {
            unknown(name, value)
            return nil
        }
        guard allowed(name, "servers that are not in its catalog", suggests: true) else { return nil }
        return CustomServer(name: name, object: object).plan(&mistakes)
    }

    private mutating func catalogPlan(
        _ server: CatalogServer, _ name: String, _ value: JSONValue
    ) -> ServerPlan? {
        let before = mistakes.count
        let settings = Settings(
            reading: value, of: server, caller: name, home: policy.homeDirectory, suggests: mayStillSuggest,
            &mistakes)
        guard mistakes.count == before else { return nil }
        return Planner(server: server, caller: name, settings: settings, policy: policy).plan(&mistakes)
    }

    /// A caller's own server may bear a name of the catalog: what is meant is plain where the catalog's has no
    /// such property.
    private func isOwn(_ server: CatalogServer, _ value: JSONValue) -> Bool {
        guard policy.allowsCustomServers, let object = value.objectValue else { return false }
        return object["command"]?.arrayValue != nil && server.property("command") == nil
            || object["url"]?.stringValue != nil && server.property("url") == nil
    }

    private mutating func allowed(_ name: String, _ what: String, suggests: Bool) -> Bool {
        if policy.allowsCustomServers { return true }
        let near = suggests && mayStillSuggest ? catalog.nearest(name, limit: 2) : []
        mistakes.append(
            .init(name, reason: "this gateway's operator does not allow \(what)" + Nearest.question(near)))
        return false
    }

    private mutating func unknown(_ name: String, _ value: JSONValue) {
        if name.hasPrefix("$") {
            mistakes.append(.init(name, reason: "unknown option; did you mean \"\(GatewayOptions.member)\"?"))
            return
        }
        let near = mayStillSuggest ? catalog.nearest(name, limit: 2) : []
        var reason = "no server of this name in the catalog" + Nearest.question(near)
        if near.isEmpty || value.objectValue?.isEmpty == false, policy.allowsCustomServers {
            reason += "; a server of your own needs \"command\" or \"url\""
        }
        mistakes.append(.init(name, reason: reason))
    }

    private var mayStillSuggest: Bool { mistakes.count < CatalogLimits.suggestionsMax }
}
