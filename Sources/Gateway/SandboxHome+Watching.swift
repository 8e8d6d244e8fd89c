import MCP
import Reactor
import System
import Wire

/// Subscriptions to resources, from clients of both eras to servers of both. A client that subscribes waits for its
/// server's word, so that what changes right after its answer is told.
extension SandboxHome {
    /// Whether any server may tell of its resources.
    var mayWatch: Bool { backends.isEmpty || backends.contains { $0.mayWatch } }

    // MARK: Sessions (2025-11-25 and earlier)

    /// `resources/subscribe` and `resources/unsubscribe`.
    func watch(_ request: NorthRequest, _ session: Session, isOn: Bool) {
        let method: MethodName = isOn ? .subscribe : .unsubscribe
        let name = request.envelope.uri.of(request.body)
        guard
            let route = catalog.route(method, request.borrowed, request.body, name: name),
            route.server < backends.count
        else { return fail(request, .resourceNotFound(uri: name, isModern: false)) }
        let place = WatchedPlace(backends[route.server], name, route.target)
        let asker = Subscribing.Asker.request(Reply(request))
        guard isOn else {
            watches.unwatch(
                session.audience.name, server: place.backend.index, uri: place.uri, now: state.loop.now)
            return answer(asker)
        }
        let subscribing = Subscribing(self, asker, session.audience)
        guard begin(place, subscribing) else {
            let limit = BridgeLimits.watchedPerClientMax
            return fail(request, .serverFailed("\(limit) resources are watched, as many as may be"))
        }
        wait(subscribing, milliseconds: BridgeLimits.subscribeWordMilliseconds)
    }

    // MARK: 2026-07-28

    /// `subscriptions/listen`. Lists are ours to watch; of resources, those are acknowledged that their server tells of.
    func listen(_ request: NorthRequest) {
        guard case .exchange(let exchange) = request.target else { return }
        guard request.accepts.eventStream else {
            return fail(request, .http(406, "subscriptions/listen answers with text/event-stream."))
        }
        guard streams.count < Limits.streamsPerSandbox else { return fail(request, tooManyStreams) }
        let wish = ListenWish(object: request.envelope.notifications.of(request.body))
        let audience = newAudience(wish.lists)
        let stream = EventStream(exchange, listen: request.rawID, audience, now: state.loop.now)
        audience.stream = stream
        streams.append(stream)
        state.note(exchange, call: .none, cancelsOnLeave: true)
        state.openStream(exchange, .stream)
        let subscribing = Subscribing(self, .stream(stream), audience)
        for uri in wish.uris {
            guard let place = place(of: uri) else { continue }
            _ = begin(place, subscribing)
        }
        let declared = request.envelope.metaClientCapabilities.of(request.body)
        if !wish.tasks.isEmpty, ClientCapabilities.followsTasks(object: declared) {
            for task in wish.tasks {
                guard let place = watchedTask(task) else { continue }
                _ = begin(place, subscribing)
            }
        }
        wait(subscribing, milliseconds: BridgeLimits.listenWordMilliseconds)
    }

    private func place(of uri: String) -> WatchedPlace? {
        let route = uri.withRawUTF8 { catalog.resource($0) }
        guard let route, route.server < backends.count else { return nil }
        return Hearing.quoted(uri).withUnsafeBytes { WatchedPlace(backends[route.server], $0, route.target) }
    }

    // MARK: The servers' word

    /// False when too much is watched already.
    private func begin(_ place: WatchedPlace, _ subscribing: Subscribing) -> Bool {
        let outcome = watches.watch(
            subscribing.audience.name, server: place.backend.index, uri: place.uri, exposed: place.exposed)
        guard case .watching(let upstream) = outcome else { return false }
        if upstream != nil { place.backend.watch(place.uri) }
        subscribing.places.append(place)
        switch place.backend.word(on: place.uri) {
        case .awaited: subscribing.open.append(place)
        case .refused(let failure): refuse(place, failure, subscribing)
        case .agreed, .later: break
        }
        return true
    }

    private func wait(_ subscribing: Subscribing, milliseconds: Int) {
        guard !subscribing.open.isEmpty else { return finish(subscribing) }
        subscribings.append(subscribing)
        subscribing.timer = state.loop.schedule(afterMilliseconds: milliseconds, subscribing, tag: 0)
    }

    func serverSaid(_ word: Hearing.Word, on uri: String, of backend: Backend) {
        if case .awaited = word { return }
        for subscribing in subscribings {
            guard let index = subscribing.open.firstIndex(where: { $0.backend === backend && $0.uri == uri })
            else { continue }
            let place = subscribing.open.remove(at: index)
            if case .refused(let failure) = word { refuse(place, failure, subscribing) }
            if subscribing.open.isEmpty { finish(subscribing) }
        }
    }

    private func refuse(_ place: WatchedPlace, _ failure: RPCFailure, _ subscribing: Subscribing) {
        subscribing.failure = failure
        subscribing.places.removeAll { $0.backend === place.backend && $0.uri == place.uri }
        watches.unwatch(
            subscribing.audience.name, server: place.backend.index, uri: place.uri, now: state.loop.now)
    }

    /// Every server has spoken, or the time for it is over.
    func finish(_ subscribing: Subscribing) {
        subscribings.removeAll { $0 === subscribing }
        state.loop.cancel(subscribing.timer)
        subscribing.timer = .none
        if case .request(let reply) = subscribing.asker, let failure = subscribing.failure {
            return respond(reply, .ok) { out in
                reply.id.withUnsafeBytes { failure.write(id: $0, into: &out) }
            }
        }
        answer(subscribing.asker, subscribing.places)
    }

    private func answer(_ asker: Subscribing.Asker, _ places: [WatchedPlace] = []) {
        switch asker {
        case .request(let reply):
            respond(reply, .ok) { out in
                reply.id.withUnsafeBytes { Answers.empty(id: $0, isModern: false, into: &out) }
            }
        case .stream(let stream):
            guard stream.audience.stream === stream else { return }
            let uris = places.filter { !$0.isTask }.map { Hearing.quoted($0.exposed) }
            let tasks = places.filter(\.isTask).map { Hearing.quoted($0.exposed) }
            state.sendEvent(stream.exchange) { out in
                stream.subscription.withUnsafeBytes {
                    ListChange.acknowledge(
                        stream.audience.lists, uris: uris, tasks: tasks, subscription: $0, into: &out)
                }
            }
            stream.hasBegun = true
            tell(stream.audience)
        }
    }

    // MARK: Time

    /// Once a second: what nobody watches any more.
    func tickWatches(_ now: Instant) {
        guard !watches.isEmpty else { return }
        for change in watches.tick(now: now) {
            guard case .unsubscribe(let server, let uri) = change else { continue }
            backends.first { $0.index == server }?.unwatch(uri)
        }
    }
}

/// A resource as its server and its client know it.
struct WatchedPlace {
    let backend: Backend
    /// The server's.
    let uri: String
    /// The client's.
    let exposed: String

    var isTask: Bool { TaskKey(uri) != nil }

    /// A task that a client of 2026-07-28 wants to hear of.
    init(_ backend: Backend, task: TaskKey, as exposed: String) {
        self.backend = backend
        uri = task.text
        self.exposed = exposed
    }

    /// `name` is the raw JSON string of the client's URI.
    init(_ backend: Backend, _ name: UnsafeRawBufferPointer, _ target: SouthTarget) {
        self.backend = backend
        exposed = JSONText.string(name.insideQuotes ?? name)
        switch target {
        case .unchanged: uri = exposed
        case .renamed(let original): uri = JSONText.string(original.insideQuotes ?? original)
        case .withoutPrefix(let bytes):
            uri = String(decoding: Array(exposed.utf8).dropFirst(bytes), as: UTF8.self)
        }
    }
}

/// A client that waits for its servers' word on what it subscribes to.
final class Subscribing: TimerTarget {
    enum Asker {
        case request(Reply)
        case stream(EventStream)
    }

    private let home: SandboxHome
    let asker: Asker
    let audience: Audience
    /// Watched for the client, but for those that are refused.
    var places: [WatchedPlace] = []
    /// Those on which no word has come.
    var open: [WatchedPlace] = []
    var failure: RPCFailure?
    var timer = TimerID.none

    init(_ home: SandboxHome, _ asker: Asker, _ audience: Audience) {
        self.home = home
        self.asker = asker
        self.audience = audience
    }

    func timerFired(_ tag: UInt64) {
        timer = .none
        home.finish(self)
    }
}
