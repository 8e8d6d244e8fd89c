import System

/// What a timer calls. Held strongly until the timer has fired or is cancelled.
public protocol TimerTarget: AnyObject {
    func timerFired(_ tag: UInt64)
}

/// Names a scheduled timer; stale once it has fired or was cancelled.
@frozen public struct TimerID: Hashable, Sendable {
    var slot: UInt32
    var generation: UInt32

    /// Names nothing; cancelling it does nothing.
    public static let none = TimerID(slot: 0, generation: 0)
}

/// Timers in a hashed wheel: buckets by deadline, linked through a slab by index, O(1) to schedule and
/// cancel. A timer further away than one turn of the wheel stays in its bucket until its tick has come.
/// Knows no clock: the caller tells the time.
struct TimerWheel {
    /// `next` and `previous` are indices into `nodes`, -1 at the ends of a list.
    private struct Node {
        var next: Int32 = -1
        var previous: Int32 = -1
        /// Nanoseconds of `Instant`.
        var deadline: UInt64 = 0
        var sequence: UInt64 = 0
        var tag: UInt64 = 0
        /// Non-nil exactly while the timer is pending.
        var target: (any TimerTarget)?
        /// Changes when the timer fires or is cancelled. Never 0.
        var generation: UInt32 = 1
    }

    private struct Bucket {
        var first: Int32 = -1
        /// No timer of the bucket has an earlier tick; exact after each visit.
        var earliest = UInt64.max
    }

    private struct Due {
        var deadline: UInt64
        var sequence: UInt64
        var index: Int32
        var generation: UInt32
    }

    private var nodes: ContiguousArray<Node> = []
    /// Head of the list of unused nodes.
    private var free: Int32 = -1
    private var buckets = ContiguousArray(repeating: Bucket(), count: ReactorLimits.wheelBuckets)
    private var due: ContiguousArray<Due> = []
    private var sequence: UInt64 = 0
    /// No timer has an earlier tick.
    private var earliest = UInt64.max
    private(set) var count = 0

    // MARK: Scheduling

    mutating func schedule(at deadline: Instant, _ target: any TimerTarget, tag: UInt64) -> TimerID {
        let index = takeNode()
        let tick = Self.tick(of: deadline.nanoseconds)
        let bucket = Self.bucket(of: tick)
        let first = buckets[bucket].first
        sequence &+= 1
        let generation = nodes[Int(index)].generation
        nodes[Int(index)] = Node(
            next: first, deadline: deadline.nanoseconds, sequence: sequence, tag: tag, target: target,
            generation: generation)
        if first >= 0 { nodes[Int(first)].previous = index }
        buckets[bucket].first = index
        buckets[bucket].earliest = min(buckets[bucket].earliest, tick)
        earliest = min(earliest, tick)
        count += 1
        return TimerID(slot: UInt32(index), generation: generation)
    }

    /// Returns the target, for the caller to let go of; nil when `id` is stale.
    mutating func cancel(_ id: TimerID) -> (any TimerTarget)? {
        guard id.slot < nodes.count, nodes[Int(id.slot)].generation == id.generation,
            let target = nodes[Int(id.slot)].target
        else { return nil }
        unlink(Int32(id.slot))
        release(Int32(id.slot))
        return target
    }

    func isPending(_ id: TimerID) -> Bool {
        id.slot < nodes.count && nodes[Int(id.slot)].generation == id.generation
            && nodes[Int(id.slot)].target != nil
    }

    // MARK: Firing

    /// Finds what is due at `now`; `next` then gives it out in the order of deadlines. Timers that are
    /// scheduled meanwhile wait for the next `collect`.
    mutating func collect(now: Instant) {
        let tick = now.nanoseconds >> ReactorLimits.tickShift
        guard tick >= earliest else { return }
        due.removeAll(keepingCapacity: true)
        earliest = .max
        for bucket in buckets.indices where buckets[bucket].first >= 0 {
            if buckets[bucket].earliest <= tick { visit(bucket, tick) }
            earliest = min(earliest, buckets[bucket].earliest)
        }
        // Last first, so that `next` can pop.
        due.sort { ($0.deadline, $0.sequence) > ($1.deadline, $1.sequence) }
    }

    /// The next timer of the last `collect` that was not cancelled since.
    mutating func next() -> (target: any TimerTarget, tag: UInt64)? {
        while let entry = due.popLast() {
            let node = nodes[Int(entry.index)]
            guard node.generation == entry.generation, let target = node.target else { continue }
            release(entry.index)
            return (target, node.tag)
        }
        return nil
    }

    /// Milliseconds from `now` until the next timer may be due, rounded up; nil without timers.
    func millisecondsToNext(now: Instant) -> Int? {
        guard earliest != .max else { return nil }
        let deadline = earliest << ReactorLimits.tickShift
        guard deadline > now.nanoseconds else { return 0 }
        return Int((deadline - now.nanoseconds + 999_999) / 1_000_000)
    }

    /// Moves what is due out of the bucket.
    private mutating func visit(_ bucket: Int, _ tick: UInt64) {
        var earliest = UInt64.max
        var index = buckets[bucket].first
        while index >= 0 {
            let node = nodes[Int(index)]
            let own = Self.tick(of: node.deadline)
            if own <= tick {
                unlink(index)
                due.append(
                    Due(
                        deadline: node.deadline, sequence: node.sequence, index: index,
                        generation: node.generation))
            } else {
                earliest = min(earliest, own)
            }
            index = node.next
        }
        buckets[bucket].earliest = earliest
    }

    // MARK: Lists

    /// Rounded up, so that no timer fires early.
    private static func tick(of nanoseconds: UInt64) -> UInt64 {
        let whole = nanoseconds >> ReactorLimits.tickShift
        return whole << ReactorLimits.tickShift == nanoseconds ? whole : whole + 1
    }

    private static func bucket(of tick: UInt64) -> Int {
        Int(truncatingIfNeeded: tick) & (ReactorLimits.wheelBuckets - 1)
    }

    private mutating func unlink(_ index: Int32) {
        let node = nodes[Int(index)]
        if node.previous >= 0 {
            nodes[Int(node.previous)].next = node.next
        } else {
            let bucket = Self.bucket(of: Self.tick(of: node.deadline))
            // Otherwise it was in no list: due, and not yet fired.
            guard buckets[bucket].first == index else { return }
            buckets[bucket].first = node.next
        }
        if node.next >= 0 { nodes[Int(node.next)].previous = node.previous }
        nodes[Int(index)].next = -1
        nodes[Int(index)].previous = -1
    }

    private mutating func takeNode() -> Int32 {
        guard free >= 0 else {
            nodes.append(Node())
            return Int32(nodes.count - 1)
        }
        let index = free
        free = nodes[Int(index)].next
        return index
    }

    private mutating func release(_ index: Int32) {
        let next = nodes[Int(index)].generation &+ 1
        nodes[Int(index)] = Node(next: free, generation: next == 0 ? 1 : next)
        free = index
        count -= 1
    }
}
