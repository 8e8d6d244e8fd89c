import MCP
import System
import Wire

/// How a server of 2026-07-28 tells that its lists have changed: on the stream of a `subscriptions/listen`. One of
/// an older revision tells it on the GET stream of its session.
extension RemoteLink {
    /// Added to the number of a listen request to make its id: above those of the handshake, and below every
    /// `CallID`, whose generation is never 0.
    private static let firstListenID = 1000
    private static let listenIDs = UInt64(firstListenID)..<1 << CallID.slotBits

    /// The server serves, possibly anew.
    func beginListening(_ profile: ChildProfile) {
        guard era == .modern else { return listen.stopped() }
        var lists = ListenFilter()
        if profile.offers.contains(.tools) { lists.insert(.tools) }
        if profile.offers.contains(.prompts) { lists.insert(.prompts) }
        if profile.offers.contains(.resources) { lists.insert(.resources) }
        listen.want(UpstreamListen.Filter(lists: lists), now: loop.now)
        listen.started(now: loop.now)
        tickListening()
    }

    func tickListening() {
        for action in listen.tick(now: loop.now, random: Self.random()) { carryOut(action) }
    }

    private func carryOut(_ action: UpstreamListen.Action) {
        switch action {
        case .open(let number, let filter):
            var out = ByteCollector()
            let id = Self.firstListenID + number
            ModernLine.listen(filter.lists, uris: [], id: id, envelope: Self.own, into: &out)
            perform(
                client.call(
                    UInt64(id), body: out.bytes, method: .listen, isRepeatable: false))
        case .close(let number): perform(client.forget(UInt64(Self.firstListenID + number)))
        case .announceAll: backend.remoteMayHaveChanged()
        }
    }

    /// Whether `call` is a listen request; its end is then taken note of.
    func listeningEnded(_ call: UInt64) -> Bool {
        guard Self.listenIDs.contains(call) else { return false }
        for action in listen.ended(Self.number(call), now: loop.now, random: Self.random()) {
            carryOut(action)
        }
        return true
    }

    /// Whether the message came on the stream of a listen request, and was meant for it alone.
    func listened(_ call: UInt64, _ envelope: Envelope, _ message: UnsafeRawBufferPointer) -> Bool {
        guard Self.listenIDs.contains(call) else { return false }
        switch envelope.kind {
        case .notification:
            let name: StaticString = "notifications/subscriptions/acknowledged"
            guard envelope.method.of(message).equals(name) else { return false }
            for action in listen.acknowledged(Self.number(call)) { carryOut(action) }
            return true
        // It has no such thing: lists are as they were read.
        case .failure:
            listen.stopped()
            return true
        case .response: return listeningEnded(call)
        case .request, .batch, .invalid: return false
        }
    }

    private static func number(_ call: UInt64) -> Int { Int(truncatingIfNeeded: call) - firstListenID }
}
