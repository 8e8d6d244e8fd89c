import System
import Wire

/// Which child of a legacy stdio server a call goes to. On stdio a server's requests name no call, so a child that
/// may ask works for one call at a time; all others share the plain child, which has been told that its client can
/// do nothing.
public struct Leases: Sendable {
    /// Whether a server asks its client at all; `interactive:` of its configuration.
    public enum Interactivity: String, Sendable, CaseIterable {
        /// Not until it has shown that it wants to: a second process is not free.
        case auto
        case always
        case never
    }

    public enum Placement: Sendable, Equatable {
        /// The plain child takes it.
        case plain
        /// The interactive child of this number is the call's until `release`.
        case lease(child: Int)
        /// Start an interactive child of this number, declaring `capabilities`, after ending the one that has
        /// the number; the call is its first.
        case start(child: Int, capabilities: ClientCapabilities)
        /// All are busy: the call waits, and `release` of another one says when it goes.
        case wait
        case refuse
    }

    private struct Slot: Sendable {
        var capabilities: ClientCapabilities
        /// Nil while it is free.
        var holder: UInt64?
    }

    private struct Waiter: Sendable {
        var call: UInt64
        var wanted: ClientCapabilities
        var deadline: Instant
    }

    private let choice: Interactivity
    private let asksRoots: Bool
    private var slots: [Int: Slot] = [:]
    private var queue: [Waiter] = []
    /// It has asked, or has said that it would have liked to.
    public private(set) var hasAsked: Bool

    /// - Parameters:
    ///   - hasAsked: as learned by an earlier process of the same server.
    ///   - asksRoots: the operator lets servers see the client's roots; a sandbox has roots of its own.
    public init(_ choice: Interactivity, hasAsked: Bool = false, asksRoots: Bool = false) {
        self.choice = choice
        self.hasAsked = hasAsked
        self.asksRoots = asksRoots
    }

    /// What of a client's capabilities makes it a candidate for an interactive child.
    public func wanted(_ declared: ClientCapabilities) -> ClientCapabilities {
        var mask: ClientCapabilities = [.sampling, .samplingTools, .elicitationForm, .elicitationURL]
        if asksRoots { mask.insert(.roots) }
        return declared.intersection(mask)
    }

    public var isInteractive: Bool { isInteractive(besideOthers: false) }

    /// - Parameter besideOthers: the plain child works on calls whose requests could not be told from this one's, or
    ///   waits for the client of one, perhaps for minutes.
    public func isInteractive(besideOthers: Bool) -> Bool {
        switch choice {
        case .always: true
        case .never: false
        case .auto: hasAsked || besideOthers
        }
    }

    /// Whether what it shows changes anything.
    public var learns: Bool { choice == .auto }

    /// The plain child has asked, or a tool failed because its client "does not support" asking.
    public mutating func learn() { hasAsked = true }

    public mutating func place(
        _ call: UInt64, declared: ClientCapabilities, besideOthers: Bool = false, now: Instant
    ) -> Placement {
        let wanted = wanted(declared)
        guard isInteractive(besideOthers: besideOthers), !wanted.isEmpty else { return .plain }
        if let child = free(for: wanted) {
            slots[child]?.holder = call
            return .lease(child: child)
        }
        // State that a server keeps in its process stays together as long as one child is enough.
        if slots.count < BridgeLimits.interactiveChildrenMax {
            let child = (0..<BridgeLimits.interactiveChildrenMax).first { slots[$0] == nil } ?? slots.count
            return start(child, call, wanted)
        }
        if let idle = slots.filter({ $0.value.holder == nil }).keys.max() { return start(idle, call, wanted) }
        guard queue.count < BridgeLimits.leaseQueueMax else { return .refuse }
        queue.append(
            Waiter(
                call: call, wanted: wanted,
                deadline: now.advanced(milliseconds: BridgeLimits.leaseMilliseconds)))
        return .wait
    }

    private mutating func start(_ child: Int, _ call: UInt64, _ wanted: ClientCapabilities) -> Placement {
        slots[child] = Slot(capabilities: wanted, holder: call)
        return .start(child: child, capabilities: wanted)
    }

    /// The lowest free child that declared the same, else one that declared more: what the caller did not
    /// declare is then refused request by request.
    private func free(for wanted: ClientCapabilities) -> Int? {
        let able = slots.filter { $0.value.holder == nil && $0.value.capabilities.isSuperset(of: wanted) }
        let exact = able.filter { $0.value.capabilities == wanted }.keys.min()
        return exact ?? able.keys.min()
    }

    /// Calls that have a child for themselves.
    public var holders: [UInt64] { slots.values.compactMap(\.holder) }
    public var waiterCount: Int { queue.count }
    public var isUnused: Bool { slots.isEmpty && queue.isEmpty }
    public func holder(of child: Int) -> UInt64? { slots[child]?.holder }
    public func child(of call: UInt64) -> Int? { slots.first { $0.value.holder == call }?.key }

    /// The call has ended. Where the call goes that waited longest, if there is one.
    public mutating func release(_ call: UInt64) -> (call: UInt64, placement: Placement)? {
        queue.removeAll { $0.call == call }
        guard let child = child(of: call), let slot = slots[child] else { return nil }
        slots[child]?.holder = nil
        guard !queue.isEmpty else { return nil }
        let next = queue.removeFirst()
        guard slot.capabilities.isSuperset(of: next.wanted) else {
            return (next.call, start(child, next.call, next.wanted))
        }
        slots[child]?.holder = next.call
        return (next.call, .lease(child: child))
    }

    /// The child is gone, and with it the call that held it, which the driver fails. Where the call goes that
    /// waited longest, if there is one.
    public mutating func ended(_ child: Int) -> (call: UInt64, placement: Placement)? {
        guard slots.removeValue(forKey: child) != nil, !queue.isEmpty else { return nil }
        let next = queue.removeFirst()
        return (next.call, start(child, next.call, next.wanted))
    }

    /// Calls that have waited long enough.
    public mutating func expire(now: Instant) -> [UInt64] {
        let late = queue.filter { now > $0.deadline }.map(\.call)
        queue.removeAll { now > $0.deadline }
        return late
    }

    /// Whether a server has refused a request with -32021, the word of 2026-07-28 for a capability that the client has
    /// not declared, although the client has it: its process was told of less.
    public func isDemanded(
        by envelope: Envelope, _ line: UnsafeRawBufferPointer, of declared: ClientCapabilities
    ) -> Bool {
        guard envelope.errorCode == RPCCode.missingCapability else { return false }
        let named = JSONMembers.value("requiredCapabilities", in: envelope.errorData.of(line))
        let lacking = named.map { ClientCapabilities(object: $0) } ?? []
        guard !lacking.isEmpty else { return true }
        return wanted(declared).isSuperset(of: lacking)
    }

    /// Whether a tool's result says that it wanted to ask and could not: the SDKs' sentences for it. A hint only;
    /// all it does is start another child for the next call.
    public static func missesClient(_ result: UnsafeRawBufferPointer) -> Bool {
        guard result.count < 4096 else { return false }
        let text = String(decoding: result, as: UTF8.self).lowercased()
        guard text.contains("not support") || text.contains("not declare") else { return false }
        return text.contains("elicitation") || text.contains("sampling")
    }

    /// Whether a failure of a server of 2026-07-28 says that it asks in the older era's way, for which there is
    /// nothing to send on: the sentence of the official Python SDK. A hint only, as above.
    public static func missesBackChannel(_ failure: UnsafeRawBufferPointer) -> Bool {
        failure.count < 4096 && String(decoding: failure, as: UTF8.self).contains("no back-channel")
    }
}

/// Whose call a server's request belongs to, where nothing in it says so.
public enum Attribution: Sendable, Equatable {
    case call(UInt64)
    /// Several calls could be meant: none may be asked in another's place.
    case ambiguous
    /// No call is under way.
    case unsolicited

    /// - Parameters:
    ///   - leasedTo: the call that has the child for itself.
    ///   - inFlight: every call at that child, of the gateway's own requests none.
    public static func of(leasedTo holder: UInt64?, inFlight: [UInt64]) -> Attribution {
        if let holder { return .call(holder) }
        switch inFlight.count {
        case 0: return .unsolicited
        case 1: return .call(inFlight[0])
        default: return .ambiguous
        }
    }
}
