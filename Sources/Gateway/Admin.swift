import MCP
import Synchronization
import System
import Wire

/// The admin listener: metrics and health, never on the public one.
extension LoopState {
    func routeAdmin(_ exchange: ExchangeID, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer) {
        guard head.method == .get || head.method == .head else {
            return answer(
                exchange, AnswerHead(status: 405, contentType: AnswerHead.json).with("Allow", "GET, HEAD"),
                ErrorBody.control(status: 405, message: "Only GET is served here."))
        }
        let path = head.path.of(bytes)
        if path.equals("/metrics") { return answerMetrics(exchange) }
        if path.equals("/health/live") { return answer(exchange, .ok, Array(#"{"status":"ok"}"#.utf8)) }
        if path.equals("/health/ready") {
            if isDraining {
                return answer(
                    exchange, AnswerHead(status: 503, contentType: AnswerHead.json),
                    Array(#"{"status":"draining"}"#.utf8))
            }
            return answer(exchange, .ok, Array(#"{"status":"ok"}"#.utf8))
        }
        answer(
            exchange, AnswerHead(status: 404, contentType: AnswerHead.json),
            ErrorBody.control(status: 404, message: "Here are /metrics, /health/live and /health/ready."))
    }
}

extension LoopState {
    /// Asks every loop for its numbers of this moment; the last one to tell sends the answer on its way.
    private func answerMetrics(_ exchange: ExchangeID) {
        let shared = shared
        let missing = Missing(shared.loopCount)
        for loop in 0..<shared.loopCount {
            shared.post(loop) { state in
                state.publish()
                guard missing.tell() else { return }
                shared.workshop.countHits { hits in
                    shared.post(Int(exchange.loop)) { state in
                        let type = AnswerHead(
                            status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8")
                        state.answer(exchange, type, Metrics.render(shared, hits))
                    }
                }
            }
        }
    }
}

/// Counts down over threads.
private final class Missing: Sendable {
    private let left: Atomic<Int>

    init(_ count: Int) { left = Atomic(count) }

    /// True for the last one.
    func tell() -> Bool { left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 }
}

/// The gateway's numbers in Prometheus' text format.
enum Metrics {
    static func render(_ shared: Shared, _ hits: LimitHits) -> [UInt8] {
        let loops = shared.numbers
        func sum(_ path: KeyPath<Counters, UInt64>) -> UInt64 {
            loops.reduce(0) { $0 &+ $1.counters[keyPath: path] }
        }
        let counters: [(String, String, KeyPath<Counters, UInt64>)] = [
            ("requests_total", "Requests read.", \.requests),
            ("requests_refused_total", "Requests refused before they reached a sandbox.", \.refused),
            ("connections_total", "Client connections accepted.", \.connections),
            (
                "requests_forwarded_total", "Requests that arrived at another loop than their sandbox's.",
                \.forwarded
            ),
            ("calls_total", "Calls forwarded to servers.", \.calls),
            ("call_failures_total", "Calls answered with an error of the gateway.", \.callFailures),
            ("call_timeouts_total", "Calls that took too long.", \.callTimeouts),
            ("calls_cancelled_total", "Calls that their client cancelled.", \.cancelled),
            ("unauthorized_total", "Requests without a valid token.", \.unauthorized),
            ("slow_readers_total", "Connections cut because their client did not read.", \.slowReaders),
            ("server_stdout_noise_total", "Lines on a server's stdout that are no message.", \.stdoutNoise),
            (
                "server_stray_answers_total", "Answers of servers to calls that are not in flight.",
                \.strayAnswers
            ),
            ("server_starts_total", "Server processes started.", \.childStarts),
            ("server_exits_total", "Server processes ended.", \.childExits),
            ("server_idle_stops_total", "Servers stopped because nobody needed them.", \.idleStops),
        ]
        var text = ""
        for (name, help, path) in counters {
            text += "# HELP mcp_gateway_\(name) \(help)\n# TYPE mcp_gateway_\(name) counter\n"
            text += "mcp_gateway_\(name) \(sum(path))\n"
        }
        let name = "mcp_gateway_limit_hits_total"
        text += "# HELP \(name) How often servers met a limit of theirs.\n# TYPE \(name) counter\n"
        for limit in ResourceLimit.allCases {
            text += "\(name){limit=\"\(limit.rawValue)\"} \(hits[limit])\n"
        }
        let gauges: [(String, String, UInt64)] = [
            ("servers_alive", "Server processes running.", sum(\.childrenAlive)),
            (
                "orphans", "Processes found without their server, or after their gateway, and killed.",
                UInt64(clamping: shared.workshop.orphans)
            ),
            (
                "sandboxes_yielding", "Sandboxes that use much CPU time and leave it to others.",
                UInt64(clamping: shared.workshop.yielding)
            ),
            ("sandboxes", "Sandboxes.", loops.reduce(0) { $0 + UInt64($1.sandboxes) }),
            ("connections", "Open client connections.", loops.reduce(0) { $0 + UInt64($1.connections) }),
            ("calls_in_flight", "Calls being worked on.", loops.reduce(0) { $0 + UInt64($1.calls) }),
            ("loops", "Event loops.", UInt64(loops.count)),
        ]
        for (name, help, value) in gauges {
            text += "# HELP mcp_gateway_\(name) \(help)\n# TYPE mcp_gateway_\(name) gauge\n"
            text += "mcp_gateway_\(name) \(value)\n"
        }
        return Array((text + EgressCounters.render(loops.map(\.counters.egress))).utf8)
    }
}
