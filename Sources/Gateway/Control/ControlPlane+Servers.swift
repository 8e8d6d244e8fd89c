import Catalog
import System
import Wire

/// The MCP token and the set of servers of a running sandbox.
extension ControlPlane {
    func rotateToken(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        let record = try sandbox(id, of: owner)
        setToken(record, Secret.mcpToken())
        answer(request, .json(200, ["mcpToken": .string(record.mcpToken)]))
    }

    /// From here on `token` is the only one that opens the sandbox's MCP endpoint.
    func setToken(_ record: SandboxRecord, _ token: String) {
        record.mcpToken = token
        plane.replaceToken(record.id, home: record.home, digest: Secret.digest(token), token: token)
    }

    func replaceServers(_ request: ControlRequest, _ owner: String, _ id: String) throws(ControlRefusal) {
        let record = try sandbox(id, of: owner)
        let mcp = JSONValue.object(try JSONObject(body: request.body))
        let servers = try check(mcp)
        if let mistake = mistake(servers, record) { throw .bad(mistake) }
        try checkWaits(record)
        addWait(record, request.exchange, .replaceServers, seconds: ControlLimits.readyWaitSeconds)
        setServers(record, mcp, servers)
    }

    /// Why a running sandbox cannot have these servers; nil: it can.
    func mistake(_ servers: CheckedServers, _ record: SandboxRecord) -> String? {
        guard let wanted = servers.options.network, wanted != record.network else { return nil }
        return
            "$gateway.network: \"\(wanted.rawValue)\" cannot be had any more: the network of a sandbox is that "
            + "of its creation, which is \"\(record.network.rawValue)\""
    }

    /// Replaces the set of servers without ending the sandbox. What waits for the old set now waits for this.
    func setServers(_ record: SandboxRecord, _ mcp: JSONValue, _ servers: CheckedServers) {
        record.configurationDigest = Self.configurationDigest(mcp)
        record.resources = servers.options.resources
        record.epoch += 1
        record.isSettled = false
        let id = record.id
        let epoch = record.epoch
        plane.replaceServers(id, home: record.home, servers.plans, servers.options) { [queue] _ in
            queue.post { $0.settle(id, epoch: epoch) }
        }
    }

    /// The answer to a change of servers: what they are now.
    func answerServers(_ record: SandboxRecord, _ exchange: ExchangeID) {
        let id = record.id
        plane.status(id, home: record.home) { [queue] statuses in
            queue.post { control in
                guard control.records[id]?.phase == .running, let statuses else {
                    return control.plane.answer(exchange, ControlRefusal.noSandbox(id).response)
                }
                let servers = JSONValue.array(statuses.map(\.json))
                control.plane.answer(exchange, .json(200, ["servers": servers]))
            }
        }
    }
}
