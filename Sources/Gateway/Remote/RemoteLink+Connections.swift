import CEpollShim
import MCP
import Reactor
import System
import TLS
import Wire

/// Which request goes by which connection, and what becomes of it there.
extension RemoteLink {
    /// Gives waiting requests to connections, idle ones first.
    func dispatch() {
        // What fails at once comes back here: the first one goes on.
        guard !isDispatching else { return }
        isDispatching = true
        defer {
            isDispatching = false
            beginBarrier()
        }
        while let index = next, index < waiting.count {
            if let idle = connections.first(where: { $0.isIdle }) {
                send(waiting.remove(at: index), on: idle)
            } else if connections.count < Limits.remoteConnections, let route = freshRoute() {
                open(route, route.addresses[...], waiting.remove(at: index))
            } else {
                return
            }
        }
    }

    private func beginBarrier() {
        guard let barrier = barriers.begin(), let pause = barrier.milliseconds else { return }
        _ = loop.schedule(afterMilliseconds: pause, self, tag: UInt64(barrier.exchange))
    }

    /// Bytes of messages that the server has not answered.
    var pendingBytes: Int {
        waiting.reduce(0) { $0 + $1.body.count }
            + connections.reduce(0) { $0 + ($1.request?.body.count ?? 0) }
    }

    /// Which of the waiting requests may be sent.
    private var next: Int? {
        guard let first = barriers.first else { return waiting.isEmpty ? nil : 0 }
        return waiting.firstIndex { $0.exchange == first }
    }

    /// Nil while the name is being resolved.
    private func freshRoute() -> Outbound.Route? {
        if let route, loop.now.milliseconds(since: routeKnownAt) < Limits.routeSeconds * 1000 { return route }
        guard !isResolving else { return nil }
        isResolving = true
        let (shared, index) = (state.shared, loop.index)
        let box = Confined(self)
        shared.outbound.route(to: url) { result in
            shared.post(index) { _ in box.value.resolved(result) }
        }
        return nil
    }

    private func resolved(_ result: Result<Outbound.Route, Outbound.Failure>) {
        isResolving = false
        switch result {
        case .failure(let failure): failWaiting(failure.reason)
        case .success(var found):
            let allowed = state.settings.allowedPrivateRemotes
            let reason = found.addresses.lazy.compactMap { AddressGuard.refusal($0) }.first
            found.addresses.removeAll {
                !AddressGuard.allows($0, host: url.host, port: url.port, allowed: allowed)
            }
            guard !found.addresses.isEmpty else { return refuse(reason) }
            wasAllowed = true
            route = found
            routeKnownAt = loop.now
            dispatch()
            schedule()
        }
    }

    private func refuse(_ reason: AddressGuard.Reason?) {
        let text =
            "\(url.host) leads to \(reason?.rawValue ?? "no address"), where this gateway connects to only if "
            + "its operator allows it (allow-private-remotes)"
        guard !wasAllowed, !isStopped else { return failWaiting(text) }
        let actions = client.stop()
        isStopped = true
        waiting.removeAll()
        backend.remoteGaveUp(self, text)
        for action in actions { if case .close(let exchange) = action { drop(exchange) } }
        cancelTimer()
    }

    /// The machine decides for each what that means.
    private func failWaiting(_ reason: String) {
        let lost = waiting
        waiting.removeAll()
        for request in lost { ended(request.exchange, reason) }
    }

    /// - Parameter addresses: at least one; each has passed the guard.
    private func open(
        _ route: Outbound.Route, _ addresses: ArraySlice<IPAddress>, _ request: RemoteRequest
    ) {
        guard let address = addresses.first else { return ended(request.exchange, "it has no address") }
        do {
            let session = try route.tls.map {
                try TLSSession(connectingTo: url.host, $0, ticket: takeTicket(), scratch: scratch)
            }
            let connection = RemoteConnection(self, tls: session, otherAddresses: addresses.dropFirst())
            let descriptor = try Self.connect(address, url.port)
            do {
                try loop.attach(connection, descriptor: descriptor, as: .stream)
            } catch {
                Descriptor(owning: descriptor).close()
                throw error
            }
            connections.append(connection)
            connection.begin()
            send(request, on: connection)
        } catch {
            ended(request.exchange, "cannot connect: \(error)")
        }
    }

    private static func connect(_ address: IPAddress, _ port: UInt16) throws(Errno) -> Int32 {
        let bytes = address.networkBytes
        return try Errno.check(
            ce_connect_begin(bytes, Int32(bytes.count), Int32(port)), "connecting to a remote server")
    }

    private func send(_ request: RemoteRequest, on connection: RemoteConnection) {
        let method: StaticString =
            switch request.method {
            case .get: "GET"
            case .post: "POST"
            case .delete: "DELETE"
            }
        connection.send(request) { out in
            RequestWriter.head(
                method: method, target: request.url.target, host: request.url.hostField,
                bodyCount: request.method == .post ? request.body.count : nil, into: &out
            ) { out in
                for field in request.fields {
                    ResponseWriter.field(
                        field.name, String(decoding: field.value, as: UTF8.self), into: &out)
                }
                if !self.headers.contains(where: { $0.name.lowercased() == "user-agent" }) {
                    ResponseWriter.field(
                        "User-Agent", "\(Implementation.gateway.name)/\(GatewayVersion.text)", into: &out)
                }
                // Credentials: to this origin alone, for the machine follows redirects nowhere else.
                for header in self.headers { ResponseWriter.field(header.name, header.value, into: &out) }
            }
            out.append(request.body)
        }
    }

    private func takeTicket() -> TLSTicket? {
        defer { ticket = nil }
        return ticket
    }

    // MARK: What connections tell

    func keep(_ ticket: TLSTicket?) {
        if let ticket { self.ticket = ticket }
    }

    func closed(_ connection: RemoteConnection) {
        connections.removeAll { $0 === connection }
    }

    /// A connection has ended before the answer did.
    func lost(
        _ request: RemoteRequest, _ connection: RemoteConnection, _ reason: String, _ wasOpening: Bool
    ) {
        if wasOpening {
            if !connection.otherAddresses.isEmpty, let route {
                open(route, connection.otherAddresses, request)
                return schedule()
            }
            // Perhaps it has moved.
            route = nil
        }
        ended(request.exchange, reason)
    }

    func answered(_ exchange: Int, _ head: RemoteHead) -> RemoteClient.BodyUse {
        let (use, actions) = client.answered(exchange, head, now: loop.now, random: Self.random())
        barriers.headCame(exchange)
        perform(actions)
        return use
    }

    /// One event of a stream.
    func received(_ event: EventReader.Event, _ exchange: Int) {
        client.noted(exchange, eventID: event.lastID, retryMilliseconds: nil)
        if event.type.equals("endpoint") {
            perform(client.endpoint(exchange, event.data, now: loop.now))
        } else if event.isMessage, !event.data.isEmpty {
            received(event.data, exchange)
        }
    }

    func noted(_ exchange: Int, retryMilliseconds: Int) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        client.noted(exchange, eventID: nothing, retryMilliseconds: retryMilliseconds)
    }

    func ended(_ exchange: Int, _ failure: String?) {
        barriers.passed(exchange)
        perform(client.ended(exchange, failure: failure, now: loop.now, random: Self.random()))
    }

    /// The stream on which the answer came is not waited for.
    func answerCame(_ exchange: Int) {
        connections.first { $0.request?.exchange == exchange }?.hasAnswer()
        schedule()
    }

    static func random() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}

/// A value that is touched on its loop's thread alone, carried through a thread that does not look at it.
struct Confined<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}

extension IPAddress {
    /// 4 or 16 bytes.
    var networkBytes: [UInt8] {
        switch self {
        case .v4(let number): (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * $0)) } }
        }
    }
}
