/// Which resource of the control API a path names, and the methods it has. The table is E2B's (contract §2).
enum ControlRoute: Equatable {
    case sandboxes(isV2: Bool)
    case sandbox(String)
    case timeout(String)
    case connect(String)
    case token(String)
    case servers(String)
    case metrics(String)
    /// E2B has it and this gateway has not.
    case unsupported(sandbox: String?, what: String)

    /// Nil for a path that is no resource.
    init?(path: String) {
        guard path.utf8.first == UInt8(ascii: "/") else { return nil }
        var parts = path.dropFirst().split(
            separator: "/", maxSplits: 5, omittingEmptySubsequences: false
        ).map(String.init)
        let isV2 = parts.first == "v2"
        if isV2 { parts.removeFirst() }
        guard let first = parts.first else { return nil }
        if first == "snapshots", parts.count == 1, !isV2 {
            self = .unsupported(sandbox: nil, what: "Snapshots")
            return
        }
        guard first == "sandboxes" else { return nil }
        guard parts.count > 1 else {
            self = .sandboxes(isV2: isV2)
            return
        }
        let id = parts[1]
        switch (parts.dropFirst(2).joined(separator: "/"), parts.count, isV2) {
        case ("", 2, false) where !id.isEmpty: self = .sandbox(id)
        case ("timeout", 3, false): self = .timeout(id)
        case ("connect", 3, _): self = .connect(id)
        case ("mcp/token", 4, false): self = .token(id)
        case ("mcp", 3, false): self = .servers(id)
        case ("metrics", 3, false): self = .metrics(id)
        case ("pause", 3, false): self = .unsupported(sandbox: id, what: "Pausing a sandbox")
        case ("resume", 3, false): self = .unsupported(sandbox: id, what: "Resuming a sandbox")
        case ("fork", 3, false): self = .unsupported(sandbox: id, what: "Forking a sandbox")
        case ("snapshots", 3, false): self = .unsupported(sandbox: id, what: "A snapshot of a sandbox")
        case ("network", 3, false): self = .unsupported(sandbox: id, what: "Changing a sandbox's network")
        case ("logs", 3, _): self = .unsupported(sandbox: id, what: "A sandbox's log")
        default: return nil
        }
    }

    var methods: [String] {
        switch self {
        case .sandboxes: ["GET", "HEAD", "POST"]
        case .sandbox: ["GET", "HEAD", "DELETE"]
        case .timeout, .connect, .token: ["POST"]
        case .servers: ["PUT"]
        case .metrics: ["GET", "HEAD"]
        case .unsupported: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        }
    }
}
