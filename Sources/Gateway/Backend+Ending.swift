import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry

/// What ends: the gateway's own requests, processes, the server itself.
extension Backend {
    /// One of the gateway's own requests has had no answer in time. The opening has a timer of its own; a list
    /// stays as it was.
    func askTimedOut(_ kind: Call.Kind) { askFailed(kind, "no answer in time") }

    func askFailed(_ kind: Call.Kind, _ reason: String) {
        if case .task(let question, let call) = kind {
            if let south = state.calls[call] { link(south.incarnation)?.taskFailed(question, of: call) }
            return
        }
        if case .taskLook(let look) = kind { return home.lookFailed(look) }
        guard case .list(let list) = kind, main?.isServing == true else { return }
        lists.abandon(list)
        // A server that is away has told why, and is asked for everything when it is back.
        guard phase == .starting || phase == .ready else { return }
        lastError = "\(list.method.text) failed: \(reason)"
        listSettled(list)
    }

    /// Servers made for version 1 of the Python SDK, without an upper bound on it, die at their first import.
    /// True when it starts again for that reason.
    func needsOlderSDK(_ link: ChildLink) -> Bool {
        guard !needsOldSDK, link === main, case .pypi = plan.source,
            stderr.lines.contains(where: { Launch.namesOldSDK($0) })
        else { return false }
        needsOldSDK = true
        failCalls(of: link, "restarts with an older SDK")
        start()
        return true
    }

    /// A process has ended, unasked.
    func linkEnded(_ link: ChildLink, _ how: String) {
        if case .interactive(let slot, _) = link.role { return interactiveGone(link, slot, how) }
        guard link === main else { return mirrorGone() }
        let served = readySince.map { state.loop.now.milliseconds(since: $0) } ?? 0
        exitsInARow = served >= Limits.steadySeconds * 1000 ? 1 : exitsInARow + 1
        readySince = nil
        lastError = how
        Log.warning(
            "server exited", ["sandbox": home.id, "server": plan.name, "how": how, "in a row": exitsInARow])
        phase = exitsInARow >= Limits.crashLoopExits ? .crashLoop : .backoff
        if phase == .crashLoop { releaseHeldCalls() }
        let shift = min(exitsInARow - 1, 12)
        let delay = min(Limits.restartMilliseconds << shift, Limits.restartMillisecondsMax)
        timer = state.loop.schedule(afterMilliseconds: delay, self, tag: TimerTag.restart)
        home.serverLost(self)
    }

    /// Ends its processes; `done` runs when nothing of them is left.
    func stop(_ done: @escaping @Sendable () -> Void) {
        if phase == .stopped { return done() }
        whenStopped.append(done)
        guard phase != .stopping else { return }
        phase = .stopping
        rest.isWaking = false
        state.loop.cancel(timer)
        state.loop.cancel(mirrorTimer)
        failAllCalls("the sandbox is being stopped")
        for link in links { link.stop() }
    }

    func linkStopped(_ link: ServerLink) {
        if case .interactive(let slot, _) = link.role, interactive[slot] === link { interactive[slot] = nil }
        retiring.removeAll { $0 === link }
        if case .session(let abilities) = link.role, sessions[abilities.rawValue]?.link === link {
            sessions[abilities.rawValue] = nil
        }
        if link === mirror { mirror = nil }
        if link === main { main = nil }
        guard phase == .stopping, links.isEmpty else { return linkRested() }
        phase = .stopped
        let waiting = whenStopped
        whenStopped = []
        for done in waiting { done() }
    }

    func timerFired(_ tag: UInt64) {
        switch tag {
        case TimerTag.restart:
            timer = .none
            restarts += 1
            start()
        case TimerTag.mirror:
            mirrorTimer = .none
            (mirror as? ChildLink)?.start(.serve(.legacy))
        default: return
        }
    }
}
