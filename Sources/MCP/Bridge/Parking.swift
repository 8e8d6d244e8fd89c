import System

/// The parked calls of one sandbox, by the key that their clients carry and by the call at the child.
public struct Parking: Sendable {
    /// What has come of a call, for the driver to do.
    public struct Outcome: Sendable, Equatable {
        /// The south call, as the driver named it.
        public var call: UInt64
        public var actions: [ParkedCall.Action]
    }

    private struct Entry: Sendable {
        var call: UInt64
        var parked: ParkedCall
    }

    private var entries: [CallKey: Entry] = [:]
    private var keys: [UInt64: CallKey] = [:]
    private let seal: StateSeal

    public init(_ seal: StateSeal) { self.seal = seal }

    public var count: Int { entries.count }
    public func isParked(_ call: UInt64) -> Bool { keys[call] != nil }
    public func consumer(of call: UInt64) -> UInt64? { keys[call].flatMap { entries[$0]?.parked.consumer } }

    /// The earliest time at which `tick` has something to do; nil when there is none.
    public var nextTick: Instant? {
        entries.values.lazy.compactMap { entry in
            entry.parked.gatherAt ?? (entry.parked.consumer == nil ? entry.parked.deadline : nil)
        }.min()
    }

    /// The child of `call` asks. `digest` and `capabilities` are of the request that `consumer` made.
    public mutating func asked(
        _ ask: Ask, id: UnsafeRawBufferPointer, call: UInt64, digest: RequestDigest,
        capabilities: ClientCapabilities, consumer: UInt64, now: Instant
    ) -> [ParkedCall.Action] {
        if keys[call] == nil {
            guard entries.count < BridgeLimits.parkedMax else {
                return [.tell(Self.refusal(ask, id))]
            }
            let parked = ParkedCall(digest: digest, capabilities: capabilities, consumer: consumer, now: now)
            keys[call] = parked.key
            entries[parked.key] = Entry(call: call, parked: parked)
        }
        return update(call) { $0.asked(ask, id: id, now: now) }
    }

    public mutating func withdrew(_ call: UInt64, id: UnsafeRawBufferPointer) {
        _ = update(call) {
            $0.withdrew(id: id)
            return []
        }
    }

    /// Nil when the call is not parked: the driver answers as for any call.
    public mutating func answered(
        _ call: UInt64, line: UnsafeRawBufferPointer, isError: Bool
    ) -> [ParkedCall.Action]? {
        guard isParked(call) else { return nil }
        let held = entries.values.reduce(line.count) { $0 + $1.parked.heldBytes }
        guard held <= BridgeLimits.parkedBytesMax || consumer(of: call) != nil else {
            return update(call) { $0.expired() }
        }
        return update(call) { $0.answered(line, isError: isError) }
    }

    /// False when the notification was kept for later.
    public mutating func progressed(_ call: UInt64, line: UnsafeRawBufferPointer) -> Bool {
        guard let key = keys[call] else { return true }
        return entries[key]?.parked.progressed(line) ?? true
    }

    /// A request with a state of kind `parked`.
    public mutating func retried(
        _ state: RequestState, digest: RequestDigest, responses: UnsafeRawBufferPointer, consumer: UInt64,
        wantsProgress: Bool, now: Instant, unixSeconds: Int
    ) -> Outcome {
        guard let call = entries[state.call]?.call else {
            return Outcome(call: 0, actions: [.fail(consumer: consumer, .staleState)])
        }
        let seal = seal
        let actions = update(call) {
            $0.retried(
                state, digest: digest, responses: responses, consumer: consumer, wantsProgress: wantsProgress,
                now: now, unixSeconds: unixSeconds, seal)
        }
        return Outcome(call: call, actions: actions)
    }

    public mutating func disconnected(_ call: UInt64, consumer: UInt64) -> [ParkedCall.Action] {
        update(call) { $0.disconnected(consumer) }
    }

    public mutating func childEnded(_ call: UInt64) -> [ParkedCall.Action] {
        update(call) { $0.childEnded() }
    }

    /// What time brings: gathered requests go out, clients that do not come back are given up.
    public mutating func tick(now: Instant, unixSeconds: Int) -> [Outcome] {
        let seal = seal
        var outcomes: [Outcome] = []
        for (call, key) in keys {
            guard let parked = entries[key]?.parked else { continue }
            let actions: [ParkedCall.Action]
            if let due = parked.gatherAt, now >= due {
                actions = update(call) { $0.gathered(now: now, unixSeconds: unixSeconds, seal) }
            } else if parked.consumer == nil, now > parked.deadline {
                actions = update(call) { $0.expired() }
            } else {
                continue
            }
            if !actions.isEmpty { outcomes.append(Outcome(call: call, actions: actions)) }
        }
        return outcomes
    }

    /// Nobody can come back any more: calls that no client waits for are given up.
    public mutating func endUnattended() -> [Outcome] {
        keys.filter { entries[$0.value]?.parked.consumer == nil }.keys
            .map { call in Outcome(call: call, actions: update(call) { $0.expired() }) }
    }

    /// Of these calls the one whose client has stayed away longest, and longer than others need wait for; nil when
    /// there is none.
    public func mostForsaken(of calls: some Sequence<UInt64>, now: Instant) -> UInt64? {
        // A client that has been asked just now has all of `parkSeconds` left.
        let left = BridgeLimits.parkSeconds * 1000 - BridgeLimits.forsakenMilliseconds
        var oldest: (call: UInt64, deadline: Instant)?
        for call in calls {
            guard let parked = keys[call].flatMap({ entries[$0]?.parked }), parked.consumer == nil,
                parked.deadline < now.advanced(milliseconds: left),
                parked.deadline < oldest?.deadline ?? Instant(nanoseconds: .max)
            else { continue }
            oldest = (call, parked.deadline)
        }
        return oldest?.call
    }

    /// Its client is not waited for any longer.
    public mutating func giveUp(_ call: UInt64) -> [ParkedCall.Action] { update(call) { $0.expired() } }

    /// The sandbox ends.
    public mutating func endAll() -> [Outcome] {
        keys.keys.map { call in Outcome(call: call, actions: update(call) { $0.expired() }) }
    }

    private mutating func update(
        _ call: UInt64, _ event: (inout ParkedCall) -> [ParkedCall.Action]
    ) -> [ParkedCall.Action] {
        guard let key = keys[call], var entry = entries[key] else { return [] }
        let actions = event(&entry.parked)
        if actions.contains(.end) {
            entries[key] = nil
            keys[call] = nil
        } else {
            entries[key] = entry
        }
        return actions
    }

    private static func refusal(_ ask: Ask, _ id: UnsafeRawBufferPointer) -> [UInt8] {
        var out = ByteCollector()
        RPCFailure.serverFailed("too many calls wait for their clients").write(id: id, into: &out)
        out.append("\n")
        return out.bytes
    }
}
