import MCP
import Reactor
import System
import Telemetry

/// When a server was needed last, and what is remembered of it while it rests.
struct Rest {
    /// Looked at once a second: what came in between was then.
    var lastUse = Instant(nanoseconds: 0)
    /// Wanted while what it was is still ending.
    var isWaking = false
    /// What it offered.
    private var lists: ServerLists?

    mutating func begin(_ lists: ServerLists) { self.lists = lists }

    /// It serves, for the first time or again. True when it offers what it offered before its rest.
    mutating func ended(_ now: Instant, _ lists: ServerLists) -> Bool {
        lastUse = now
        defer { self.lists = nil }
        return self.lists?.isSame(as: lists) == true
    }
}

/// A server that nobody needs has no process: it is stopped after a while, and the next call starts it again. Its
/// lists are answered from memory all the while.
extension Backend {
    /// Once a second, with all of its links.
    func considerRest(_ links: [ServerLink], _ now: Instant) {
        guard phase == .ready else { return }
        var isInUse = false
        for link in links {
            if link.wasUsed || link.inFlight > 0 { isInUse = true }
            link.wasUsed = false
        }
        if isInUse { return rest.lastUse = now }
        guard now.milliseconds(since: rest.lastUse) >= plan.idleSeconds * 1000, mayRest(links) else { return }
        beginRest(links)
    }

    /// Nothing of it is watched or waited for: not by a client that has been asked something, nor by a call that was
    /// called off and that it may still be at, nor as a task.
    private func mayRest(_ links: [ServerLink]) -> Bool {
        guard main is ChildLink, main?.isServing == true, heldCalls.isEmpty, watched.isEmpty, retiring.isEmpty
        else { return false }
        guard links.allSatisfy({ $0.doubts.isEmpty && $0.ghosts.isEmpty }),
            interactive.values.allSatisfy({ $0.waiting == nil && $0.isServing })
        else { return false }
        return !home.relayedTasks.has(server: index) && state.calls.ids { $0.backend === self }.isEmpty
    }

    private func beginRest(_ links: [ServerLink]) {
        phase = .idle
        readySince = nil
        rest.begin(lists)
        state.counters.idleStops &+= 1
        state.loop.cancel(mirrorTimer)
        mirrorTimer = .none
        Log.info(
            "server rests", ["sandbox": home.id, "server": plan.name, "idle seconds": plan.idleSeconds])
        for slot in interactive.keys { _ = leases.ended(slot) }
        for link in links where link !== main { link.stop() }
        (main as? ChildLink)?.rest()
    }

    /// It is needed again. Two processes of it at a time could be at the same files, so that the old one's end is
    /// waited for.
    func wake() {
        guard phase == .idle else { return }
        phase = .starting
        rest.isWaking = true
        linkRested()
    }

    /// One of its links has ended.
    func linkRested() {
        guard rest.isWaking, interactive.isEmpty, retiring.isEmpty, mirror == nil, main?.pid == nil else {
            return
        }
        start()
    }
}
