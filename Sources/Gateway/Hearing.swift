import MCP
import Reactor
import System
import Wire

/// What a server tells unasked over one link: changes of its lists, and of the resources that clients watch. A server
/// of 2026-07-28 tells on the stream of a `subscriptions/listen`, and is asked for all of it by one; an older one
/// tells of its lists by itself, and of a resource after `resources/subscribe`.
final class Hearing: TimerTarget {
    /// What the server has said to a wish to watch a resource.
    enum Word {
        case agreed
        case refused(RPCFailure)
        /// It is being asked.
        case awaited
        /// It does not serve now, and is asked when it does.
        case later
    }

    /// Added to the number of a listen request to make its id: above those of the handshake, and below every
    /// `CallID`, whose generation is never 0. They stay out of the table of calls: nobody waits for their end.
    private static let firstID = 1000
    private static let ids = UInt64(firstID)..<1 << CallID.slotBits

    private let backend: Backend
    /// Of the link, which has it. Not a weak reference: that would make every retain of a link on the call path a
    /// slow one.
    private var incarnation: UInt32?
    private var listen = UpstreamListen()
    /// The URIs of each listen request that has not been acknowledged.
    private var asked: [Int: [String]] = [:]
    private var words: [String: Word] = [:]
    /// `resources/subscribe` requests without an answer.
    private var requests: [CallID: String] = [:]
    /// The server has no `subscriptions/listen`.
    private var isDeaf = false
    private var hasBegun = false
    private var timer = TimerID.none
    private var due = Instant(nanoseconds: .max)

    init(_ backend: Backend) { self.backend = backend }

    /// Nil before it has served, and when it is gone.
    private var link: ServerLink? { incarnation.flatMap { backend.link($0) } }

    static func owns(_ id: UInt64) -> Bool { ids.contains(id) }

    func word(on uri: String) -> Word {
        guard link?.isServing == true else { return .later }
        return words[uri] ?? .awaited
    }

    // MARK: Beginning and end

    /// The server serves, possibly anew.
    func begin(_ link: ServerLink) {
        incarnation = link.incarnation
        words = [:]
        requests = [:]
        asked = [:]
        isDeaf = false
        if link.era == .modern {
            want()
            listen.started(now: link.state.loop.now)
            // Before its lists are read: what changes after that is told.
            perform(listen.tick(now: link.state.loop.now, random: Self.random()))
        } else {
            listen.stopped()
            for uri in link.backend.watched.sorted() where TaskKey(uri) == nil { subscribe(uri) }
            if hasBegun, link.isMain { link.backend.resourcesMayHaveChanged() }
        }
        hasBegun = true
    }

    /// The server is gone; whoever waits for its word gets it when it is back.
    func end() {
        listen.stopped()
        words = [:]
        requests = [:]
        asked = [:]
        backend.state.loop.cancel(timer)
        timer = .none
        due = Instant(nanoseconds: .max)
        guard let link, link.isMain else { return }
        link.backend.heard(nil, .later)
    }

    // MARK: What is wanted

    func watch(_ uri: String) {
        guard let link else { return }
        if link.era == .modern { want() } else if TaskKey(uri) == nil { subscribe(uri) }
    }

    func unwatch(_ uri: String) {
        guard let link else { return }
        let had = words.removeValue(forKey: uri)
        if link.era == .modern { return want() }
        if TaskKey(uri) != nil { return }
        if case .refused? = had { return }
        _ = ask(.unsubscribe, uri)
    }

    private var offersSubscriptions: Bool { link?.profile?.offers.contains(.subscriptions) == true }

    private static let notOffered = RPCFailure(
        httpStatus: 200, code: RPCCode.invalidParams,
        message: "the server of this resource does not tell of its changes")

    /// Renews the listen request when what it is to bring has changed.
    private func want() {
        guard let link, !isDeaf else { return settleAll(.refused(Self.notOffered)) }
        var filter = UpstreamListen.Filter()
        let offers = link.profile?.offers ?? []
        if link.isMain {
            if offers.contains(.tools) { filter.lists.insert(.tools) }
            if offers.contains(.prompts) { filter.lists.insert(.prompts) }
            if offers.contains(.resources) { filter.lists.insert(.resources) }
        }
        for uri in link.backend.watched.sorted() {
            if let task = TaskKey(uri) {
                // Those of an earlier process are nobody's.
                guard task.process == incarnation, link.runsTasks else { continue }
                if case .refused? = words[uri] { continue }
                filter.uris.append(uri)
            } else if !offersSubscriptions {
                settle(uri, .refused(Self.notOffered))
            } else if case .refused? = words[uri] {
                continue
            } else {
                filter.uris.append(uri)
            }
        }
        listen.want(filter, now: link.state.loop.now)
        schedule()
    }

    private func subscribe(_ uri: String) {
        guard offersSubscriptions else { return settle(uri, .refused(Self.notOffered)) }
        words[uri] = .awaited
        if let id = ask(.subscribe, uri) { requests[id] = uri }
    }

    private func ask(_ method: MethodName, _ uri: String) -> CallID? {
        guard let link, let id = link.register(.watch) else { return nil }
        link.sendOwn(id, method, isRepeatable: true) {
            SouthLine.watch(method, uri, id: $0, into: &$1)
            $1.bytes.removeLast()
        }
        return id
    }

    private func settle(_ uri: String, _ word: Word) {
        words[uri] = word
        if let link, link === link.backend.watcher { link.backend.heard(uri, word) }
    }

    private func settleAll(_ word: Word) {
        for uri in link?.backend.watched ?? [] { settle(uri, word) }
    }

    // MARK: What a server of the older era says

    /// The answer to one of the requests made here.
    func answered(_ id: CallID, _ envelope: Envelope, _ line: UnsafeRawBufferPointer) {
        guard let uri = requests.removeValue(forKey: id), link?.backend.watched.contains(uri) == true else {
            return
        }
        guard envelope.kind == .failure else { return settle(uri, .agreed) }
        let said = (try? JSONValue.parse(envelope.errorMessage.of(line)))?.stringValue
        settle(
            uri,
            .refused(
                RPCFailure(
                    httpStatus: 200, code: envelope.errorCode ?? RPCCode.internalError,
                    message: said ?? "the server refused the subscription")))
    }

    /// It did not come, and comes no more.
    func lost(_ id: CallID) {
        guard let uri = requests.removeValue(forKey: id), link?.backend.watched.contains(uri) == true else {
            return
        }
        settle(uri, .agreed)
    }

    // MARK: What a server of 2026-07-28 says

    /// `notifications/subscriptions/acknowledged`, with what of the request it honours.
    func acknowledged(_ id: UInt64, _ honoured: UnsafeRawBufferPointer) {
        let number = Self.number(id)
        let uris = asked.removeValue(forKey: number) ?? []
        if !uris.isEmpty {
            let wish = ListenWish(object: honoured, urisMax: BridgeLimits.watchedMax)
            let (granted, tasks) = (Set(wish.uris), Set(wish.tasks))
            for uri in uris {
                // Some normalise a URI without a path.
                let isGranted =
                    TaskKey(uri).map { tasks.contains($0.id) }
                    ?? (granted.contains(uri) || granted.contains(uri + "/"))
                settle(uri, isGranted ? .agreed : .refused(Self.notOffered))
            }
        }
        perform(listen.acknowledged(number))
    }

    /// The stream of a listen request has ended in good order, or was cut.
    func ended(_ id: UInt64) {
        guard let link else { return }
        asked[Self.number(id)] = nil
        perform(
            listen.ended(Self.number(id), now: link.state.loop.now, random: Self.random()))
    }

    /// The answer to a listen request.
    func took(_ id: UInt64, _ envelope: Envelope) {
        guard envelope.kind == .failure else { return ended(id) }
        // It has no such thing: lists are as they were read.
        if envelope.errorCode == RPCCode.methodNotFound {
            isDeaf = true
            listen.stopped()
            settleAll(.refused(Self.notOffered))
            return schedule()
        }
        // What was new may be the reason.
        for uri in asked[Self.number(id)] ?? [] {
            if case .agreed? = words[uri] { continue }
            settle(uri, .refused(Self.notOffered))
        }
        want()
        ended(id)
    }

    private func perform(_ actions: [UpstreamListen.Action]) {
        guard let link else { return }
        for action in actions {
            switch action {
            case .open(let number, let filter):
                let id = Self.firstID + number
                asked[number] = filter.uris
                let tasks = filter.uris.compactMap { TaskKey($0)?.id }
                let uris = filter.uris.filter { TaskKey($0) == nil }
                link.openListen(id) {
                    ModernLine.listen(
                        filter.lists, uris: uris.map { Self.quoted($0) },
                        tasks: tasks.map { Self.quoted($0) }, id: id,
                        envelope: tasks.isEmpty ? ServerLink.own : ServerLink.ownWithTasks, into: &$0)
                }
            case .close(let number):
                asked[number] = nil
                link.closeListen(Self.firstID + number)
            case .announceAll: link.backend.mayHaveChanged()
            }
        }
        schedule()
    }

    private static func number(_ id: UInt64) -> Int { Int(truncatingIfNeeded: id) - firstID }

    static func quoted(_ text: String) -> [UInt8] {
        var out = ByteCollector()
        JSONText.appendString(text, into: &out)
        return out.bytes
    }

    // MARK: Time

    private func schedule() {
        guard let link else { return }
        let next = listen.nextTick ?? Instant(nanoseconds: .max)
        guard next != due else { return }
        link.state.loop.cancel(timer)
        timer = .none
        due = next
        guard next.nanoseconds < .max else { return }
        let pause = max(next.milliseconds(since: link.state.loop.now), 0) + 1
        timer = link.state.loop.schedule(afterMilliseconds: pause, self, tag: 0)
    }

    func timerFired(_ tag: UInt64) {
        timer = .none
        due = Instant(nanoseconds: .max)
        guard let link else { return }
        perform(listen.tick(now: link.state.loop.now, random: Self.random()))
    }

    private static func random() -> UInt64 {
        var generator = SystemRandomNumberGenerator()
        return generator.next()
    }
}
