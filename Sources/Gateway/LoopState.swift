import MCP
import Reactor
import Sandbox
import System
import TLS
import Wire

/// Everything that one loop's thread owns: its connections, the sandboxes whose home it is, and their calls.
final class LoopState: TimerTarget {
    let loop: Loop
    let shared: Shared
    private(set) var settings: Settings
    var connections: [ClientConnection] = []
    var homes = ObjectTable<SandboxKey, SandboxHome>()
    var calls = CallTable()
    var counters = Counters()
    /// Where all TLS connections of this loop decrypt.
    private(set) lazy var tlsScratch = TLSScratch()
    private(set) var date = DateText()
    private(set) var isDraining = false
    private var listeners: [Listener] = []
    /// On one loop, where it is needed.
    var installs: SandboxEgress?
    /// Collects the body of an answer that leaves by another loop.
    private var carriage: Outbox

    init(loop: Loop, shared: Shared, settings: Settings) {
        self.loop = loop
        self.shared = shared
        self.settings = settings
        carriage = Outbox(pool: loop.pool)
        date.refresh()
        _ = loop.schedule(afterMilliseconds: 1000, self, tag: TimerTag.tick)
        if loop.index == 0 { shareCPU() }
    }

    private enum TimerTag {
        static let tick: UInt64 = 0
        static let shares: UInt64 = 1
    }

    /// A reload of the configuration.
    func adopt(_ settings: Settings) { self.settings = settings }

    // MARK: Connections

    func listen(_ descriptor: Int32, _ role: Listener.Role) throws(Errno) {
        let listener = Listener(state: self, role: role)
        try loop.attach(listener, descriptor: descriptor, as: .listener)
        listeners.append(listener)
    }

    /// The listener in a sandbox's network, which its home closes.
    func listenInside(_ descriptor: Int32, _ key: SandboxKey) throws(Errno) -> Listener {
        let listener = Listener(state: self, role: .inside(key))
        try loop.attach(listener, descriptor: descriptor, as: .listener)
        return listener
    }

    func add(_ connection: ClientConnection) {
        if case .inside(let key) = connection.role { homes[key]?.insideConnections += 1 }
        connection.index = connections.count
        connections.append(connection)
        counters.connections &+= 1
    }

    func remove(_ connection: ClientConnection) {
        let index = connection.index
        guard index < connections.count, connections[index] === connection else { return }
        if case .inside(let key) = connection.role { homes[key]?.insideConnections -= 1 }
        connections.swapAt(index, connections.count - 1)
        connections.removeLast()
        if index < connections.count { connections[index].index = index }
    }

    private func connection(_ exchange: ExchangeID) -> ClientConnection? {
        let handle = Handle(slot: exchange.slot, generation: exchange.generation)
        guard let source = loop.source(handle) else { return nil }
        // Handles of exchanges are handed out by client connections alone.
        return unsafeDowncast(source, to: ClientConnection.self)
    }

    /// The same for the call path: no reference is counted, as the connection outlives the turn.
    @inline(__always) private func withConnection(
        _ exchange: ExchangeID, _ body: (ClientConnection) -> Void
    ) {
        let handle = Handle(slot: exchange.slot, generation: exchange.generation)
        loop.unretained(handle)?._withUnsafeGuaranteedRef {
            body(unsafeDowncast($0, to: ClientConnection.self))
        }
    }

    // MARK: Answers

    /// Answers `exchange` with a body of exactly `length` bytes that `write` appends.
    /// The connection may be another loop's, and may be gone.
    func answer(
        _ exchange: ExchangeID, _ head: AnswerHead, length: Int, _ write: (inout Outbox) -> Void
    ) {
        if Int(exchange.loop) == loop.index {
            withConnection(exchange) { $0.answer(exchange.stream, head, length: length, write) }
        } else {
            write(&carriage)
            let body = carriage.takeAll()
            shared.post(Int(exchange.loop)) { state in
                state.answer(exchange, head, length: length) { $0.append(owned: body) }
            }
        }
    }

    func answer(_ exchange: ExchangeID, _ head: AnswerHead, _ body: [UInt8]) {
        answer(exchange, head, length: body.count) { $0.append(body) }
    }

    /// Opens an event stream as the answer to `exchange`.
    func openStream(_ exchange: ExchangeID, _ head: AnswerHead) {
        guard Int(exchange.loop) == loop.index else {
            return shared.post(Int(exchange.loop)) { $0.openStream(exchange, head) }
        }
        connection(exchange)?.openStream(exchange.stream, head)
    }

    /// Sends one event; false when the stream is known to be gone.
    @discardableResult
    func sendEvent(_ exchange: ExchangeID, _ write: (inout Outbox) -> Void) -> Bool {
        write(&carriage)
        return sendEvent(exchange, carriage.takeAll(), id: [])
    }

    /// The same with data at hand; an empty id is none.
    @discardableResult
    func sendEvent(_ exchange: ExchangeID, _ data: OwnedBytes, id: [UInt8]) -> Bool {
        guard Int(exchange.loop) == loop.index else {
            shared.post(Int(exchange.loop)) { $0.sendEvent(exchange, data, id: id) }
            return true
        }
        return connection(exchange)?.sendEvent(exchange.stream, data, id: id) ?? false
    }

    /// An event without content, after which the stream can be taken up again.
    func primeStream(_ exchange: ExchangeID, id: [UInt8]) {
        guard Int(exchange.loop) == loop.index else {
            return shared.post(Int(exchange.loop)) { $0.primeStream(exchange, id: id) }
        }
        connection(exchange)?.primeStream(
            exchange.stream, id: id, retryMilliseconds: BridgeLimits.retryMilliseconds)
    }

    /// False when the stream is known to be gone.
    func mayReach(_ exchange: ExchangeID) -> Bool {
        Int(exchange.loop) != loop.index || connection(exchange)?.hasStream(exchange.stream) == true
    }

    /// Bytes that wait for the reader of a stream of this loop.
    func waitingBytes(_ exchange: ExchangeID) -> Int {
        connection(exchange)?.waitingBytes(exchange.stream) ?? 0
    }

    /// A comment, so that nobody in between takes the silence for death.
    func sendComment(_ exchange: ExchangeID) {
        guard Int(exchange.loop) == loop.index else {
            return shared.post(Int(exchange.loop)) { $0.sendComment(exchange) }
        }
        connection(exchange)?.sendComment(exchange.stream)
    }

    /// Says on a stream of the transport of 2024-11-05 where to post.
    func sendEndpoint(_ exchange: ExchangeID, _ url: [UInt8]) {
        guard Int(exchange.loop) == loop.index else {
            return shared.post(Int(exchange.loop)) { $0.sendEndpoint(exchange, url) }
        }
        connection(exchange)?.sendEndpoint(exchange.stream, url)
    }

    func endStream(_ exchange: ExchangeID) {
        guard Int(exchange.loop) == loop.index else {
            return shared.post(Int(exchange.loop)) { $0.endStream(exchange) }
        }
        connection(exchange)?.endStream(exchange.stream)
    }

    // MARK: Peers that leave

    /// The client of `exchange` is gone while its request is worked on.
    func abandon(_ exchange: ExchangeID, _ call: CallID, servedBy loop: Int) {
        if loop == self.loop.index {
            abandoned(exchange, call)
        } else {
            shared.post(loop) { $0.abandoned(exchange, .none) }
        }
    }

    /// Tells the connection, if it is this loop's, what to do when its client leaves.
    func note(_ exchange: ExchangeID, call: CallID, cancelsOnLeave: Bool) {
        guard Int(exchange.loop) == loop.index else {
            if cancelsOnLeave {
                shared.post(Int(exchange.loop)) { $0.note(exchange, call: .none, cancelsOnLeave: true) }
            }
            return
        }
        withConnection(exchange) { $0.note(exchange.stream, call: call, cancelsOnLeave: cancelsOnLeave) }
    }

    // MARK: Time

    /// One loop has it done for the whole machine.
    private func shareCPU() {
        _ = loop.schedule(afterMilliseconds: SandboxLimits.yieldMilliseconds, self, tag: TimerTag.shares)
        shared.workshop.shareCPU(loop.now)
    }

    func timerFired(_ tag: UInt64) {
        if tag == TimerTag.shares { return shareCPU() }
        _ = loop.schedule(afterMilliseconds: 1000, self, tag: TimerTag.tick)
        let now = loop.now
        date.refresh()
        // Backwards: a connection that closes now is removed at the end of the turn, not under our feet.
        for connection in connections { connection.tick(now) }
        tickCalls(now)
        for home in homes.values { home.tick(now) }
        installs?.tick(now)
    }

    /// This loop's numbers of this moment, for `/metrics`.
    func publish() {
        shared.publish(
            Shared.LoopNumbers(
                counters: counters, connections: connections.count, calls: calls.count, sandboxes: homes.count
            ),
            loop: loop.index)
    }

    // MARK: Collecting

    /// What `write` writes, in one piece.
    func collectOwned(_ write: (inout Outbox) -> Void) -> OwnedBytes {
        write(&carriage)
        return carriage.takeAll()
    }

    func collect(_ write: (inout Outbox) -> Void) -> [UInt8] {
        collectOwned(write).withBytes { Array($0) }
    }

    /// Of a sandbox whose processes and files are gone.
    func removeHome(_ key: SandboxKey) {
        homes[key]?.dissolve()
        homes[key] = nil
    }

    // MARK: Shutdown

    /// Stops every server of this loop.
    func closeHomes() {
        installs?.close()
        installs = nil
        for home in homes.values {
            let (shared, index, key, id) = (shared, loop.index, home.key, home.id)
            home.close {
                shared.workshop.removeSandbox(id) { shared.post(index) { $0.removeHome(key) } }
            }
        }
    }

    /// No new connection; open ones end with their current answer; servers stop when calls are done.
    func drain() {
        isDraining = true
        for listener in listeners { loop.close(listener) }
        listeners.removeAll()
        for connection in connections { connection.drain() }
        for home in homes.values {
            home.endStreams()
            home.endUnattended()
        }
    }
}

/// The current `Date` value, refreshed each second; an IMF-fixdate always has 29 characters.
struct DateText {
    private let text = UnsafeMutableRawBufferPointer.allocate(byteCount: 29, alignment: 1)
    private var second = -1

    mutating func refresh() {
        let now = WallClock.unixSeconds()
        guard now != second else { return }
        second = now
        text.copyBytes(from: WallClock.httpDate(unixSeconds: now).utf8.prefix(29))
    }

    /// Lives as long as the loop, which lives as long as the process.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(text) }
}

/// Numbers of one loop, copied out for `/metrics`.
struct Counters: Sendable {
    var requests: UInt64 = 0
    var refused: UInt64 = 0
    var connections: UInt64 = 0
    var forwarded: UInt64 = 0
    var calls: UInt64 = 0
    var callFailures: UInt64 = 0
    var callTimeouts: UInt64 = 0
    var cancelled: UInt64 = 0
    var unauthorized: UInt64 = 0
    var slowReaders: UInt64 = 0
    var stdoutNoise: UInt64 = 0
    var strayAnswers: UInt64 = 0
    var childStarts: UInt64 = 0
    var childExits: UInt64 = 0
    var childrenAlive: UInt64 = 0
    var idleStops: UInt64 = 0
    var egress = EgressCounters()
}
