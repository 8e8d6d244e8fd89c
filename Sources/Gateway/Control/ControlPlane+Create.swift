import Catalog
import System
import Wire

/// Creation: everything is checked before anything starts; the answer waits for the servers, bounded.
extension ControlPlane {
    func create(_ request: ControlRequest, _ owner: String) throws(ControlRefusal) {
        let key = try idempotencyKey(request, owner)
        let bodyDigest = key == nil ? [] : Secret.digest(request.body)
        if let key, try answerRepeated(request, key, bodyDigest) { return }
        guard !request.body.isEmpty else { throw .bad("The body is empty; it must be a JSON object") }
        let object = try JSONObject(body: request.body)
        let body = try CreateBody(object, limits: configuration.limits)
        let servers = try check(body.mcp)
        let network = try network(body, servers)
        try admit(owner)
        let record = add(body, owner)
        record.resources = servers.options.resources
        record.network = network
        if let key {
            idempotency.begin(key, bodyDigest: bodyDigest, sandbox: record.id, now: clock.now())
            idempotencyKeys[record.id] = key
            forgetKeys(clock.now())
        }
        addWait(record, request.exchange, .create, seconds: ControlLimits.readyWaitSeconds)
        open(record, body, servers)
    }

    /// The plans of `mcp`, or a 400 that names each mistake's server and property.
    func check(_ mcp: JSONValue?) throws(ControlRefusal) -> CheckedServers {
        switch configuration.check(mcp ?? .object(JSONObject())) {
        case .success(let servers): return servers
        case .failure(let errors): throw .bad(errors.message)
        }
    }

    /// What the servers of a new sandbox reach. E2B's `allowInternetAccess: false` is another word for `none`.
    private func network(
        _ body: CreateBody, _ servers: CheckedServers
    ) throws(ControlRefusal) -> NetworkChoice {
        guard let field = body.deniesInternet else {
            return servers.options.network ?? configuration.network
        }
        if let obstacle = configuration.networkObstacle {
            throw .bad("\(field): false is not offered by this gateway: \(obstacle). Leave it out")
        }
        guard let network = servers.options.network, network != .none else { return .none }
        throw .bad(
            "\(field) is false and $gateway.network is \"\(network.rawValue)\": leave out one of them")
    }

    static func configurationDigest(_ mcp: JSONValue) -> [UInt8] { Secret.digest(mcp.serialized()) }

    // MARK: Idempotency

    private func idempotencyKey(
        _ request: ControlRequest, _ owner: String
    ) throws(ControlRefusal) -> IdempotencyLedger.Key? {
        guard let text = request.idempotencyKey else { return nil }
        let isVisible = text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
        guard !text.isEmpty, isVisible, text.utf8.count <= ControlLimits.idempotencyKeyBytes else {
            throw .bad(
                "Idempotency-Key must be 1 to \(ControlLimits.idempotencyKeyBytes) visible ASCII characters")
        }
        return IdempotencyLedger.Key(owner: owner, text: text)
    }

    /// True when the request repeats one that is known, and has its answer or will get it.
    private func answerRepeated(
        _ request: ControlRequest, _ key: IdempotencyLedger.Key, _ bodyDigest: [UInt8]
    ) throws(ControlRefusal) -> Bool {
        forgetKeys(clock.now())
        guard let entry = idempotency[key] else { return false }
        guard entry.bodyDigest == bodyDigest else {
            throw ControlRefusal(
                status: 422, message: "This Idempotency-Key was used for a different request; take a new one")
        }
        if let response = entry.response {
            answer(request, response)
            return true
        }
        guard let record = records[entry.sandbox], record.phase == .running else {
            throw ControlRefusal(
                status: 409, message: "The first request with this Idempotency-Key is ending")
        }
        try checkWaits(record)
        addWait(record, request.exchange, .create, seconds: ControlLimits.readyWaitSeconds)
        return true
    }

    // MARK: Admission

    private func admit(_ owner: String) throws(ControlRefusal) {
        guard !isShuttingDown else { throw .unavailable("The gateway is shutting down") }
        let limits = configuration.limits
        let own = owned[owner]?.count ?? 0
        guard own < limits.sandboxesPerKey else {
            throw .tooMany(
                "This API key has \(own) sandboxes, its limit: end one, or wait until one times out",
                retryAfter: ControlLimits.retryAfterSandboxes)
        }
        guard records.count < limits.sandboxes else {
            throw .tooMany(
                "This gateway hosts \(records.count) sandboxes, its limit: try again later",
                retryAfter: ControlLimits.retryAfterSandboxes)
        }
        guard creationCount < limits.creations, creations[owner] ?? 0 < limits.creationsPerKey else {
            throw .tooMany(
                "Too many sandboxes are being created right now: try again in a moment",
                retryAfter: ControlLimits.retryAfterCreations)
        }
    }

    private func add(_ body: CreateBody, _ owner: String) -> SandboxRecord {
        let home = quietestLoop()
        var id = SandboxID.mint(home: home, loopCount: loads.count)
        while records[id] != nil { id = SandboxID.mint(home: home, loopCount: loads.count) }
        // The sandbox's time begins when its create is answered, so that slow first starts do not eat it up.
        let allowance = body.timeoutSeconds + ControlLimits.readyWaitSeconds
        let record = SandboxRecord(
            id: id, home: home, owner: owner, body: body, mcpToken: Secret.mcpToken(),
            envdToken: Secret.envdToken(), createdMilliseconds: clock.unixMilliseconds(),
            deadline: clock.now().advanced(milliseconds: allowance * 1000))
        record.configurationDigest = body.mcp.map(Self.configurationDigest)
        record.expiryAlarm = alarms.add(.expiry(sandbox: id), due: record.deadline)
        records[id] = record
        owned[owner, default: []].append(id)
        creations[owner, default: 0] += 1
        creationCount += 1
        loads[home] += 1
        return record
    }

    /// The loop with the fewest sandboxes; the first of several.
    private func quietestLoop() -> Int {
        loads.indices.min { loads[$0] < loads[$1] } ?? 0
    }

    private func open(_ record: SandboxRecord, _ body: CreateBody, _ servers: CheckedServers) {
        let specification = SandboxSpecification(
            id: record.id, home: record.home, tokenDigest: Secret.digest(record.mcpToken),
            sessionKey: Random.bytes(32), servers: servers.plans, options: servers.options,
            environment: body.environment, owner: record.owner, mcpToken: record.mcpToken,
            mcpURL: mcpURL(record), network: record.network)
        configuration.observe(
            .created(id: record.id, owner: record.owner, servers: servers.plans.count))
        let id = record.id
        let epoch = record.epoch
        plane.open(specification) { [queue] _ in
            queue.post { $0.settle(id, epoch: epoch) }
        }
    }

    // MARK: The answer

    /// Answers a create that waited: the servers have settled, or its time is up.
    func finishCreate(_ record: SandboxRecord, _ wait: SandboxRecord.Wait) {
        if record.isBeingCreated {
            leaveCreation(record)
            if !record.hasOwnDeadline { setDeadline(record, seconds: record.timeoutSeconds) }
            record.startedMilliseconds = clock.unixMilliseconds()
        }
        let response = sandboxObject(record, status: 201)
        if let key = idempotencyKeys.removeValue(forKey: record.id) { idempotency.finish(key, response) }
        plane.answer(wait.exchange, response)
    }

    /// The create of `record` is answered, whichever way.
    func leaveCreation(_ record: SandboxRecord) {
        guard record.isBeingCreated else { return }
        record.isBeingCreated = false
        creationCount -= 1
        let left = (creations[record.owner] ?? 1) - 1
        creations[record.owner] = left > 0 ? left : nil
    }

    /// E2B's Sandbox object, with our URL and token. For the owner's eyes only.
    func sandboxObject(_ record: SandboxRecord, status: Int) -> ControlResponse {
        .json(
            status,
            [
                "sandboxID": .string(record.id),
                "templateID": .string(record.templateID),
                "clientID": .string(configuration.nodeName),
                "envdVersion": .string(ControlConfiguration.envdVersion),
                "domain": configuration.domain.map(JSONValue.string) ?? .null,
                "envdAccessToken": .string(record.envdToken),
                "mcpUrl": .string(mcpURL(record)),
                "mcpToken": .string(record.mcpToken),
            ])
    }

    func mcpURL(_ record: SandboxRecord) -> String {
        "\(configuration.publicURL)/sandbox/\(record.id)/mcp"
    }
}
