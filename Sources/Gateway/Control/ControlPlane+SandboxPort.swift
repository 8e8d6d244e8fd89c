import Wire

/// Requests to a port of a sandbox, as E2B's SDKs address them: E2B-Sandbox-Id and E2B-Sandbox-Port, or
/// `PORT-ID.domain`. Of E2B's in-sandbox daemon (envd, port 49983) there is what the SDK needs for MCP:
/// health, the start command, and the token file.
extension ControlPlane {
    private static let envdPort = 49983
    private static let tokenFile = "/etc/mcp-gateway/.token"

    func handleSandboxPort(_ request: ControlRequest, id: String) throws(ControlRefusal) {
        guard let text = request.portHeader, let port = Int(text), (1...65535).contains(port) else {
            throw .bad("E2b-Sandbox-Id needs E2b-Sandbox-Port with it: a port from 1 to 65535")
        }
        guard let record = records[id], record.phase == .running else {
            return answer(request, .deadSandbox(id))
        }
        guard port == Self.envdPort else { return answer(request, .closedPort(id, port: port)) }
        if request.path == "/health" {
            guard request.method == "GET" || request.method == "HEAD" else {
                throw .wrongMethod(request.method, allowed: ["GET", "HEAD"])
            }
            return answer(request, .noContent)
        }
        guard let token = request.accessToken, Secret.areEqual(token, record.envdToken) else {
            throw ControlRefusal(
                status: 401,
                message: "unauthorized access: X-Access-Token must be the sandbox's envdAccessToken, which "
                    + "its create and connect answer with")
        }
        try handleEnvd(request, record)
    }

    private func handleEnvd(_ request: ControlRequest, _ record: SandboxRecord) throws(ControlRefusal) {
        if request.path == "/files" {
            return try handleFiles(request, record)
        }
        guard request.path.hasPrefix("/process.Process/") || request.path.hasPrefix("/filesystem.Filesystem/")
        else { throw .notFound("This sandbox has no such path on port \(Self.envdPort)") }
        guard request.method == "POST" else { throw .wrongMethod(request.method, allowed: ["POST"]) }
        if isStreaming(request) {
            guard request.path == "/process.Process/Start" else {
                return answer(request, ConnectFrames.stream([], error: Self.notOffered))
            }
            return start(request, record)
        }
        guard request.path != "/process.Process/Start" else {
            throw ControlRefusal(
                status: 415, message: "Start is a stream: send it as \(ConnectFrames.contentType)")
        }
        answer(
            request,
            .json(
                501, ["code": .string(Self.notOffered.code), "message": .string(Self.notOffered.message)]))
    }

    private static let notOffered = ConnectFrames.Mistake(
        code: "unimplemented", message: "this host runs MCP servers only, neither commands nor files")

    private func isStreaming(_ request: ControlRequest) -> Bool {
        let type = request.contentType.split(separator: ";").first.map { $0.lowercased() } ?? ""
        return type.split(separator: " ").first.map(String.init) == ConnectFrames.contentType
    }

    // MARK: Files

    private func handleFiles(_ request: ControlRequest, _ record: SandboxRecord) throws(ControlRefusal) {
        switch request.method {
        case "GET", "HEAD": break
        case "POST": throw .unsupported("Writing files into a sandbox")
        default: throw .wrongMethod(request.method, allowed: ["GET", "HEAD", "POST"])
        }
        guard let path = try QueryString.pairs(request.query).first(where: { $0.name == "path" })?.value
        else {
            throw .bad("The query parameter path is missing")
        }
        guard path == Self.tokenFile, record.configurationDigest != nil else {
            let shown = String(decoding: path.utf8.prefix(256), as: UTF8.self)
            throw .notFound("path '\(shown)' does not exist")
        }
        // The SDK takes the text as it is: no line break at its end.
        let headers = [("Cache-Control", "no-store")]
        answer(
            request,
            ControlResponse(
                status: 200, contentType: "application/octet-stream", headers: headers,
                body: Array(record.mcpToken.utf8)))
    }

    // MARK: Start

    private func start(_ request: ControlRequest, _ record: SandboxRecord) {
        guard request.body.count <= ControlLimits.bodyBytes else {
            let mistake = ConnectFrames.Mistake(
                code: "resource_exhausted",
                message: "the message has more than \(ControlLimits.bodyBytes) bytes")
            return answer(request, ConnectFrames.stream([], error: mistake))
        }
        do {
            let command = try StartCommand(try ConnectFrames.message(request.body))
            run(command, request, record)
        } catch {
            answer(request, ConnectFrames.stream([], error: error))
        }
    }

    private func run(_ command: StartCommand, _ request: ControlRequest, _ record: SandboxRecord) {
        lastPID = lastPID % 4_000_000 + 1
        let pid = lastPID
        switch command.meaning {
        case .gateway(let mcp):
            if let mistake = serve(mcp, token: command.token, record) {
                return answer(request, StartCommand.failed(pid: pid, mistake, code: 1))
            }
            if record.isSettled { return answer(request, StartCommand.succeeded(pid: pid)) }
            do {
                try checkWaits(record)
                addWait(record, request.exchange, .start(pid: pid), seconds: ControlLimits.startWaitSeconds)
            } catch {
                answer(request, StartCommand.failed(pid: pid, error.message, code: 1))
            }
        case .misused(let reason):
            answer(request, StartCommand.failed(pid: pid, "mcp-gateway: \(reason)", code: 64))
        case .other:
            let text =
                "Running commands is not offered by this host: it runs MCP servers only. "
                + "Call their tools at \(mcpURL(record))"
            answer(request, StartCommand.failed(pid: pid, text, code: 127))
        }
    }

    /// Makes `mcp` what the sandbox serves, and `token` what opens it. Returns what is wrong with them, and
    /// has then changed nothing. Servers that the create has started from the same configuration stay.
    private func serve(_ mcp: JSONValue, token: String?, _ record: SandboxRecord) -> String? {
        if let token, !Self.isUsable(token) {
            return "GATEWAY_ACCESS_TOKEN must be \(ControlLimits.tokenBytesMin) to "
                + "\(ControlLimits.tokenBytesMax) visible ASCII characters"
        }
        guard case .object = mcp else { return "--config is \(mcp.kindName); it must be a JSON object" }
        if Self.configurationDigest(mcp) != record.configurationDigest {
            switch configuration.check(mcp) {
            case .failure(let errors): return errors.message
            case .success(let servers):
                if let mistake = mistake(servers, record) { return mistake }
                setServers(record, mcp, servers)
            }
        }
        if let token { setToken(record, token) }
        return nil
    }

    private static func isUsable(_ token: String) -> Bool {
        (ControlLimits.tokenBytesMin...ControlLimits.tokenBytesMax).contains(token.utf8.count)
            && token.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }
}

extension ControlResponse {
    /// A sandbox that has ended or never was. The SDK looks for these words.
    static func deadSandbox(_ id: String) -> ControlResponse {
        let shown = String(decoding: id.utf8.prefix(64), as: UTF8.self)
        return .json(
            502,
            [
                "sandboxId": .string(shown), "message": "The sandbox was not found", "code": .integer(502),
            ])
    }

    static func closedPort(_ id: String, port: Int) -> ControlResponse {
        .json(
            502,
            [
                "sandboxId": .string(id), "message": "The sandbox is running but port is not open",
                "port": .integer(port), "code": .integer(502),
            ])
    }
}
