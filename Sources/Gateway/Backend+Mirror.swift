import Catalog
import MCP
import Reactor
import Sandbox
import System
import Telemetry
import Wire

/// The process of the older era beside the main one, for the clients of that era.
extension Backend {

    /// One that speaks both eras gets a second connection for clients of the older one, in which it may do other
    /// things. A second process is not free: it is for `era: mirror`, and for a server that asks in the older era's way.
    func startMirror() {
        let isWanted =
            plan.options.era == .mirror
            || plan.options.era == .auto && (isRemote && home.hasSessions || leases.isInteractive)
        guard isWanted, main?.era == .modern, mirror == nil, !hasNoMirror else { return }
        if case .remote(let endpoint) = plan.source {
            guard let link = try? RemoteLink(endpoint, .serve(.legacy), .mirror, of: self) else { return }
            link.incarnation = nextIncarnation()
            mirror = link
            mirrorOpening = state.loop.now
            return link.start()
        }
        let link = ChildLink(.mirror, of: self)
        mirror = link
        link.start(.serve(.legacy))
    }

    /// A remote server's connection for clients of the older era has failed; until it is back, they are served as
    /// by any other modern server. It tries again by itself, but not for ever.
    func mirrorDown(_ link: ServerLink, isFinal: Bool) {
        link.isServing = false
        mirrorAwaited()
        _ = mirrorBackoff.next(random: 0)
        guard isFinal || mirrorBackoff.attempts >= Limits.mirrorAttempts else { return }
        hasNoMirror = true
        link.stop()
        backChannelRefused()
    }

    func mirrorServes(_ link: ServerLink, _ profile: ChildProfile) {
        link.profile = profile
        link.isServing = true
        link.hearing.begin(link)
        mirrorBackoff.reset()
        mirrorOpening = nil
        backChannelOpened()
    }

    /// It comes back, unless it has said that it cannot or has tried often enough.
    func mirrorGone() {
        if mirrorBackoff.attempts >= Limits.mirrorAttempts { hasNoMirror = true }
        if hasNoMirror {
            mirror = nil
            backChannelRefused()
        } else {
            mirrorTimer = state.loop.schedule(
                afterMilliseconds: mirrorBackoff.next(random: UInt64(processes)), self,
                tag: TimerTag.mirror)
        }
        becomeReady()
    }

}
