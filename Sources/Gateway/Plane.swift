import Catalog
import Sandbox
import System
import Wire

/// The loops as the control thread sees them.
struct Plane: DataPlane {
    let shared: Shared

    var loopCount: Int { shared.loopCount }

    func answer(_ exchange: ExchangeID, _ response: ControlResponse) {
        var head = AnswerHead(status: response.status, contentType: nil)
        if !response.contentType.isEmpty {
            head =
                response.contentType == "application/json"
                ? AnswerHead(status: response.status, contentType: AnswerHead.json)
                : head.with("Content-Type", response.contentType)
        }
        for (name, value) in response.headers { head = head.with(name, value) }
        let (answer, body) = (head, response.body)
        shared.post(Int(exchange.loop)) { $0.answer(exchange, answer, body) }
    }

    func open(_ specification: SandboxSpecification, ready: @escaping @Sendable ([ServerStatus]) -> Void) {
        shared.post(specification.home) { state in
            guard let key = SandboxKey(specification.id) else { return ready([]) }
            let home = SandboxHome(specification, key: key, state: state)
            state.homes[key] = home
            home.open()
            home.whenReady(ready)
        }
    }

    func close(_ id: String, home: Int, done: @escaping @Sendable () -> Void) {
        let shared = shared
        shared.post(home) { state in
            guard let key = SandboxKey(id), let home = state.homes[key] else { return done() }
            let loop = state.loop.index
            home.close {
                // Its files go on a thread that may wait for the disk.
                shared.workshop.removeSandbox(id) {
                    shared.post(loop) { state in
                        state.removeHome(key)
                        done()
                    }
                }
            }
        }
    }

    func replaceToken(_ id: String, home: Int, digest: [UInt8], token: String) {
        shared.post(home) { state in
            SandboxKey(id).flatMap { state.homes[$0] }?.replaceToken(digest, token: token)
        }
    }

    func replaceServers(
        _ id: String, home: Int, _ servers: [ServerPlan], _ options: GatewayOptions,
        ready: @escaping @Sendable ([ServerStatus]) -> Void
    ) {
        shared.post(home) { state in
            guard let home = SandboxKey(id).flatMap({ state.homes[$0] }) else { return ready([]) }
            home.replace(servers, options, ready)
        }
    }

    func status(_ id: String, home: Int, _ completion: @escaping @Sendable ([ServerStatus]?) -> Void) {
        shared.post(home) { state in
            completion(SandboxKey(id).flatMap { state.homes[$0] }?.statuses)
        }
    }
}
