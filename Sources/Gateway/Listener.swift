import Reactor
import System

/// A listening socket of one loop.
final class Listener: Source {
    enum Role { case clients, admin }

    private let state: LoopState
    private let role: Role

    init(state: LoopState, role: Role) {
        self.state = state
        self.role = role
        super.init(loop: state.loop)
    }

    override func accepted(_ fd: Int32) {
        guard state.connections.count < Limits.connectionsPerLoop else {
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
}
