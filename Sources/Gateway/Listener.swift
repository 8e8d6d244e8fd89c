import Reactor
import System

/// A listening socket of one loop.
final class Listener: Source {
    enum Role {
        case clients, admin
        /// In a sandbox's own network: nothing but that sandbox is served.
        case inside(SandboxKey)
    }

    private let state: LoopState
    private let role: Role

    init(state: LoopState, role: Role) {
        self.state = state
        self.role = role
        super.init(loop: state.loop)
    }

    override func accepted(_ fd: Int32) {
        guard state.connections.count < Limits.connectionsPerLoop, takesInside() else {
            state.counters.refused &+= 1
            Descriptor(owning: fd).close()
            return
        }
        let connection = HTTP1Connection(state: state, role: role)
        do {
            try state.loop.attach(connection, descriptor: fd, as: .stream)
            state.add(connection)
        } catch {
            Descriptor(owning: fd).close()
        }
    }

    /// A sandbox has a few connections to itself, so that it cannot take those of clients.
    private func takesInside() -> Bool {
        guard case .inside(let key) = role, let home = state.homes[key] else { return true }
        return home.insideConnections < Limits.insideConnections
    }
}
