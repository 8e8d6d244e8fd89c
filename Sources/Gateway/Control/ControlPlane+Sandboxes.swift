import System
import Wire

/// Listing, detail, timeout and connect of a caller's own sandboxes.
extension ControlPlane {
    func list(_ request: ControlRequest, _ owner: String, isV2: Bool) throws(ControlRefusal) {
        // The first version of the list had no pages: its callers expect everything.
        let defaultLimit = isV2 ? ControlLimits.defaultPageItems : ControlLimits.pageItems
        let query = try ListQuery(request.query, defaultLimit: defaultLimit)
        let own = (owned[owner] ?? []).compactMap { records[$0] }
        let matching =
            own
            .filter { $0.phase == .running && query.matches($0) && query.isPastCursor($0) }
            .sorted { ($0.createdMilliseconds, $0.id) < ($1.createdMilliseconds, $1.id) }
        let ordered = query.isAscending ? matching : matching.reversed()
        let page = ordered.prefix(query.limit)
        var headers: [(String, String)] = []
        if page.count < ordered.count, let last = page.last {
            let cursor = ListQuery.Cursor(createdMilliseconds: last.createdMilliseconds, id: last.id)
            headers.append(("X-Next-Token", cursor.text))
        }
        answer(
            request, .json(200, .array(page.map { .object(listed($0)) }), headers: headers))
    }

    func detail(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        let record = try sandbox(id, of: owner)
        let exchange = request.exchange
        plane.status(id, home: record.home) { [queue] statuses in
            queue.post { $0.answerDetail(exchange, id, statuses) }
        }
    }

    private func answerDetail(_ exchange: ExchangeID, _ id: String, _ statuses: [ServerStatus]?) {
        guard let record = records[id], record.phase == .running, let statuses else {
            return plane.answer(exchange, ControlRefusal.noSandbox(id).response)
        }
        var object = listed(record)
        object["envdAccessToken"] = .string(record.envdToken)
        object["domain"] = configuration.domain.map(JSONValue.string) ?? .null
        object["mcpUrl"] = .string(mcpURL(record))
        // E2B's own `network` is an object of other things.
        object["mcp"] = [
            "servers": .array(statuses.map(\.json)), "network": .string(record.network.rawValue),
        ]
        object["allowInternetAccess"] = .bool(record.network >= .proxy)
        object["limits"] = record.resources.json
        let body = JSONValue.object(object).serialized()
        plane.answer(exchange, ControlResponse(status: 200, body: body))
    }

    func setTimeout(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        let record = try sandbox(id, of: owner)
        let body = try JSONObject(body: request.body)
        // E2B's schema allows 0: the sandbox ends at once.
        guard let seconds = try CreateBody.timeout(body, least: 0, limits: configuration.limits) else {
            throw .bad("timeout is missing; send {\"timeout\": seconds}")
        }
        record.hasOwnDeadline = true
        setDeadline(record, seconds: seconds)
        answer(request, .noContent)
    }

    /// Only ever extends the sandbox's time. A running sandbox answers 200; none is ever paused here.
    func connect(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        let record = try sandbox(id, of: owner)
        let body = try JSONObject(body: request.body)
        let seconds =
            try CreateBody.timeout(body, least: 0, limits: configuration.limits)
            ?? ControlLimits.defaultTimeoutSeconds
        if clock.now().advanced(milliseconds: seconds * 1000) > record.deadline {
            record.hasOwnDeadline = true
            setDeadline(record, seconds: seconds)
        }
        answer(request, sandboxObject(record, status: 200))
    }

    /// The sandbox ends `seconds` from now.
    func setDeadline(_ record: SandboxRecord, seconds: Int) {
        if let alarm = record.expiryAlarm { alarms.cancel(alarm) }
        record.deadline = clock.now().advanced(milliseconds: seconds * 1000)
        record.endMilliseconds = clock.unixMilliseconds() + seconds * 1000
        record.expiryAlarm = alarms.add(.expiry(sandbox: record.id), due: record.deadline)
    }

    /// E2B's ListedSandbox.
    private func listed(_ record: SandboxRecord) -> JSONObject {
        var metadata = JSONObject()
        for (key, value) in record.metadata { metadata[key] = .string(value) }
        var object = JSONObject()
        object["sandboxID"] = .string(record.id)
        object["templateID"] = .string(record.templateID)
        object["clientID"] = .string(configuration.nodeName)
        object["startedAt"] = .string(WallClock.iso8601(unixMilliseconds: record.startedMilliseconds))
        object["endAt"] = .string(WallClock.iso8601(unixMilliseconds: record.endMilliseconds))
        // E2B's clients require whole numbers.
        let resources = record.resources
        object["cpuCount"] = .integer(Int(clamping: (resources[.sandboxCPUs] + 99) / 100))
        object["memoryMB"] = .integer(Int(clamping: resources[.sandboxMemory] >> 20))
        object["diskSizeMB"] = .integer(Int(clamping: max(resources[.sandboxDisk] >> 20, 1)))
        object["state"] = .string("running")
        object["envdVersion"] = .string(ControlConfiguration.envdVersion)
        object["metadata"] = .object(metadata)
        return object
    }
}

extension ResourceLimits {
    /// By name, as `$gateway` takes them.
    var json: JSONValue {
        var object = JSONObject()
        for limit in ResourceLimit.allCases { object[limit.rawValue] = .string(limit.text(of: self[limit])) }
        return .object(object)
    }
}

extension ServerStatus {
    /// A member of `mcp.servers`.
    var json: JSONValue {
        var object = JSONObject()
        object["name"] = .string(name)
        object["key"] = .string(key)
        object["state"] = .string(state)
        object["since"] = .string(WallClock.iso8601(unixMilliseconds: sinceMilliseconds))
        object["era"] = .string(era)
        object["tools"] = .integer(tools)
        if let pid { object["pid"] = .integer(Int(pid)) }
        object["restarts"] = .integer(restarts)
        if !limitHits.isEmpty {
            var hits = JSONObject()
            for limit in ResourceLimit.allCases where limitHits[limit] > 0 {
                hits[limit.rawValue] = .integer(Int(clamping: limitHits[limit]))
            }
            object["limitHits"] = .object(hits)
        }
        if let lastError { object["lastError"] = .string(lastError) }
        if !stderrTail.isEmpty { object["stderrTail"] = .array(stderrTail.map(JSONValue.string)) }
        return .object(object)
    }
}
