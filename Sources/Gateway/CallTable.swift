import MCP
import System

/// Names a call in flight: also, as an integer below 2^53, the JSON-RPC id and the progress token that the
/// child sees, so that an answer finds its call by index and a stale or invented id finds nothing.
struct CallID: Equatable, Hashable {
    /// 20 bits of slot: as many calls as one loop may have in flight.
    static let slotBits: UInt64 = 20
    /// 32 bits of generation.
    static let generationMask: UInt64 = 0xffff_ffff

    var value: UInt64

    static let none = CallID(value: 0)

    init(value: UInt64) { self.value = value }
    init(slot: Int, generation: UInt32) {
        value = (UInt64(generation) << Self.slotBits) | UInt64(truncatingIfNeeded: slot)
    }
    var slot: Int { Int(value & ((1 << Self.slotBits) - 1)) }
    var generation: UInt32 { UInt32(truncatingIfNeeded: value >> Self.slotBits) }
}

/// Raw JSON bytes that a client chose (an id, a progress token): inline when short, so that remembering them
/// allocates nothing. Not copyable, since whoever holds a call can borrow them.
struct ClientBytes: ~Copyable {
    private var inline: InlineArray<32, UInt8> = .init(repeating: 0)
    private var inlineCount: UInt8 = 0
    private var spilled: [UInt8] = []

    init() {}

    init(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count <= 32 {
            withUnsafeMutableBytes(of: &inline) { $0.copyMemory(from: bytes) }
            inlineCount = UInt8(truncatingIfNeeded: bytes.count)
        } else {
            spilled = Array(bytes)
        }
    }

    var isEmpty: Bool { inlineCount == 0 && spilled.isEmpty }

    func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        if !spilled.isEmpty { return spilled.withUnsafeBytes(body) }
        return withUnsafeBytes(of: inline) {
            body(UnsafeRawBufferPointer(rebasing: $0[..<Int(inlineCount)]))
        }
    }

    func equals(_ other: UnsafeRawBufferPointer) -> Bool {
        withBytes { mine in
            mine.count == other.count && mine.elementsEqual(other)
        }
    }
}

/// What a call in flight came from and where its answer goes. An object, since it is handed from one to the
/// next on its way: copying its two hundred bytes, with the references in them, costs more than all else that
/// happens to it.
final class Call {
    enum Kind: Equatable {
        case call, get, read, complete
        /// Asked by the plain-HTTP shim.
        case rest
        /// Asked by the gateway itself.
        case open(Handshake.Question)
        case list(ListKind)
        case level
        /// About the task of a client's call.
        case task(TaskDriver.Question, of: CallID)
        /// How a task goes that is to be listed.
        case taskLook(TaskLook)
        /// Asked by a client about a task that it follows itself.
        case ofTask(TaskDriver.Question)
        case watch
    }

    let kind: Kind
    let isModern: Bool
    /// False until bytes of a stream have been sent.
    var isStreaming = false
    /// The client takes `text/event-stream`, and the answer is not part of a batch.
    private(set) var mayStream: Bool
    /// The client does not take `application/json`.
    let mustStream: Bool
    private(set) var target: ReplyTarget
    /// The gateway itself asked.
    let isOwn: Bool
    let backend: Backend
    /// Which process of the server: an answer of an earlier one is not taken.
    var incarnation: UInt32
    let session: Session?
    /// The least severe `notifications/message` that the request itself asks for; nil: none.
    let logLevel: LogLevel?
    let id: ClientBytes
    let token: ClientBytes
    var deadline: Instant
    var lastSent: Instant
    /// While no server has the call: the request itself, apart, as it is large and rare.
    var held: HeldRequest?
    /// Its stream in `Replay` of its session; 0 while it has none.
    var stream = 0
    /// `Parking` knows the call by its id.
    var isParked = false
    /// What is kept for what its client may be asked.
    var bridged: BridgedCall?
    /// What of its server it is for, by hash; 0 where nobody needs to know.
    var subject = 0
    /// `Backend.trials` has admitted it as the first of its kind.
    var isOnTrial = false
    /// Its server may answer with a task.
    var task: TaskCall?

    init(
        kind: Kind, isModern: Bool, mayStream: Bool, mustStream: Bool, target: ReplyTarget, backend: Backend,
        incarnation: UInt32, session: Session?, logLevel: LogLevel?, id: consuming ClientBytes,
        token: consuming ClientBytes, deadline: Instant, lastSent: Instant, held: HeldRequest?
    ) {
        self.kind = kind
        self.isModern = isModern
        self.mayStream = mayStream
        self.mustStream = mustStream
        self.target = target
        isOwn = if case .none = target { true } else { false }
        self.backend = backend
        self.incarnation = incarnation
        self.session = session
        self.logLevel = logLevel
        self.id = id
        self.token = token
        self.deadline = deadline
        self.lastSent = lastSent
        self.held = held
    }

    /// The same, or what its session has set.
    var wishesLogs: LogLevel? { logLevel ?? session?.logLevel }

    /// Its client has taken up the stream again, with another request.
    func move(to exchange: ExchangeID) {
        target = .exchange(exchange)
        isStreaming = true
    }

    /// Its client has been answered, and the server still works on it.
    func leaveClient() {
        target = .parked
        isStreaming = false
        mayStream = false
    }
}

/// Where an answer goes.
enum ReplyTarget {
    case exchange(ExchangeID)
    case batch(Batch)
    /// An event of the stream that is a session of the transport of 2024-11-05.
    case events(ExchangeID)
    /// Of a call whose client was asked and has not come back: to nobody now.
    case parked
    /// To the gateway itself.
    case none
}

/// The calls in flight of one loop, found by index.
struct CallTable: ~Copyable {
    private struct Slot {
        var generation: UInt32 = 1
        var call: Call?
    }

    private var slots: UnsafeMutablePointer<Slot>
    /// Slots that were ever used; the rest of `room` is raw memory.
    private var used = 0
    private var room: Int
    private var free: [Int32] = []
    private(set) var count = 0
    private let capacity: Int

    init(capacity: Int = 1 << 18) {
        self.capacity = min(capacity, 1 << Int(CallID.slotBits))
        room = 64
        slots = .allocate(capacity: room)
    }

    deinit {
        slots.deinitialize(count: used)
        slots.deallocate()
    }

    /// Nil when `capacity` calls are in flight.
    mutating func insert(_ call: Call) -> CallID? {
        guard let slot = free.popLast().map({ Int($0) }) ?? fresh() else { return nil }
        slots[slot].call = call
        count += 1
        return CallID(slot: slot, generation: slots[slot].generation)
    }

    private mutating func fresh() -> Int? {
        guard used < capacity else { return nil }
        if used == room { grow() }
        (slots + used).initialize(to: Slot())
        used += 1
        return used - 1
    }

    private mutating func grow() {
        let larger = UnsafeMutablePointer<Slot>.allocate(capacity: room * 2)
        larger.moveInitialize(from: slots, count: used)
        slots.deallocate()
        slots = larger
        room *= 2
    }

    func contains(_ id: CallID) -> Bool {
        id.slot < used && slots[id.slot].generation == id.generation && slots[id.slot].call != nil
    }

    /// The call, if it is still in flight.
    subscript(_ id: CallID) -> Call? { contains(id) ? slots[id.slot].call : nil }

    /// Removes the call if it is in flight at just this process of `backend`.
    mutating func take(_ id: CallID, from backend: Backend, _ incarnation: UInt32) -> Call? {
        guard id.slot < used, slots[id.slot].generation == id.generation, let call = slots[id.slot].call,
            call.backend === backend, call.incarnation == incarnation, call.held == nil
        else { return nil }
        return vacate(id.slot)
    }

    mutating func remove(_ id: CallID) -> Call? {
        contains(id) ? vacate(id.slot) : nil
    }

    /// Undoes the `take` that came just before: the call goes on under its id.
    mutating func putBack(_ id: CallID, _ call: Call) -> Bool {
        guard id.slot < used, slots[id.slot].call == nil, free.last == Int32(truncatingIfNeeded: id.slot)
        else {
            return false
        }
        free.removeLast()
        slots[id.slot] = Slot(generation: id.generation, call: call)
        count += 1
        return true
    }

    private mutating func vacate(_ slot: Int) -> Call? {
        // Generation 0 never exists: `CallID.none` finds nothing.
        slots[slot].generation = slots[slot].generation == .max ? 1 : slots[slot].generation + 1
        free.append(Int32(truncatingIfNeeded: slot))
        count -= 1
        return slots[slot].call.take()
    }

    /// Every call for which `condition` holds, by id. For rare events and the tick; not the call path.
    func ids(where condition: (borrowing Call) -> Bool) -> [CallID] {
        var found: [CallID] = []
        for index in 0..<used {
            if let call = slots[index].call, condition(call) {
                found.append(CallID(slot: index, generation: slots[index].generation))
            }
        }
        return found
    }
}
