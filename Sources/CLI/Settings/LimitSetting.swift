import Gateway

/// A member of `limits` in the configuration file.
struct LimitSetting: Sendable {
    let name: String
    let range: ClosedRange<Int>
    let set: @Sendable (inout GatewayConfiguration.AdjustableLimits, Int) -> Void

    static let all: [LimitSetting] = [
        LimitSetting(name: "request-body-bytes", range: 1024...(1 << 30)) { $0.requestBodyBytes = $1 },
        LimitSetting(name: "idle-seconds", range: 1...86_400) { $0.idleSeconds = $1 },
        LimitSetting(name: "call-seconds", range: 1...86_400) { $0.callSeconds = $1 },
        LimitSetting(name: "sandboxes-per-key", range: 1...1_000_000) { $0.sandboxesPerKey = $1 },
        LimitSetting(name: "sandboxes", range: 1...1_000_000) { $0.sandboxes = $1 },
        LimitSetting(name: "server-starts", range: 0...10_000) { $0.serverStarts = $1 },
        LimitSetting(name: "timeout-seconds", range: 1...31_536_000) { $0.timeoutSeconds = $1 },
    ]
}
